"""Small markets for tests."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from feeds.bars import PRICES, Bars, FloatArray
from feeds.timeframe import Timeframe

START = np.datetime64("2024-01-01", "ms")
Candle: TypeAlias = tuple[float, float, float, float]  # open, high, low, close


def make_bars(
    n: int,
    seed: int = 0,
    *,
    symbol: str = "BTC/USDT",
    timeframe: str = "5m",
    start: str = "2024-01-01",
    volatility: float = 0.002,
) -> Bars:
    """Return a random walk of `n` bars in one segment."""
    rng = np.random.default_rng(seed)
    frame = Timeframe.parse(timeframe)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, volatility, n)))
    open_ = np.concatenate([[100.0], close[:-1]]) * np.exp(rng.normal(0.0, volatility / 10, n))
    reach = np.abs(rng.normal(0.0, volatility / 2, (2, n)))
    return Bars(
        symbol=symbol,
        timeframe=frame,
        time=np.datetime64(start, "ms") + np.arange(n) * frame.delta,
        open=open_,
        high=np.maximum(open_, close) * (1 + reach[0]),
        low=np.minimum(open_, close) * (1 - reach[1]),
        close=close,
        volume=rng.lognormal(3.0, 0.5, n),
        filled=np.zeros(n, np.bool_),
        segment=np.zeros(n, np.int64),
    )


def candles(
    rows: Sequence[Candle],
    *,
    filled: Sequence[int] = (),
    hole_before: int | None = None,
    symbol: str = "BTC/USDT",
    timeframe: str = "5m",
) -> Bars:
    """Return bars of (open, high, low, close), those at the positions `filled` without trade."""
    position = np.arange(len(rows))
    open_, high, low, close = np.array(rows, np.float64).reshape(-1, 4).T
    after_hole = position >= (len(rows) if hole_before is None else hole_before)
    frame = Timeframe.parse(timeframe)
    return Bars(
        symbol=symbol,
        timeframe=frame,
        time=START + (position + 10 * after_hole) * frame.delta,
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=(~np.isin(position, filled)).astype(np.float64),
        filled=np.isin(position, filled),
        segment=after_hole.astype(np.int64),
    )


def with_hole(bars: Bars, at: int, missing: int) -> Bars:
    """Return the bars without `missing` of them from `at` on, and with one more segment."""
    kept = np.r_[0:at, at + missing : len(bars)]
    columns = {name: getattr(bars, name)[kept] for name in ("time", *PRICES, "volume", "filled")}
    return replace(bars, **columns, segment=bars.segment[kept] + (kept >= at))


def scaled(bars: Bars, factor: float | FloatArray) -> Bars:
    """Return the bars with every price times `factor`, one for all or one per bar."""
    return replace(bars, **{name: getattr(bars, name) * factor for name in PRICES})
