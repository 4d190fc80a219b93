"""The ensembles of a walk-forward as one: each bar is asked of the ensemble of its window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from feeds.bars import Bars, BoolArray, IntArray, TimeArray
from ml.analyzer import Analyzer
from ml.prediction import Prediction, PredictionTable, Unavailable

_BEFORE = "is decided before the first window's test begins"


@dataclass(frozen=True, slots=True, eq=False)
class WindowAnalyzers:
    """Asks about each bar the newest ensemble that was trained before the bar opened.

    A bar that closes at the very moment at which a window's training ends is still asked of the
    window before: no training takes no time.

    Attributes
    ----------
    analyzers : one for each window, oldest first
    trained_until : datetime64[ms] (windows,), the moments at which their trainings end, ascending
    digest : of all that they were made from
    """

    analyzers: Sequence[Analyzer]
    trained_until: TimeArray
    digest: str

    def window_of(self, decided: TimeArray) -> IntArray:
        """Return the position of the window of each bar that is decided then; -1 before all."""
        return np.searchsorted(self.trained_until, decided, side="left") - 1

    def has_seen(self, decided: TimeArray) -> BoolArray:
        """Return True where the ensemble that is asked has seen bars that closed later."""
        seen_until = np.array([analyzer.seen_until for analyzer in self.analyzers])
        window = self.window_of(decided)
        return (window >= 0) & (decided < seen_until[window])

    def predict(self, bars: Bars, rows: IntArray) -> PredictionTable:
        """Return the opinion on the bars at `rows`, in that order."""
        rows = np.asarray(rows, np.int64)
        window = self.window_of(bars.closed_at[rows])
        tables = {
            number: _asked(self.analyzers[number], bars, rows[window == number])
            for number in np.unique(window[window >= 0]).tolist()
        }
        fitted = [analyzer.bundle.manifest.thresholds for analyzer in self.analyzers]
        return replace(_joined(tables, window), thresholds=[fitted[number] for number in window])

    def predict_last(self, window: Bars) -> Prediction | Unavailable:
        """Return the opinion on the last bar of a trailing window."""
        return self.predict(window, np.array([len(window) - 1])).at(0)


def _asked(analyzer: Analyzer, bars: Bars, rows: IntArray) -> PredictionTable:
    """Ask about rows with no more bars around them than are needed."""
    first = max(0, int(rows.min()) - analyzer.lookback)
    return analyzer.predict(bars[first : int(rows.max()) + 1], rows - first)


def _joined(tables: Mapping[int, PredictionTable], window: IntArray) -> PredictionTable:
    """Return the opinions of the windows as one table."""
    placed = [table.among(window == number, {}) for number, table in tables.items()]
    probability = np.full(len(window), np.nan)
    confidence = np.full(len(window), -1, np.int64)
    names = dict.fromkeys(name for table in placed for name in table.votes)
    votes = {name: np.full(len(window), np.nan) for name in names}
    reasons = dict.fromkeys(np.flatnonzero(window < 0).tolist(), _BEFORE)
    for number, table in zip(tables, placed, strict=True):
        inside = window == number
        probability[inside] = table.probability[inside]
        confidence[inside] = table.confidence[inside]
        for name, vote in table.votes.items():
            votes[name][inside] = vote[inside]
        reasons |= table.reasons
    silent = {name: why for table in placed for name, why in table.left_out.items()}
    left_out = {name: why for name, why in silent.items() if name not in votes}
    features = _features(tables, window)
    return PredictionTable(probability, confidence, votes, left_out, reasons, features=features)


def _features(
    tables: Mapping[int, PredictionTable], window: IntArray
) -> NDArray[np.float32] | None:
    """Return the features of every bar that was asked about; None if any window lacks them."""
    brought = {number: table.features for number, table in tables.items()}
    known = {number: features for number, features in brought.items() if features is not None}
    if not known or len(known) < len(tables):
        return None
    joined = np.full((len(window), next(iter(known.values())).shape[1]), np.nan, np.float32)
    for number, features in known.items():
        joined[window == number] = features
    return joined
