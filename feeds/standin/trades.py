"""Recorded trades: what the stream tells one by one, and bars are made of."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from feeds.bars import Bars, BoolArray, FloatArray, IntArray, TimeArray
from feeds.errors import BadBarsError
from feeds.gaps import FILL_LIMIT, to_bars
from feeds.standin.wire import Json, market_id, plain
from feeds.symbol import normalise_symbol
from feeds.timeframe import Timeframe


@dataclass(frozen=True, slots=True, eq=False)
class RecordedTrades:
    """The trades of one symbol, oldest first; a trade's number is its position, from 0.

    Attributes
    ----------
    time : datetime64[ms]
    price : in quote currency
    units : of the base that changed hands
    buyer_is_maker : whether the seller took what a buyer had offered to pay
    """

    symbol: str
    time: TimeArray
    price: FloatArray
    units: FloatArray
    buyer_is_maker: BoolArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "symbol", normalise_symbol(self.symbol))
        for name, dtype in _DTYPES.items():
            array = np.array(getattr(self, name), dtype=dtype)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        _check(self)

    def __len__(self) -> int:
        return len(self.time)

    @property
    def ms(self) -> IntArray:
        """When they took place, in ms."""
        return self.time.view(np.int64)

    def bars(self, timeframe: Timeframe, *, fill_limit: int = FILL_LIMIT) -> Bars:
        """Return the bars that the trades make, the first and the last as far as they go."""
        opened = self.ms // timeframe.ms * timeframe.ms
        first = np.flatnonzero(np.diff(opened, prepend=-1)) if len(self) else np.array([], np.int64)
        last = np.append(first[1:], len(self))[: len(first)] - 1
        table = {
            "timestamp": opened[first].astype("datetime64[ms]"),
            "open": self.price[first],
            "high": np.maximum.reduceat(self.price, first) if len(self) else self.price,
            "low": np.minimum.reduceat(self.price, first) if len(self) else self.price,
            "close": self.price[last],
            "volume": np.add.reduceat(self.units, first) if len(self) else self.units,
        }
        return to_bars(pd.DataFrame(table), self.symbol, timeframe, fill_limit=fill_limit)

    def without(self, start: float, end: float) -> "RecordedTrades":
        """Return the trades without those from `start` on, before `end` (ms)."""
        stays = (self.ms < start) | (self.ms >= end)
        return RecordedTrades(self.symbol, *(getattr(self, name)[stays] for name in _DTYPES))

    def rows(self, since: int, until: int) -> range:
        """Return the numbers of the trades after `since` up to `until` (ms), both as moments."""
        first, stop = np.searchsorted(self.ms, [since, until], side="right").tolist()
        return range(first, stop)

    def event(self, number: int, now: int) -> Json:
        """Return a trade as the stream tells it at `now`."""
        words = {"e": "trade", "E": now, "s": market_id(self.symbol), "t": number}
        return words | self._told(number) | {"M": True}

    def aggregate(self, number: int) -> Json:
        """Return a trade as `aggTrades` lists it."""
        return {"a": number, "f": number, "l": number, **self._told(number), "M": True}

    def _told(self, number: int) -> Json:
        return {
            "p": plain(self.price[number]),
            "q": plain(self.units[number]),
            "T": int(self.ms[number]),
            "m": bool(self.buyer_is_maker[number]),
        }


_DTYPES: dict[str, Any] = {
    "time": "datetime64[ms]",
    "price": np.float64,
    "units": np.float64,
    "buyer_is_maker": np.bool_,
}


def _check(trades: RecordedTrades) -> None:
    lengths = {name: len(getattr(trades, name)) for name in _DTYPES}
    if len(set(lengths.values())) > 1:
        raise BadBarsError(f"{trades.symbol}: trades must be equally long columns, found {lengths}")
    if (np.diff(trades.ms) < 0).any():
        raise BadBarsError(f"{trades.symbol}: trades must be in the order of their times")
    for name in ("price", "units"):
        numbers = getattr(trades, name)
        if not ((numbers > 0) & (numbers < np.inf)).all():
            raise BadBarsError(
                f"{trades.symbol}: {name} of a trade must be a finite number above 0"
            )
