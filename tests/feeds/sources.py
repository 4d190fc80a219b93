"""Markets to download, a source of them in memory, and what a store must hold then."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from feeds.bars import Bars, FloatArray
from feeds.gaps import to_bars
from feeds.spans import Span
from feeds.store import Listing, Store
from feeds.timeframe import Timeframe
from tests.feeds.raw import FIVE_MINUTES, raw_frame, without_bars

LISTING = Listing("binance", "BTC/USDT", FIVE_MINUTES)
STEP = FIVE_MINUTES.ms
HOLES = (0, 0, 3, 0, 0, 0, 12, 0, 60, *[0] * 30, 1, 0, 1, 7)  # as `gaps` of a market


def market(n: int, gaps: Sequence[int] = (), seed: int = 0, symbol: str = "BTC/USDT") -> Bars:
    """Return `n` bars, after the first ones as many missing as `gaps` says."""
    gaps = [*gaps, *[0] * (n - 1 - len(gaps))][: n - 1]
    return to_bars(without_bars(raw_frame(n + sum(gaps), seed), gaps), symbol, FIVE_MINUTES)


def span_of_bars(bars: Bars) -> Span:
    return Span(*(int(moment.astype(np.int64)) for moment in (bars.time[0], bars.closed_at[-1])))


def real_rows(bars: Bars) -> pd.DataFrame:
    """Return the rows that the exchange has: none that was filled."""
    return bars.frame()[~bars.filled].reset_index(drop=True)


def held_rows(store: Store, listing: Listing = LISTING) -> pd.DataFrame:
    """Return the rows of the store's file as any reader of Parquet sees them."""
    path = store.path(listing)
    return pd.read_parquet(path) if path.exists() else real_rows(market(3)[:0])


def assert_all_held_is_true(store: Store, bars: Bars, listing: Listing = LISTING) -> None:
    """Whatever is covered equals the source to the last bit, and nothing else is held."""
    time = real_rows(bars)["timestamp"].astype("int64")
    covered = np.zeros(len(time), np.bool_)
    for span in store.covered(listing):
        covered |= time.between(span.start, span.end, inclusive="left").to_numpy()
    expected = real_rows(bars)[covered].reset_index(drop=True)
    pd.testing.assert_frame_equal(held_rows(store, listing), expected, check_exact=True)


def assert_complete(store: Store, bars: Bars, listing: Listing = LISTING) -> None:
    """The store gives back the source, to the last bit."""
    stored, _ = store.read(listing, span_of_bars(bars))
    assert stored.digest() == bars.digest()


Trouble = Callable[[FloatArray], FloatArray]


@dataclass(slots=True)
class Recorded:
    """A source in memory: the next bars from a moment on, or (`windowed`) those of a stretch.

    `trouble` is called on each page before it is given away.
    """

    bars: Bars
    page_rows: int = 20
    windowed: bool = False
    trouble: Trouble = field(default=lambda page: page)
    until: int | None = None
    asked: list[int] = field(default_factory=list)
    rows: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        frame = real_rows(self.bars)
        time = frame["timestamp"].astype("int64").to_numpy(np.float64)
        self.rows = np.column_stack([time, frame.drop(columns="timestamp")])

    def closed_until(self, timeframe: Timeframe) -> int:
        return span_of_bars(self.bars).end if self.until is None else self.until

    def page(self, symbol: str, timeframe: Timeframe, since: int) -> FloatArray:
        self.asked.append(since)
        time = self.rows[:, 0]
        end = since + self.page_rows * timeframe.ms if self.windowed else np.inf
        return self.trouble(self.rows[(time >= since) & (time < end)][: self.page_rows])

    def pause(self, tries: int) -> None:
        """There is nobody to wait for."""
