"""The search itself: choose sets, run them, write down what they came to, choose again."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.errors import ConfigError
from engine.jobs.searching.space import Space, applied
from engine.jobs.searching.study import Chosen, Study
from engine.jobs.searching.sweeping import Sweeps
from engine.jobs.searching.trial import Objective, Outcome, Trial, best_of
from engine.jobs.settings import Settings
from feeds.progress import progress

log = logging.getLogger("tandem.search")


@dataclass(frozen=True, slots=True, eq=False)
class Looking:
    """What sets are made of and run on.

    Attributes
    ----------
    settings : where the space says nothing
    """

    settings: Settings
    space: Space
    objective: Objective
    sweeps: Sweeps

    def run(self, chosen: Sequence[Chosen], study: Study) -> None:
        """Run these sets and enter what they come to."""
        made: list[tuple[Chosen, Settings]] = []
        for each in chosen:
            try:
                made.append((each, applied(self.settings, each.values)))
            except ConfigError as error:
                study.end(each, None, str(error))
        outcomes = self.sweeps.run([settings for _, settings in made])
        for (each, _), outcome in zip(made, outcomes, strict=True):
            study.end(each, self.score(outcome), outcome)

    def score(self, outcome: Outcome) -> float | None:
        """Return what a set is compared by; None if it is not compared."""
        return outcome.figures.score(self.objective, self.space.config.fewest_trades)


def look(
    looking: Looking, study: Study, total: int, noted: Callable[[Sequence[Trial]], None]
) -> list[Trial]:
    """Return the trials of a search when `total` of them, or the whole grid, are done.

    Parameters
    ----------
    total : how many sets are tried, those of the record included
    noted : is told all trials whenever a batch has ended
    """
    ended = study.trials()
    total = int(min(total, study.most))
    if ended:
        log.info("%d sets were tried before", len(ended))
    with study.at_work(), progress("searching", total=total, unit="sets") as advance:
        advance(min(len(ended), total))
        while waiting := study.next(total):
            looking.run(waiting, study)
            known, ended = len(ended), study.trials()
            advance(len(ended) - known)
            noted(ended)
            _tell(ended)
        known, ended = len(ended), study.trials()  # other commands may have ended the last ones
        advance(len(ended) - known)
    noted(ended)
    return ended[:total]


def _tell(trials: Sequence[Trial]) -> None:
    best = best_of(trials)
    if best:
        log.info(
            "%d sets tried; the best so far is set %d: %.6g", len(trials), best[0].number,
            best[0].score,
        )  # fmt: skip
