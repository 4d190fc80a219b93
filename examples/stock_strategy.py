"""A stock backtrader strategy: two moving averages cross, and the ensemble adds its points.

run_backtest.py takes it by --strategy examples/stock_strategy.py:StockStrategy. The parameter
`analyzer` says that it asks an ensemble; with --ml off it is None, and the lines of the indicator
are NaN.
"""

import math
from typing import Any

import backtrader as bt

from feeds.bars import Bars, BoolArray
from feeds.windows import before, mean
from strategies.indicators.ml_ensemble import MLEnsemble

POINTS = (2.0, 1.0, 0.5, 0.0, -1.0)  # from STRONG_BUY to AVOID
FAST, SLOW = 10, 50


def crosses_up(bars: Bars) -> BoolArray:
    """Return True where the fast average comes to lie above the slow one: nobody asks elsewhere."""
    gap = mean(bars.close, FAST) - mean(bars.close, SLOW)
    return (gap > 0) & (before(gap, 1) <= 0)


class StockStrategy(bt.Strategy):
    """Buys where the averages cross upwards, unless ML speaks against it; sells where they part."""

    params: Any = (("analyzer", None), ("share", 0.9), ("needed", 1.0))

    def __init__(self) -> None:
        averages = bt.indicators.SMA(period=FAST), bt.indicators.SMA(period=SLOW)
        self.cross = bt.indicators.CrossOver(*averages)
        self.ml = MLEnsemble(self.data, analyzer=self.p.analyzer, where=crosses_up)

    def next(self) -> None:
        """Decide at the close of a bar."""
        if self.position:
            if self.cross[0] < 0:
                self.close()
        elif self.cross[0] > 0 and 1.0 + self.ml_points() >= self.p.needed:
            units = self.p.share * self.broker.getvalue() / self.data.close[0]
            self.buy(size=units)

    def ml_points(self) -> float:
        """Return what the opinion is worth; no opinion is worth nothing."""
        signal = self.ml.signal[0]
        return 0.0 if math.isnan(signal) else POINTS[int(signal)]
