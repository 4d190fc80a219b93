"""Stand-ins for an ensemble: opinions that a test plants."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from feeds.bars import Bars, FloatArray, IntArray
from ml.prediction import Prediction, PredictionTable, Unavailable

Say: TypeAlias = Callable[[Bars, IntArray], FloatArray]
"""(bars, positions) -> probabilities, NaN for no opinion."""


@dataclass(frozen=True, slots=True)
class Planted:
    """An opinion source that says what it is told to."""

    say: Say

    def predict(self, bars: Bars, rows: IntArray) -> PredictionTable:
        said = self.say(bars, rows)
        silent = np.flatnonzero(np.isnan(said)).tolist()
        return PredictionTable(
            probability=said,
            confidence=np.zeros(len(rows), np.int64),
            votes={},
            left_out={},
            reasons=dict.fromkeys(silent, "silent"),
        )

    def predict_last(self, window: Bars) -> Prediction | Unavailable:
        return self.predict(window, np.array([len(window) - 1])).at(0)
