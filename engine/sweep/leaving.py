"""How a position ends: `feeds.exits`, compiled, one position at a time."""

import math
from typing import NamedTuple

from engine.plans import Turn
from engine.sweep.account import Record
from engine.sweep.charges import sold_at
from engine.sweep.compiling import part
from engine.sweep.ground import Prices
from engine.sweep.terms import Charges, Leaving
from feeds.exit_reasons import ExitReason
from feeds.order_kernels import tick_down, tick_up

_OPEN = -1
_TAKE_PROFIT, _STOP_LOSS, _TRAILING_STOP, _TIME_LIMIT, _SEGMENT_END = map(int, ExitReason)
_MARKET, _STOP, _LIMIT = Turn.MARKET, Turn.STOP, Turn.LIMIT
_WOKEN_STOP, _AT_SEGMENT_END = Turn.WOKEN_STOP, Turn.SEGMENT_END


class Way(NamedTuple):
    """Where a position may end, in prices.

    Attributes
    ----------
    stop, target : at the fill
    trail : fraction below the highest high at which the stop follows; 0 for none
    inside : True if the position began inside its bar: the target counts from the next one on, and
        the stop follows the bar's close
    """

    stop: float
    target: float
    trail: float
    max_bars: int
    tick: float
    inside: bool


@part
def foresee_exit(
    prices: Prices, charges: Charges, leaving: Leaving, tick: float, position: Record
) -> None:
    """Note when the position ends that has just begun, why, and at what price."""
    # What backtrader takes for the price of an executed order.
    paid = position.units * position.bought / position.units
    inside = position.turn == _LIMIT
    way = Way(
        tick_down(paid * (1.0 - position.below), tick),
        tick_up(paid * (1.0 + position.above), tick),
        position.behind,
        leaving.max_bars,
        tick,
        inside,
    )
    bar, aimed, reason = _end(prices, position.entry_bar, way)
    position.exit_bar, position.reason = bar, reason
    position.at = prices.moment[bar]
    _price_exit(prices, charges, aimed, inside, position)
    _place_exit(prices, leaving.max_bars, inside, position)


@part
def _end(prices: Prices, entry: int, way: Way) -> tuple[int, float, int]:
    """Return the bar on which the position ends, the price aimed at, and the reason."""
    stop, bar = way.stop, entry
    while True:
        if not prices.filled[bar]:
            fresh = way.inside and bar == entry
            late = bar - entry >= way.max_bars
            ended, aimed = _touched(prices, bar, (stop, math.inf if fresh else way.target), late)
            if ended != _OPEN:
                trailed = ended == _STOP_LOSS and stop > way.stop
                return bar, aimed, _TRAILING_STOP if trailed else ended
            if way.trail > 0.0:
                high = prices.close[bar] if fresh else prices.high[bar]
                stop = max(stop, tick_down(high * (1.0 - way.trail), way.tick))
        if prices.last[bar]:
            return bar, prices.close[bar], _SEGMENT_END
        bar += 1


@part
def _touched(prices: Prices, bar: int, way: tuple[float, float], late: bool) -> tuple[int, float]:
    """Return what ends the position within one bar, and the price aimed at."""
    stop, target = way
    if late:
        return _TIME_LIMIT, prices.open[bar]
    if prices.low[bar] <= stop:
        return _STOP_LOSS, min(prices.open[bar], stop)
    if prices.high[bar] >= target:
        return _TAKE_PROFIT, target
    return _OPEN, 0.0


@part
def _price_exit(
    prices: Prices, charges: Charges, aimed: float, inside: bool, position: Record
) -> None:
    bar = position.exit_bar
    position.exit_fee = charges.fee
    if position.reason != _TAKE_PROFIT:
        bar_range = prices.high[bar] - prices.low[bar]
        position.sold = sold_at(aimed, bar_range, charges)
        return
    position.sold = aimed
    # A target that the open of its first bar has reached never rested.
    if inside or bar != position.entry_bar or prices.open[bar] < aimed:
        position.exit_fee = charges.limit_fee


@part
def _place_exit(prices: Prices, max_bars: int, inside: bool, position: Record) -> None:
    """Note what comes before the exit within its moment: the turn, then the order sent first."""
    if position.reason == _TIME_LIMIT:
        # Sent when its bars are over; stop and target come with the entry.
        position.turn = _MARKET
        position.sent = prices.moment[position.entry_bar + max_bars - 1]
    elif position.reason == _SEGMENT_END:
        position.turn, position.sent = _AT_SEGMENT_END, -1
    elif position.reason == _TAKE_PROFIT:
        position.turn = _LIMIT
    elif inside and position.exit_bar == position.entry_bar:
        position.turn = _WOKEN_STOP
    else:
        position.turn = _STOP
