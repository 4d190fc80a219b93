"""When what the broker has open can next meet the market: what the sparse clock must not skip.

A bar too early costs time and changes nothing; a bar too late would change the trades. So every
answer is the bar on which something happens, or one before it.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import backtrader as bt
import numpy as np

from engine.broker import BarBroker
from engine.clock import NEVER
from engine.data import BarsFeed
from engine.prices import RESTING, falls_to
from feeds.bars import BoolArray, FloatArray

Order = bt.Order


class _Market(NamedTuple):
    """What orders of one symbol meet: prices, bars that fill nothing, last bars of segments."""

    low: FloatArray
    high: FloatArray
    filled: BoolArray
    segment_ends: Sequence[int]


class Waiting:
    """Looks ahead for the orders that wait and the positions that are held.

    Bars are counted as `BarsFeed.index` does, feeds by their place in the run.

    Parameters
    ----------
    broker : whose orders they are
    feeds : of the run
    """

    def __init__(self, broker: BarBroker, feeds: Sequence[BarsFeed]) -> None:
        self._broker = broker
        self._place = {feed: place for place, feed in enumerate(feeds)}
        self._markets = [_market_of(feed) for feed in feeds]

    def bars(self, bounds: list[int]) -> Iterator[tuple[int, int]]:
        """Yield the place of a feed and a bar of it that must not be skipped.

        Parameters
        ----------
        bounds : for each feed, a bar that is run in any case: nobody looks beyond; may be NEVER
        """
        for data, _ in self._broker.held():
            yield self._place[data], self._segment_end(data)
        for order in self._broker.pending:
            place = self._place[order.data]
            bounds[place] = self._bar(order, bounds[place])
            yield place, bounds[place]

    def _bar(self, order: Any, bound: int) -> int:
        """Return the first bar on which the order can fill, change or end."""
        data, info = order.data, order.info
        bound = min(bound, self._segment_end(data))
        if info.get("valid_bars"):
            bound = min(bound, math.ceil(info["decided_on"] + info["valid_bars"]))
        if not order.active():
            return bound
        foreseen = order.exectype in RESTING and order.valid is None
        # Its first bar decides whether an order has rested.
        if not foreseen or "rests" not in info:
            return int(data.index) + 1
        return self._touch(order, bound)

    def _segment_end(self, data: BarsFeed) -> int:
        ends = self._markets[self._place[data]].segment_ends
        after = bisect_right(ends, data.index)
        return ends[after] if after < len(ends) else NEVER

    def _touch(self, order: Any, bound: int) -> int:
        """Return the first bar that touches the order's price, or the bound if it comes first."""
        from feeds.order_kernels import first_touch  # loads the compiler: not every run needs it

        data, market = order.data, self._markets[self._place[order.data]]
        within = data.index + 1, min(bound, len(market.low))
        tick = self._broker.rules_of(data.symbol).tick
        trail = float(order.info.get("trail") or 0.0)
        prices = market.low, market.high, market.filled
        touched = first_touch(
            prices, within, falls_to(order), (float(order.created.price), trail, tick)
        )
        return touched if touched < within[1] else bound


def _market_of(feed: BarsFeed) -> _Market:
    bars = feed.recorded
    ends = np.flatnonzero(bars.last_of_segment()).tolist()
    return _Market(bars.low, bars.high, bars.filled, ends)
