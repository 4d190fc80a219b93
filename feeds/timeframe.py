"""Timeframes: how long one bar lasts."""

import re
from dataclasses import dataclass

import numpy as np

from feeds.errors import BadTimeframeError
from feeds.messages import shown

_UNIT_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_YEAR_MS = 365 * 86_400_000


@dataclass(frozen=True, slots=True)
class Timeframe:
    """The length of a bar: whole minutes, hours or days, on the grid of the epoch (UTC).

    >>> Timeframe.parse("5m").ms
    300000
    >>> str(Timeframe.parse("60m"))
    '1h'
    """

    ms: int

    def __post_init__(self) -> None:
        if self.ms <= 0 or self.ms % _UNIT_MS["m"]:
            raise BadTimeframeError(
                f"a timeframe must be whole minutes above zero, found {self.ms} ms"
            )

    @classmethod
    def parse(cls, text: str) -> "Timeframe":
        """Read `5m`, `1h` or `1d`; `1M` would be a month, and is refused."""
        match = re.fullmatch(r"([1-9]\d{0,3})([mhdHD])", text.strip(), re.ASCII)
        if match is None:
            raise BadTimeframeError(
                f"a timeframe must look like 1m, 5m, 1h or 1d, found {shown(text)}"
            )
        return cls(int(match[1]) * _UNIT_MS[match[2].lower()])

    @property
    def delta(self) -> np.timedelta64:
        """The length as a numpy duration in milliseconds."""
        return np.timedelta64(self.ms, "ms")

    @property
    def per_year(self) -> float:
        """Bars in a crypto year of 365 days."""
        return _YEAR_MS / self.ms

    def times(self, factor: int) -> "Timeframe":
        """Return the timeframe `factor` times as long."""
        return Timeframe(self.ms * factor)

    def __str__(self) -> str:
        unit = next(u for u in ("d", "h", "m") if self.ms % _UNIT_MS[u] == 0)
        return f"{self.ms // _UNIT_MS[unit]}{unit}"
