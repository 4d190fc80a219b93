"""The bars that a command works on: read from files, cut to the asked dates."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.config import DataConfig
from engine.errors import RunError
from feeds.bars import Bars
from feeds.files import read_bars
from feeds.moments import readable
from feeds.timeframe import Timeframe

log = logging.getLogger("tandem.data")


@dataclass(frozen=True, slots=True)
class BarFiles:
    """Files of bars; symbol and timeframe are for those that do not say theirs."""

    paths: Sequence[Path] = ()
    symbol: str | None = None
    timeframe: Timeframe | None = None

    def read(self, config: DataConfig) -> list[Bars]:
        """Return the bars of each file; one symbol a file, one timeframe for all."""
        markets: list[Bars] = []
        for path in self.paths:
            bars, quality = read_bars(
                path,
                symbol=self.symbol,
                timeframe=self.timeframe,
                repair=config.repair,
                fill_limit=config.fill_limit,
            )
            log.log(logging.WARNING if quality.repairs else logging.INFO, "%s", quality)
            markets.append(bars)
        _refuse_mixture(markets)
        return markets


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """Bars of one symbol; those before position `first` are only looked back at."""

    bars: Bars
    first: int

    @property
    def decided(self) -> np.ndarray:
        """The moments at which the run's bars close."""
        return self.bars.closed_at[self.first :]


def cut(
    bars: Bars, *, start: np.datetime64 | None, end: np.datetime64 | None, warmup_bars: int
) -> Market:
    """Return the bars that open from `start` on and before `end`, with warm-up before them."""
    if start is not None and end is not None and end <= start:
        raise RunError(
            f"a range must end after it starts, found {_moment(start)} to {_moment(end)}"
        )
    stop = len(bars) if end is None else bars.index_from(end)
    first = 0 if start is None else bars.index_from(start)
    if first >= stop:
        raise RunError(
            f"{bars.symbol}: the range {_moment(start)} to {_moment(end)} must hold bars, "
            f"found {_span(bars)}; choose dates inside"
        )
    begin = max(0, first - warmup_bars)
    market = Market(bars[begin:stop], first - begin)
    if not (market.bars.bars_before()[market.first :] >= warmup_bars).any():
        raise RunError(
            f"{bars.symbol}: a decision needs {warmup_bars} bars of its segment before it, found "
            f"none in the range ({stop - begin} bars with warm-up); give a longer range or file"
        )
    return market


def _moment(date: np.datetime64 | None) -> str:
    return "open" if date is None else readable(date)


def _refuse_mixture(markets: Sequence[Bars]) -> None:
    timeframes = sorted({str(bars.timeframe) for bars in markets})
    if len(timeframes) > 1:
        raise RunError(
            f"one run needs one timeframe, found {', '.join(timeframes)}; run them apart"
        )
    quotes = sorted({bars.symbol.split("/")[1] for bars in markets})
    if len(quotes) > 1:
        raise RunError(f"one wallet holds one quote currency, found {', '.join(quotes)}; run apart")
    symbols = [bars.symbol for bars in markets]
    twice = sorted({symbol for symbol in symbols if symbols.count(symbol) > 1})
    if twice:
        raise RunError(
            f"one file per symbol, found several for {', '.join(twice)}; join them first"
        )


def _span(bars: Bars) -> str:
    if not len(bars):
        return "none at all"
    return f"{readable(bars.time[0])} to {readable(bars.closed_at[-1])}"
