"""A strategy of a search whose truth is known: one rule may tell where prices go, others cannot."""

from feeds.bars import Bars, BoolArray
from feeds.windows import mean, ratio
from strategies.hybrid import ExitRules, HybridStrategy, Rule, above


def any_bar(bars: Bars) -> BoolArray:
    """Return True everywhere."""
    return bars.close > 0.0


def is_lively(bars: Bars) -> BoolArray:
    """Return True where an hour's volume is above a day's mean: `planted` markets then rise."""
    return above(ratio(mean(bars.volume, 12), mean(bars.volume, 288)), 1.3)


def ends_even(bars: Bars) -> BoolArray:
    """Return True by the last digits of a price, which mean nothing."""
    even: BoolArray = (bars.close * 1e4).astype(int) % 2 == 0
    return even


def ends_round(bars: Bars) -> BoolArray:
    """Return True by other digits."""
    third: BoolArray = (bars.close * 1e2).astype(int) % 3 == 0
    return third


class ToldStrategy(HybridStrategy):
    """Every bar is a candidate."""

    rules = (
        Rule("any", any_bar, points=1.0, mandatory=True),
        Rule("lively", is_lively, points=1.0),
        Rule("even", ends_even, points=1.0),
        Rule("round", ends_round, points=1.0),
    )
    min_entry_score = 3.0
    exits = ExitRules(unit="atr", take_profit=4.0, stop_loss=4.0, max_bars=36)
