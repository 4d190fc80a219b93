"""What a session takes up of its ensemble when it goes on: as if it had never stopped."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.jobs.live.ensemble import RESTORED
from engine.jobs.serving import MLMode, analyzer_for, serving, wants_ml
from engine.jobs.settings import Settings
from engine.paper.health import SHORT_DIGEST
from engine.paper.reading import StateReader
from feeds.timeframe import Timeframe
from ml.analyzer import Analyzer
from ml.bundle import load_version
from ml.errors import BundleError
from strategies.views import NoEnsemble

log = logging.getLogger("tandem.ml")

Moments = Sequence[tuple[np.datetime64, str]]
Rows = Sequence[Mapping[str, Any]]

_INSTANT = np.timedelta64(1, "ms")


def first_asked(
    settings: Settings, timeframe: Timeframe, mode: MLMode, state: Path
) -> Analyzer | NoEnsemble | None:
    """Return whom a session asks at its start: the version that answered last, if it has one.

    Whether the one in force takes its place is for `LiveEnsemble.refresh` to say, at the first bar
    as at any other. Only where that version is gone, or there never was one, the one in force is
    asked at once, or what keeps it from serving is the end of it.

    Parameters
    ----------
    state : of the session; it need not exist yet

    Raises
    ------
    StateError : the state cannot be read
    BundleError : as `engine.jobs.serving.analyzer_for`
    """
    digest = _answered_last(state) if wants_ml(settings, mode) else None
    if digest is not None:
        try:
            bundle = load_version(settings.strategy.ml_model_path, digest, settings.members)
            if bundle is not None:
                return serving(bundle, settings, timeframe)
            why = "it is not kept any more"
        except BundleError as error:
            why = str(error)
        log.warning(
            "the version that answered last is not asked again, %s: %s", digest[:SHORT_DIGEST], why
        )
    return analyzer_for(settings, timeframe, mode)


def _answered_last(state: Path) -> str | None:
    if not state.exists():
        return None
    with StateReader.open(state) as reader:
        return reader.last_version()


def last_answers(reader: StateReader) -> tuple[Moments, Rows]:
    """Return the end of a record that `LiveEnsemble.restore` needs, and little more."""
    asked_for = RESTORED
    rows = reader.decisions(last=asked_for)
    while len(rows) == asked_for and sum(row["ml"] == "answered" for row in rows) < RESTORED:
        asked_for *= 4
        rows = reader.decisions(last=asked_for)
    if rows:
        moments = reader.moments(after=rows[0]["decided_at"] - _INSTANT)
    else:
        moments = reader.moments(last=1)
    return [(each.closed_at, each.ml) for each in moments], rows
