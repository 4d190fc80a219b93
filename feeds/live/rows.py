"""A candle as an exchange shows it, once it can be believed to be one."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

_FIELDS = 6


class Row(NamedTuple):
    """A candle: its open time in ms, prices in quote currency, volume in base units."""

    time: int
    open: float
    high: float
    low: float
    close: float
    volume: float

    @classmethod
    def flat(cls, time: int, price: float, volume: float) -> "Row":
        """Return a candle of one price."""
        return cls(time, price, price, price, price, volume)

    @property
    def values(self) -> tuple[float, ...]:
        """Open, high, low, close, volume."""
        return self[1:]

    def is_earlier_than(self, other: "Row") -> bool:
        """Return whether this may be the same candle as it stood before `other`.

        Volume tells; where an exchange shows none, the range does.
        """
        if self.time != other.time or self.open != other.open:
            return False
        within = other.low <= self.low and self.high <= other.high
        if self.volume == other.volume == 0:
            return within and (self.high, self.low) != (other.high, other.low)
        return within and self.volume < other.volume


def row_of(values: Sequence[Any], step: int) -> Row | None:
    """Return what an exchange sent as a row; None if no candle can look like that.

    Parameters
    ----------
    values : time in ms, open, high, low, close, volume; volume may be absent
    step : the timeframe in ms, on whose grid the time must be

    >>> row_of([60_000, 1.0, 2.0, 0.5, 1.5, None], 60_000)
    Row(time=60000, open=1.0, high=2.0, low=0.5, close=1.5, volume=0.0)
    >>> row_of([60_000, 0.0, 0.0, 0.0, 0.0, 0.0], 60_000) is None
    True
    """
    try:
        time, *prices = values[: _FIELDS - 1]
        volume = values[_FIELDS - 1] if len(values) >= _FIELDS else None
        open_, high, low, close = map(float, prices)
        row = Row(int(time), open_, high, low, close, float(volume or 0.0))
    except (TypeError, ValueError, OverflowError):
        return None
    return row if row.time == time and _sound(row, step) else None


def _sound(row: Row, step: int) -> bool:
    _, open_, high, low, close, volume = row
    on_grid = row.time > 0 and row.time % step == 0
    # Written so that NaN fails.
    ordered = 0 < low <= min(open_, close) and max(open_, close) <= high < math.inf
    return on_grid and ordered and 0 <= volume < math.inf
