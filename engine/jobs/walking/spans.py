"""The stretches that a walk-forward goes over: markets, windows, and the tests as one run."""

from collections.abc import Sequence

import numpy as np

from engine.jobs.default_market import default_markets
from engine.jobs.markets import Market, cut
from engine.jobs.run_request import RunRequest
from engine.jobs.settings import Settings
from engine.jobs.walking.windows import Window, WindowSpec, cut_windows


def markets_of(request: RunRequest) -> tuple[Settings, list[Market]]:
    """Return the settings and the markets; without bars, those of the embedded default."""
    if request.bars is not None:
        return request.settings, request.markets()
    settings, bars = default_markets(request.settings, request.out)
    return settings, [Market(each, 0) for each in bars]


def windows_of(request: RunRequest, markets: Sequence[Market], spec: WindowSpec) -> list[Window]:
    """Return the windows from `--start-date`, or from the first bar that all markets have."""
    start = None if request.bars is None else request.bars.start
    if start is None:
        start = max(market.bars.time[market.first] for market in markets)
    return cut_windows(start, max(market.bars.closed_at[-1] for market in markets), spec)


def tested(
    markets: Sequence[Market], windows: Sequence[Window], settings: Settings
) -> list[Market]:
    """Return the markets from the first test on."""
    return [part(market, settings, windows[0].train_end, None) for market in markets]


def part(
    market: Market, settings: Settings, start: np.datetime64, end: np.datetime64 | None
) -> Market:
    """Return the bars of a market from one moment to another, with warm-up before them."""
    return cut(market.bars, start=start, end=end, warmup_bars=settings.strategy.warmup_bars)
