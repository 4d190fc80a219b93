"""Small markets for tests."""

import numpy as np

from feeds.bars import Bars
from feeds.timeframe import Timeframe


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


def with_hole(bars: Bars, at: int, missing: int) -> Bars:
    """Return the bars without `missing` of them from `at` on: two segments."""
    keep = np.r_[0:at, at + missing : len(bars)]
    return Bars(
        symbol=bars.symbol,
        timeframe=bars.timeframe,
        time=bars.time[keep],
        open=bars.open[keep],
        high=bars.high[keep],
        low=bars.low[keep],
        close=bars.close[keep],
        volume=bars.volume[keep],
        filled=bars.filled[keep],
        segment=(keep >= at).astype(np.int64),
        synthetic=bars.synthetic,
    )
