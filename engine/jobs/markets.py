"""The bars that a command works on: from files or from an exchange, cut to the asked dates."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from engine.config import DataConfig
from engine.errors import RunError
from feeds.bars import Bars, sharing
from feeds.clock import Clock
from feeds.files import read_bars
from feeds.moments import readable
from feeds.parquet_part import Dates
from feeds.quality import QualityReport
from feeds.standin.trade_files import holds_trades, read_trades
from feeds.standin.trades import RecordedTrades
from feeds.timeframe import Timeframe

if TYPE_CHECKING:
    from feeds.history import StoredBars

_OF_TRADES = Timeframe.parse("1m")

log = logging.getLogger("tandem.data")


class BarSource(Protocol):
    """Where the bars of a command come from."""

    def read(self, config: DataConfig, /) -> list[Bars]:
        """Return the bars of each symbol; all of one timeframe and one quote currency."""


@dataclass(frozen=True, slots=True)
class BarFiles:
    """Files of bars or trades; symbol and timeframe are for those that do not say theirs.

    Of files of bars no more need be read than the dates ask for.
    """

    paths: Sequence[Path] = ()
    symbol: str | None = None
    timeframe: Timeframe | None = None
    dates: Dates | None = None

    def read(self, config: DataConfig) -> list[Bars]:
        """Return the bars of each file; one symbol a file, one timeframe for all.

        Of a symbol with trades and no bars they are those that the trades make, of a minute each
        unless the command says otherwise.
        """
        markets: list[Bars] = []
        for path in self.paths:
            if holds_trades(path):
                continue
            bars, quality = read_bars(
                path,
                symbol=self.symbol,
                timeframe=self.timeframe,
                repair=config.repair,
                fill_limit=config.fill_limit,
                dates=self.dates,
            )
            _log_quality(quality)
            markets.append(bars)
        barred = {bars.symbol for bars in markets}
        for trades in self.trades():
            if trades.symbol not in barred:
                timeframe = self.timeframe or _OF_TRADES
                markets.append(trades.bars(timeframe, fill_limit=config.fill_limit))
        _refuse_mixture(markets)
        return sharing(markets)

    def trades(self) -> list[RecordedTrades]:
        """Return the trades of each file that holds such; one file a symbol."""
        found = [read_trades(p, symbol=self.symbol) for p in self.paths if holds_trades(p)]
        refuse_mixed_symbols([trades.symbol for trades in found])
        return found


@dataclass(frozen=True, slots=True)
class ExchangeBars:
    """Bars of an exchange from `start` to `end`, and `before` bars ahead of them.

    They come from the store; what it lacks is downloaded first.
    """

    symbols: Sequence[str]
    timeframe: Timeframe
    start: np.datetime64
    end: np.datetime64
    before: int = 0

    def read(self, config: DataConfig) -> list[Bars]:
        """Return the bars of each symbol."""
        return sharing([stored.bars for stored in self.stored(config)])

    def stored(self, config: DataConfig) -> "list[StoredBars]":
        """Return the same, with the files of the store that hold them."""
        from feeds.history import stored_bars  # a run on files starts without ccxt

        _refuse_reversed(self.start, self.end)
        refuse_mixed_symbols(self.symbols)
        start = self.start - self.before * self.timeframe.delta
        read = stored_bars(self.symbols, self.timeframe, start, self.end, config)
        for stored in read:
            _log_quality(stored.quality)
        return read


def last_close(timeframe: Timeframe, clock: Clock) -> np.datetime64:
    """Return the moment at which the last bar closed."""
    now = int(clock.now().timestamp() * 1000)
    return np.datetime64(now - now % timeframe.ms, "ms")


@dataclass(frozen=True, slots=True)
class AskedBars:
    """Where the bars of a command come from, and the dates that count; None for all."""

    source: BarSource
    start: np.datetime64 | None = None
    end: np.datetime64 | None = None

    def markets(self, config: DataConfig, warmup_bars: int) -> "list[Market]":
        """Return the bars of each symbol in the dates, with warm-up before them.

        Raises
        ------
        FeedError, RunError
            if the bars cannot be had, or the dates hold none that can be decided on
        """
        source = self.source
        if isinstance(source, BarFiles) and (self.start is not None or self.end is not None):
            source = replace(source, dates=Dates(self.start, self.end, warmup_bars))
        read = source.read(config)
        return [cut(b, start=self.start, end=self.end, warmup_bars=warmup_bars) for b in read]

    def read(self, config: DataConfig, warmup_bars: int) -> list[Bars]:
        """Return the same without telling warm-up apart: as rows of a training need it."""
        return [market.bars for market in self.markets(config, warmup_bars)]


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
    if start is not None and end is not None:
        _refuse_reversed(start, end)
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


def _log_quality(quality: QualityReport) -> None:
    log.log(logging.WARNING if quality.repairs else logging.INFO, "%s", quality)


def _refuse_reversed(start: np.datetime64, end: np.datetime64) -> None:
    if end <= start:
        raise RunError(
            f"a range must end after it starts, found {_moment(start)} to {_moment(end)}"
        )


def _moment(date: np.datetime64 | None) -> str:
    return "open" if date is None else readable(date)


def _refuse_mixture(markets: Sequence[Bars]) -> None:
    timeframes = sorted({str(bars.timeframe) for bars in markets})
    if len(timeframes) > 1:
        raise RunError(
            f"one run needs one timeframe, found {', '.join(timeframes)}; run them apart"
        )
    refuse_mixed_symbols([bars.symbol for bars in markets])


def refuse_mixed_symbols(symbols: Sequence[str]) -> None:
    """Raise `RunError` if the symbols cannot share a wallet, or one comes twice."""
    quotes = sorted({symbol.split("/")[1] for symbol in symbols})
    if len(quotes) > 1:
        raise RunError(f"one wallet holds one quote currency, found {', '.join(quotes)}; run apart")
    twice = sorted({symbol for symbol in symbols if symbols.count(symbol) > 1})
    if twice:
        raise RunError(
            f"each symbol must come once, found {', '.join(twice)} again; name it once, and join "
            "files of one symbol"
        )


def _span(bars: Bars) -> str:
    if not len(bars):
        return "none at all"
    return f"{readable(bars.time[0])} to {readable(bars.closed_at[-1])}"
