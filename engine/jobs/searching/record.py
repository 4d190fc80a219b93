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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.jobs.markets import Market
from engine.jobs.searching.space import Space, applied
from engine.jobs.searching.trial import Objective, Trial
from engine.jobs.settings import Settings
from engine.plain import plain
from engine.statistics.trials import Searched, configuration_of, keep_searched
from ml.analyzer import Analyzer
from ml.manifest import library_versions

_ROOT = Path(__file__).resolve().parents[3]
# What decides a trade: not reports, pages, paper and the other jobs.
_CODE = ("feeds", "ml", "strategies", "engine/sweep", "engine/jobs/searching")
_IDLE: dict[str, Any] = {
    "data": {"store", "exchange", "base_url"},
    "training": True,
    "statistics": True,
    "paper": True,
    "members": True,
    "strategy": {"use_ml_ensemble", "ml_model_path"},
}


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What a search looks at; without an ensemble it is ML-off."""

    settings: Settings
    markets: Sequence[Market]
    ensemble: Analyzer | None


def search_digest(ground: Ground, space: Space, objective: Objective) -> str:
    """Return the SHA-256 of all that decides the trials of a search."""
    facts = {
        "bars": [[m.bars.symbol, m.bars.digest(), m.first] for m in ground.markets],
        "code": _code_digest(),
        "libraries": library_versions(),
        "settings": ground.settings.model_dump(mode="json", exclude=_IDLE),
        "ensemble": None if ground.ensemble is None else ground.ensemble.digest,
        "space": space.to_json(),
        "objective": objective.value,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def note_tried(
    file: Path, ground: Ground, data: Mapping[str, Any], trials: Sequence[Trial]
) -> None:
    """Write down which configurations have been looked at, for runs that count them."""
    label = "off" if ground.ensemble is None else "on"
    digests = {} if ground.ensemble is None else {"bundle": ground.ensemble.digest}
    tried = {}
    for trial in trials:
        if trial.outcome is not None:
            config = applied(ground.settings, trial.values).model_dump(mode="json")
            key = configuration_of(label, config, digests)
            tried[key] = trial.outcome.figures.sharpe
    keep_searched(file, Searched.of(plain(data), tried))


def _code_digest() -> str:
    sha = hashlib.sha256()
    folders = [file for name in _CODE for file in sorted((_ROOT / name).rglob("*.py"))]
    for file in [*folders, *sorted((_ROOT / "engine").glob("*.py"))]:
        sha.update(file.relative_to(_ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return sha.hexdigest()
