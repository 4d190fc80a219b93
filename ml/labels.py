"""Labels: what a decision turned out to be worth, and when one could have known it.

A decision is made at a bar's close and fills at the open of the next bar that can fill, so a label
depends on nothing before that bar: what came earlier is the features' business. Of a limit order it
depends on the deciding bar's close too, below which it is placed. A label that would
have to look beyond its segment or the data is not valid, and neither is that of a filled bar, at
whose close nothing is decided.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from feeds.bars import Bars, BoolArray, FloatArray, IntArray, TimeArray
from feeds.costs import Costs
from feeds.entries import EntryLimit, entries
from feeds.errors import BadBarsError
from feeds.exit_reasons import ExitReason
from feeds.exits import ExitFractions, Exits, Fraction, first_exit, next_fill_bar
from feeds.ticks import tick_down, tick_up

# A high that equals the threshold reaches it, whatever the last bit of the product says.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """One label per bar; where `valid` is False the other columns say nothing.

    Attributes
    ----------
    value : int64, 1 if the decision paid, else 0
    entry : int64, position of the bar on which the decision fills, or -1
    known_at : datetime64[ms], close of the bar that settles the label; NaT where not valid
    valid : bool
    outcome : float64, net profit of the position over the money put in, costs included; NaN for a
        label that follows no position
    """

    value: IntArray
    entry: IntArray
    known_at: TimeArray
    valid: BoolArray
    outcome: FloatArray

    def __post_init__(self) -> None:
        lengths = {field.name: len(getattr(self, field.name)) for field in fields(self)}
        if len(set(lengths.values())) > 1:
            raise BadBarsError(f"columns of labels must be equally long, found {lengths}")

    def __len__(self) -> int:
        return len(self.value)


def horizon_labels(bars: Bars, *, lookahead: int = 5, profit_threshold: float = 0.005) -> Labels:
    """Return 1 where the price reaches the threshold within `lookahead` bars of the entry.

    The highest high of the `lookahead` bars from the entry bar on is compared with the entry
    bar's open. Costs play no part. The label is known when the last of those bars closes.

    Parameters
    ----------
    bars : the market
    lookahead : bars, the entry bar included; at least 1
    profit_threshold : fraction above the entry bar's open
    """
    entry = _entries(bars)
    last = entry + lookahead - 1
    settled = (entry >= 0) & (last < len(bars))
    settled[settled] = bars.segment[entry[settled]] == bars.segment[last[settled]]
    reached = np.zeros(len(bars), np.bool_)
    if settled.any():
        highest = sliding_window_view(bars.high, lookahead).max(axis=1)[entry[settled]]
        aim = bars.open[entry[settled]] * (1.0 + profit_threshold)
        reached[settled] = highest >= aim * (1.0 - _ROUNDING)
    return _labels(bars, reached, entry, last, settled, np.full(len(bars), np.nan))


def barrier_labels(
    bars: Bars,
    away: ExitFractions,
    *,
    max_bars: int,
    costs: Costs,
    tick: float = 0.0,
    limit: EntryLimit | None = None,
) -> Labels:
    """Return 1 where a long position with these exits ends in profit after costs.

    Target and stop are counted from the price of the entry fill. The label is known when the bar
    closes on which the position ended; a position that only a segment's end closed has none, nor
    has a limit order that is not filled.

    Parameters
    ----------
    bars : the market
    away : of target, stop and trailing stop; columns hold one per deciding bar, and where one is
        NaN nothing can be decided
    max_bars : bars held before a market order ends the position
    costs : of entry and exit
    tick : of the symbol, to which the broker rounds limit, target and stop; 0 for none
    limit : how the entry is placed; None for a market order
    """
    fills = entries(bars, np.arange(len(bars)), costs, limit=limit, tick=tick)
    entry = np.where(bars.filled, -1, fills.bar)
    distances = np.stack([_per_bar(bars, x) for x in away])
    asked = np.flatnonzero((entry >= 0) & ~np.isnan(distances).any(axis=0))
    below, above, behind = distances[:, asked]
    paid = fills.price[asked]
    exits = Exits(
        target=tick_up(paid * (1.0 + above), tick),
        stop=tick_down(paid * (1.0 - below), tick),
        trail=behind,
        max_bars=np.full(len(asked), max_bars),
        tick=tick,
        inside=fills.inside,
    )
    table = first_exit(bars, entry[asked], exits)
    outcome = np.full(len(bars), np.nan)
    received = table.received(bars, costs) * (1.0 - table.fee(costs))
    # Over the money put in, as `Trade.return_fraction`.
    outcome[asked] = (received - paid * (1.0 + fills.fee[asked])) / paid
    settled = np.zeros(len(bars), np.bool_)
    settled[asked] = table.reason != ExitReason.SEGMENT_END
    last = entry.copy()
    last[asked] = table.bar
    return _labels(bars, outcome > 0.0, entry, last, settled, outcome)


def _entries(bars: Bars) -> IntArray:
    """Return where each bar's decision fills; -1 too for filled bars, which decide nothing."""
    return np.where(bars.filled, -1, next_fill_bar(bars))


def _per_bar(bars: Bars, fraction: Fraction) -> FloatArray:
    return np.broadcast_to(np.asarray(fraction, np.float64), len(bars))


def _labels(
    bars: Bars,
    good: BoolArray,
    entry: IntArray,
    last: IntArray,
    settled: BoolArray,
    outcome: FloatArray,
) -> Labels:
    known_at = np.full(len(bars), np.datetime64("NaT", "ms"))
    known_at[settled] = bars.closed_at[last[settled]]
    value = (good & settled).astype(np.int64)
    return Labels(value, entry, known_at, settled, np.where(settled, outcome, np.nan))
