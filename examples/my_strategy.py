"""A hybrid strategy of one's own: buys dips, above all in an uptrend.

train_ml_ensemble.py and run_backtest.py take it by --strategy examples/my_strategy.py:MyStrategy;
docs/own-strategies.md tells how.
"""

from feeds import indicators
from feeds.bars import Bars, BoolArray, FloatArray
from feeds.windows import mean, ratio
from strategies.hybrid import ExitRules, HybridStrategy, Rule, above, below


def quick_rsi(bars: Bars) -> FloatArray:
    """Return RSI(7), 0 to 100."""
    return indicators.rsi(bars.close, 7)


def dips(bars: Bars) -> BoolArray:
    """Return True where the price fell quickly."""
    return below(quick_rsi(bars), 30.0)


def rises(bars: Bars) -> BoolArray:
    """Return True where the close is above its mean of 200 bars."""
    return above(bars.close, mean(bars.close, 200))


def is_busy(bars: Bars) -> BoolArray:
    """Return True where more was traded than usual."""
    return above(ratio(bars.volume, mean(bars.volume, 50)), 1.5)


def shows_hammer(bars: Bars) -> BoolArray:
    """Return True where a hammer ends."""
    return indicators.candle("hammer", bars.open, bars.high, bars.low, bars.close) > 0


class MyStrategy(HybridStrategy):
    """Dips are mandatory; in an uptrend, or on volume, they are worth an entry."""

    rules = (
        Rule("dip", dips, points=2.0, mandatory=True, shows=quick_rsi),
        Rule("uptrend", rises, points=2.0),
        Rule("busy", is_busy, points=1.0),
        Rule("hammer", shows_hammer, points=1.0),
    )
    min_entry_score = 4.0
    exits = ExitRules(unit="atr", take_profit=2.0, stop_loss=1.5, max_bars=12)
