"""One search on one stretch of markets: its trials, and what its record is called."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.jobs.searching.asked import TRIALS, AskedSearch
from engine.jobs.searching.looking import Looking, look
from engine.jobs.searching.record import Ground, Noting, search_digest
from engine.jobs.searching.space import Space, configured
from engine.jobs.searching.storage import file_storage, opened_storage
from engine.jobs.searching.study import Study
from engine.jobs.searching.sweeping import Sweeps
from engine.jobs.searching.trial import Trial, best_of
from engine.jobs.searching.worth import Worth, worth_of
from engine.statistics.trials import Key

log = logging.getLogger("tandem.search")

_ALL = 2**31


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A search that has come to its end.

    Attributes
    ----------
    folder : where it is kept
    trials : in the order in which sets were chosen
    importance : of each key, adding up to 1; empty where there is too little to tell
    tried : Sharpe ratio per year of each configuration that was looked at
    """

    ground: Ground
    folder: Path
    trials: Sequence[Trial]
    importance: Mapping[str, float]
    tried: Mapping[Key, float | None]

    @property
    def best(self) -> Trial | None:
        """The best set; None if none can be compared."""
        compared = best_of(self.trials)
        return compared[0] if compared else None

    @property
    def most_trades(self) -> int:
        """The most trades that any set had."""
        return max((t.outcome.figures.trades for t in self.trials if t.outcome), default=0)

    def worth(self, out: Path) -> Worth:
        """Return what the best set is worth, given what the folder of results knows."""
        return worth_of(self.trials, self.best, out, self.ground.facts())


def search_folder(ground: Ground, space: Space, asked: AskedSearch, out: Path) -> Path:
    """Return where a search is kept below the folder of results, always the same place."""
    return out / "search" / search_digest(ground, space, asked.objective)[:16]


def find(ground: Ground, space: Space, asked: AskedSearch, out: Path) -> Found:
    """Return the trials of a search; those that the record holds are not made again.

    Raises
    ------
    RunError
        if the record cannot be used, or the space is no grid and should be
    """
    settings, markets = ground.settings, ground.markets
    folder = search_folder(ground, space, asked, out)
    address = asked.storage or file_storage(folder / "trials.sqlite3")
    looking = Looking(settings, space, asked.objective, Sweeps(markets, settings, ground.ensemble))
    noted = Noting(folder / "tried.json", ground)
    log.info("the search is kept in %s", folder)
    with opened_storage(address) as storage:
        first = configured(settings, space)
        study = Study(storage, f"search-{folder.name}", space, seed=settings.seed, first=first)
        trials = look(looking, study, _total(asked, space), noted)
        return Found(ground, folder, trials, study.importance(), noted.tried)


def _total(asked: AskedSearch, space: Space) -> int:
    if asked.trials is not None:
        return asked.trials
    return TRIALS if space.config.sampler == "tpe" else _ALL
