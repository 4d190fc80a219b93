"""A recording that unfolds bar by bar: what is to come lies in no line that a strategy reads."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from engine.data import LINES, SymbolFeed, stamps
from engine.equity import merged_times
from engine.errors import RunError
from feeds.bars import Bars, TimeArray


class UnfoldingFeed(SymbolFeed):
    """Recorded bars for strategies that nobody has audited.

    `BarsFeed` lays out the whole recording, where `close[1]` is tomorrow's price; here it raises
    IndexError. Indicators step bar by bar then, which takes some 60 µs a bar more: a strategy whose
    rules are audited takes `BarsFeed`.

    Parameters
    ----------
    bars : the market, warm-up included
    first : position of the first bar delivered; strategies may look back at those before it
    moments : open times of the bars of all symbols of the run: at one of which this symbol has no
        bar it delivers none, so that no bar is ever taken ahead of its time and put back
    """

    def __init__(self, bars: Bars, first: int, moments: TimeArray) -> None:
        super().__init__()
        if not 0 <= first < len(bars):
            raise RunError(
                f"{bars.symbol}: the first bar must be one of the {len(bars)} bars, found {first}"
            )
        self._name = self.symbol = bars.symbol
        self.bar_length = bars.timeframe
        self._rows, self._age, self._ahead = bars, bars.bars_before(), first
        self._to_come = _values(bars, first, moments)
        self.moments = len(moments)
        names = (*LINES, "segment_end", "datetime")
        self._loaded = tuple(getattr(self.lines, name) for name in names)

    def islive(self) -> bool:
        """Tell Cerebro to take the bars one by one."""
        return True

    def delivered(self) -> Bars:
        return self._rows[self._ahead : self._ahead + len(self)]

    def next(self, datamaster: Any = None, ticks: bool = True) -> bool | None:
        # Cerebro asks those without a bar once more, with a master: they have answered already.
        return None if datamaster is not None else super().next(ticks=ticks)

    def _load(self) -> bool | None:
        try:
            values = next(self._to_come)
        except StopIteration:
            return False
        if values is None:
            return None
        for line, value in zip(self._loaded, values, strict=True):
            line[0] = value
        return True


def unfolding(markets: Sequence[tuple[Bars, int]]) -> list[UnfoldingFeed]:
    """Return the feeds of one run, from bars and the position of the first delivered one."""
    moments = merged_times([bars.time[first:] for bars, first in markets])
    return [UnfoldingFeed(bars, first, moments) for bars, first in markets]


def _values(bars: Bars, first: int, moments: TimeArray) -> Iterator[tuple[float, ...] | None]:
    """Yield what the lines hold at each moment; None where the symbol has no bar."""
    columns = [np.asarray(getattr(bars, name), np.float64) for name in LINES]
    columns += [bars.last_of_segment().astype(np.float64), stamps(bars.time)]
    rows = zip(*(column[first:].tolist() for column in columns), strict=True)
    last = np.searchsorted(moments, bars.time[-1])
    for has_bar in np.isin(moments[: last + 1], bars.time[first:]).tolist():
        yield next(rows) if has_bar else None
