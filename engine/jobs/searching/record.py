"""What a search is known by, and what is kept of it beside its trials.

    <out>/search/<digest>/trials.sqlite3   every trial, unless --storage says where
                          tried.json       what it has looked at, for `engine.statistics.trials`
                          <run>.json       the answer, under the name of the winner's run

The digest is of all that decides what a set comes to and which are chosen, the number of trials
left out: the same search goes on where it was, and another one never takes its trials for its own.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.jobs.markets import Market
from engine.jobs.run_report import data_facts
from engine.jobs.searching.space import Space, applied
from engine.jobs.searching.trial import Objective, Trial
from engine.jobs.settings import Settings
from engine.jobs.spreading.code import digest_of_code
from engine.plain import plain
from engine.statistics.trials import Key, Searched, configuration_of, deciding, keep_searched
from ml.analyzer import Analyzer
from ml.manifest import library_versions

# What decides a trade: not reports, pages, paper and the other jobs.
_CODE = ("feeds", "ml", "strategies", "engine/*.py", "engine/sweep", "engine/jobs/searching")


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What a search looks at; without an ensemble it is ML-off.

    Attributes
    ----------
    cut_from : by symbol, the digest of the whole bars that windows were cut from; else empty
    """

    settings: Settings
    markets: Sequence[Market]
    ensemble: Analyzer | None
    cut_from: Mapping[str, str] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """Return what its trials see, as `engine.statistics.trials` knows it again."""
        return facts_of(self.markets, self.cut_from)


def facts_of(markets: Sequence[Market], cut_from: Mapping[str, str]) -> dict[str, Any]:
    """Return what is seen of these markets, as in `metrics.json`, and what they were cut from."""
    facts = data_facts(markets)
    for symbol, digest in cut_from.items():
        facts["symbols"][symbol]["cut_from"] = digest
    return facts


def search_digest(ground: Ground, space: Space, objective: Objective) -> str:
    """Return the SHA-256 of all that decides the trials of a search."""
    facts = {
        "bars": [[m.bars.symbol, m.bars.digest(), m.first] for m in ground.markets],
        "code": digest_of_code(_CODE),
        "libraries": library_versions(),
        "settings": deciding(ground.settings.model_dump(mode="json")),
        "seed": ground.settings.seed,
        "ensemble": None if ground.ensemble is None else ground.ensemble.digest,
        "space": space.to_json(),
        "objective": objective.value,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class Noting:
    """Writes down which configurations have been looked at, for runs that count them.

    Parameters
    ----------
    file : one of `engine.statistics.trials.SEARCHED`
    ground : of the search

    Attributes
    ----------
    tried : Sharpe ratio per year by configuration, of the trials of the last call
    """

    def __init__(self, file: Path, ground: Ground) -> None:
        self.tried: Mapping[Key, float | None] = {}
        self._file, self._ground, self._data = file, ground, plain(ground.facts())
        self._label = "off" if ground.ensemble is None else "on"
        self._digests = {} if ground.ensemble is None else {"bundle": ground.ensemble.digest}
        self._keys: dict[int, Key] = {}

    def __call__(self, trials: Sequence[Trial]) -> None:
        """Write down all trials so far."""
        self.tried = {
            self._key(trial): trial.outcome.figures.sharpe
            for trial in trials
            if trial.outcome is not None
        }
        keep_searched(self._file, Searched.of(self._data, self.tried))

    def _key(self, trial: Trial) -> Key:
        if trial.number not in self._keys:
            config = applied(self._ground.settings, trial.values).model_dump(mode="json")
            self._keys[trial.number] = configuration_of(self._label, config, self._digests)
        return self._keys[trial.number]
