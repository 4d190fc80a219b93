"""The bars that a command works on: read from files, cut to the asked dates."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.config import DataConfig
from engine.errors import RunError
from feeds.bars import Bars
from feeds.files import read_bars
from feeds.timeframe import Timeframe

log = logging.getLogger("tandem.data")


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """Bars of one symbol; those before position `first` are only looked back at."""

    bars: Bars
    first: int

    @property
    def decided(self) -> np.ndarray:
        """The moments at which the run's bars close."""
        return self.bars.closed_at[self.first :]


def read_markets(
    paths: Iterable[Path],
    config: DataConfig,
    *,
    symbol: str | None = None,
    timeframe: Timeframe | None = None,
) -> list[Bars]:
    """Return the bars of each file; one symbol a file, one timeframe for all."""
    markets: list[Bars] = []
    for path in paths:
        bars, quality = read_bars(
            path,
            symbol=symbol,
            timeframe=timeframe,
            repair=config.repair,
            fill_limit=config.fill_limit,
        )
        log.info("%s", quality)
        markets.append(bars)
    _refuse_mixture(markets)
    return markets


def cut(
    bars: Bars, *, start: np.datetime64 | None, end: np.datetime64 | None, warmup_bars: int
) -> Market:
    """Return the bars that open from `start` on and before `end`, with warm-up before them."""
    stop = len(bars) if end is None else bars.index_from(end)
    first = 0 if start is None else bars.index_from(start)
    if first >= stop:
        raise RunError(
            f"{bars.symbol}: the range {start or 'begin'} to {end or 'end'} must hold bars, "
            f"found {_span(bars)}; choose dates inside"
        )
    begin = max(0, first - warmup_bars)
    return Market(bars[begin:stop], first - begin)


def _refuse_mixture(markets: Sequence[Bars]) -> None:
    timeframes = sorted({str(bars.timeframe) for bars in markets})
    if len(timeframes) > 1:
        raise RunError(
            f"one run needs one timeframe, found {', '.join(timeframes)}; run them apart"
        )
    symbols = [bars.symbol for bars in markets]
    twice = sorted({symbol for symbol in symbols if symbols.count(symbol) > 1})
    if twice:
        raise RunError(
            f"one file per symbol, found several for {', '.join(twice)}; join them first"
        )


def _span(bars: Bars) -> str:
    return f"{bars.time[0]}Z to {bars.closed_at[-1]}Z" if len(bars) else "none at all"
