"""The ensemble as a backtrader indicator, for any strategy."""

from array import array
from collections.abc import Callable
from typing import Any

import backtrader as bt
import numpy as np

from feeds.bars import Bars, BoolArray, FloatArray
from ml.models.catalog import MEMBER_NAMES
from ml.prediction import Confidence, Prediction, Signal
from strategies.config import WARMUP_BARS

SIGNALS = tuple(Signal)
CONFIDENCES = tuple(Confidence)
LINES = ("probability", "signal", "confidence", *MEMBER_NAMES)


class MLEnsemble(bt.Indicator):
    """Lines of the ensemble's opinion; NaN where it was not asked or has none, or there is none.

    Parameters
    ----------
    analyzer : ml.analyzer.Analyzer; None where there is no ensemble
    where : function of `Bars` that returns True for the bars to ask about; all by default.
        Asking is what costs: a filter keeps a long run short.
    window : bars that `where` and the analyzer see when bars come one by one

    Lines
    -----
    probability : in [0, 1], at a prior of 0.5
    signal : position in `SIGNALS` (0 STRONG_BUY … 4 AVOID)
    confidence : position in `CONFIDENCES` (0 VERY_HIGH … 3 LOW)
    random_forest, xgboost, lstm, logistic, svm : the members' votes
    """

    lines: Any = LINES
    params: Any = (("analyzer", None), ("where", None), ("window", WARMUP_BARS + 1))

    def __init__(self, *_data: Any, **_params: Any) -> None:
        super().__init__()
        # An analyzer of a recording that unfolds has been asked about all of its bars before.
        ahead = getattr(self.p.analyzer, "ahead", None)
        self._said = None if ahead is None else ahead(self.data.symbol, self.p.where)

    def next(self) -> None:
        """Bar by bar: from a trailing window."""
        if self.p.analyzer is None:
            return
        if self._said is not None:
            self._put(0, self._said.get(self.data.index))
            return
        window = self.data.window(self.p.window)
        asked = bool(_asked(window, self.p.where)[-1])
        self._put(0, self.p.analyzer.predict_last(window) if asked else None)

    def oncestart(self, start: int, end: int) -> None:
        """Leave the first bar to `once`, which takes them all."""

    def once(self, _start: int, end: int) -> None:
        """All at once: one batch over the bars to ask about."""
        columns = np.full((len(LINES), end), np.nan)
        if self.p.analyzer is not None:
            self._ask(columns)
        for line, values in zip(self.lines, columns, strict=True):
            line.array = array("d", values.tobytes())

    def _ask(self, columns: FloatArray) -> None:
        bars, first = self.data.recorded, self.data.first
        asked = _asked(bars, self.p.where)
        asked[:first] = False
        rows = np.flatnonzero(asked)
        table = self.p.analyzer.predict(bars, rows)
        for row, bar in enumerate(rows.tolist()):
            columns[:, bar - first] = _line_values(table.at(row))

    def _put(self, ago: int, opinion: Any) -> None:
        if isinstance(opinion, Prediction):  # a line is NaN until it is told otherwise
            for line, value in zip(self.lines, _line_values(opinion), strict=True):
                line[ago] = value


def _asked(bars: Bars, where: Callable[[Bars], BoolArray] | None) -> BoolArray:
    return np.ones(len(bars), np.bool_) if where is None else np.array(where(bars))


def _line_values(opinion: Any) -> list[float]:
    if not isinstance(opinion, Prediction):
        return [np.nan] * len(LINES)
    votes = (opinion.votes.get(name, np.nan) for name in MEMBER_NAMES)
    signal, confidence = SIGNALS.index(opinion.signal), CONFIDENCES.index(opinion.confidence)
    return [opinion.probability, signal, confidence, *votes]
