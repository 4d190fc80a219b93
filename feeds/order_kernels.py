"""Compiled loops over bars: what orders meet, one bar after the other.

They lie apart from who calls them, so that a process that needs none does not load the compiler,
which takes 0.6 s. `feeds.ticks` says what to do after a change of its formulas.
"""

import math

from numba import njit

from feeds import ticks
from feeds.bars import BoolArray, FloatArray, IntArray
from feeds.exit_reasons import ExitReason

# Plain numbers for the compiler; -1 says that the position is still open.
_OPEN = -1
_TAKE_PROFIT, _STOP_LOSS, _TRAILING_STOP, _TIME_LIMIT, _SEGMENT_END = map(int, ExitReason)

tick_up = njit(cache=True)(ticks.tick_up)
tick_down = njit(cache=True)(ticks.tick_down)
traded_through = njit(cache=True)(ticks.traded_through)


@njit(cache=True)
def long_exits(
    prices: tuple[FloatArray, ...],
    flags: tuple[BoolArray, BoolArray],
    entry: IntArray,
    exits: tuple[FloatArray, FloatArray, FloatArray, IntArray],
    how: tuple[float, bool],
    out: tuple[IntArray, FloatArray, IntArray],
) -> None:
    """Fill bar, price and reason of the exits of long positions, as `first_exit` says."""
    open_, high, low, close = prices
    filled, last = flags
    target, first_stop, trail, max_bars = exits
    tick, inside = how
    bar, price, reason = out
    for k in range(len(entry)):
        stop = first_stop[k]
        j = entry[k]
        ended, paid = _OPEN, 0.0
        while ended == _OPEN:
            if not filled[j]:
                late = j - entry[k] >= max_bars[k]
                top = close[j] if inside and j == entry[k] else high[j]
                goal = math.inf if inside and j == entry[k] else target[k]
                ended, paid = _touched(open_[j], top, low[j], stop, goal, late)
                if trail[k] > 0.0 and ended == _OPEN:
                    stop = max(stop, tick_down(top * (1.0 - trail[k]), tick))
            if ended == _OPEN and last[j]:
                ended, paid = _SEGMENT_END, close[j]
            j += 1
        trailed = ended == _STOP_LOSS and stop > first_stop[k]
        bar[k], price[k], reason[k] = j - 1, paid, _TRAILING_STOP if trailed else ended


@njit(cache=True)
def _touched(
    open_: float, high: float, low: float, stop: float, target: float, late: bool
) -> tuple[int, float]:
    """Return what ends the position within one bar, and the price aimed at."""
    if late:
        return _TIME_LIMIT, open_
    if low <= stop:
        return _STOP_LOSS, min(open_, stop)
    if high >= target:
        return _TAKE_PROFIT, target
    return _OPEN, open_


@njit(cache=True)
def limit_fills(
    prices: tuple[FloatArray, FloatArray],
    flags: tuple[BoolArray, BoolArray],
    orders: tuple[IntArray, FloatArray],
    terms: tuple[int, float],
    out: tuple[IntArray, BoolArray],
) -> None:
    """Fill the bars on which limit orders fill, and whether their first open had reached them."""
    open_, low = prices
    filled, last = flags
    decided, limit = orders
    valid_bars, tick = terms
    bar, crossed = out
    for k in range(len(decided)):
        bar[k], crossed[k] = -1, False
        j, rests = decided[k], False
        while j - decided[k] < valid_bars and not last[j] and bar[k] < 0:
            j += 1
            if not filled[j]:
                if traded_through(low[j], limit[k], tick):
                    bar[k], crossed[k] = j, not rests and open_[j] <= limit[k]
                rests = True


@njit(cache=True)
def first_touch(
    prices: tuple[FloatArray, FloatArray, BoolArray],
    within: tuple[int, int],
    downward: bool,
    order: tuple[float, float, float],
) -> int:
    """Return the first bar that touches a price, which follows the market if it trails.

    What follows is a stop: downward it follows the highs, upward the lows.
    """
    low, high, filled = prices
    start, stop = within
    price, trail, tick = order
    for j in range(start, stop):
        if filled[j]:
            continue
        if low[j] <= price if downward else high[j] >= price:
            return j
        if trail > 0.0:
            if downward:
                price = max(price, tick_down(high[j] * (1.0 - trail), tick))
            else:
                price = min(price, tick_up(low[j] * (1.0 + trail), tick))
    return stop
