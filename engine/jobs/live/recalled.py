"""An ensemble that answers from the record: what it said then, it says again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from feeds.bars import Bars
from ml.prediction import Prediction, Unavailable
from strategies.journal import opinion_of
from strategies.views import OpinionSource, OpinionTable

Recalled = dict[tuple[str, np.datetime64], Prediction | Unavailable]


@dataclass(slots=True)
class RecalledEnsemble:
    """Gives the opinions on record, each once, and asks the ensemble for all others."""

    ensemble: OpinionSource
    recalled: Recalled = field(default_factory=dict)

    def predict(self, bars: Bars, rows: np.ndarray) -> OpinionTable:
        return self.ensemble.predict(bars, rows)

    def predict_last(self, window: Bars) -> Prediction | Unavailable:
        recalled = self.recalled.pop((window.symbol, window.closed_at[-1]), None)
        return self.ensemble.predict_last(window) if recalled is None else recalled


def opinions_of(rows: Iterable[Mapping[str, Any]]) -> Recalled:
    """Return the opinions that rows of the journal were written of, by symbol and decision."""
    opinions = {(row["symbol"], row["decided_at"]): opinion_of(row) for row in rows}
    return {key: opinion for key, opinion in opinions.items() if opinion is not None}
