"""Candles as ccxt's stream caches show them, and candles made of trades."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from feeds.live.rows import Row

TAIL = 4  # candles at the end of a cache that are looked at


class Trade(NamedTuple):
    """A trade: time in ms, price in quote currency, volume in base units.

    `buyer_is_maker`: the seller took what a buyer had offered to pay.
    """

    time: int
    price: float
    units: float
    buyer_is_maker: bool = False


class CandleCache:
    """What is new in ccxt's cache of one symbol's candles: its rows change in place."""

    def __init__(self) -> None:
        self._shown: dict[int, tuple[Any, ...]] = {}

    def forget(self) -> None:
        """Have everything be new."""
        self._shown = {}

    def news(self, cache: Any) -> Iterator[tuple[tuple[Any, ...], bool]]:
        """Yield copies of the rows that have changed, and whether they were shown before."""
        tail = [tuple(row[:6]) for row in islice(reversed(cache), TAIL)]
        for row in reversed(tail):
            before = self._shown.get(row[0])
            if before != row:
                yield row, before is not None
        self._shown = {row[0]: row for row in tail}


class TradeCache:
    """What is new in ccxt's cache of one symbol's trades."""

    def __init__(self) -> None:
        self._last: Any = None

    def forget(self) -> None:
        """Have everything be new, and the next trade be the first of a new connection."""
        self._last = None

    def news(self, cache: Any) -> tuple[list[Trade], bool]:
        """Return the trades since the last call, and whether none is missing between."""
        new: list[Any] = []
        whole = False
        for trade in reversed(cache):
            if trade is self._last:
                whole = True
                break
            new.append(trade)
        if new:
            self._last = new[0]
        return [trade for each in reversed(new) if (trade := _trade(each)) is not None], whole


def _trade(raw: Any) -> Trade | None:
    try:
        trade = Trade(
            int(raw["timestamp"]),
            float(raw["price"]),
            float(raw["amount"] or 0.0),
            raw.get("side") == "sell",
        )
    except (TypeError, ValueError, KeyError):
        return None
    return trade if trade.price > 0 and trade.units >= 0 else None


class Folding:
    """Makes candles of one symbol's trades; the one that was joined late is left out."""

    def __init__(self, step: int) -> None:
        self._step = step
        self._row: Row | None = None
        self._whole_from: int | None = None

    def forget(self) -> None:
        """Start anew: trades have been missed."""
        self._row = self._whole_from = None

    def add(self, trades: Iterable[Trade]) -> list[Row]:
        """Return the candles as they stand after some more trades."""
        touched: dict[int, Row] = {}
        for trade in trades:
            opened = trade.time - trade.time % self._step
            if self._whole_from is None:
                self._whole_from = opened + self._step
            self._row = self._with(trade, opened)
            touched[self._row.time] = self._row
        return [row for row in touched.values() if row.time >= (self._whole_from or 0)]

    def _with(self, trade: Trade, opened: int) -> Row:
        row = self._row
        if row is None or opened > row.time:
            return Row.flat(opened, trade.price, trade.units)
        if opened < row.time:
            # It counts for the candle that is open, which is wrong, if that is open at all.
            self._whole_from = row.time + self._step
        high, low = max(row.high, trade.price), min(row.low, trade.price)
        return Row(row.time, row.open, high, low, trade.price, row.volume + trade.units)
