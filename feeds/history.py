"""History: bars of an exchange by way of the store, which is asked first."""

import logging
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from feeds.bars import Bars
from feeds.download import download
from feeds.errors import BlockedError, ExchangeError, UnknownMarketError, UnreachableError
from feeds.moments import iso, readable
from feeds.quality import QualityReport
from feeds.spans import Span, joined, span_of
from feeds.store import DEFAULT_EXCHANGE, Listing, Store
from feeds.timeframe import Timeframe

if TYPE_CHECKING:
    from feeds.exchange import Exchange

log = logging.getLogger("tandem.feeds")

# They list pairs in dollars and give years of bars; kraken gives the last 720 only.
USD_EXCHANGES = ("coinbase", "bitstamp", "bitfinex")


class StoredBars(NamedTuple):
    """Bars of the store: what they are like, whose they are, and the file that holds them."""

    bars: Bars
    quality: QualityReport
    listing: Listing
    file: Path


class Settings(Protocol):
    """Where bars come from and how they are read; None: the usual exchange, its own address."""

    @property
    def store(self) -> Path: ...
    @property
    def exchange(self) -> str | None: ...
    @property
    def base_url(self) -> str | None: ...
    @property
    def repair(self) -> Sequence[str]: ...
    @property
    def fill_limit(self) -> int: ...


class Open(Protocol):
    """Opens an exchange."""

    def __call__(self, name: str, /, *, base_url: str | None = None) -> "Exchange": ...


def open_exchange(name: str, /, *, base_url: str | None = None) -> "Exchange":
    """Open an exchange with the usual patience; see `feeds.exchange.open_exchange`."""
    from feeds import exchange  # ccxt takes seconds to load, and the store may have it all

    return exchange.open_exchange(name, base_url=base_url)


def stored_bars(
    symbols: Sequence[str],
    timeframe: Timeframe,
    start: np.datetime64,
    end: np.datetime64,
    settings: Settings,
    *,
    opened_by: Open = open_exchange,
) -> list[StoredBars]:
    """Return the bars of each symbol that open from `start` on and before `end` and have closed.

    What the store lacks is downloaded first. Nobody is asked where it lacks nothing.

    Raises
    ------
    ExchangeError
        if there is no such market, or the exchange cannot be reached; then it says what is stored
    StoreError
        if the store cannot be read or written, or the exchange has no bars there
    BadBarsError
        if the bars have defects that the settings do not let be repaired
    """
    span = span_of(start, end, timeframe)
    with ExitStack() as stack:
        history = _History(Store(_folder(settings)), settings, opened_by, stack)
        return [history.bars(symbol, timeframe, span) for symbol in symbols]


def exchange_listing(
    symbol: str,
    timeframe: Timeframe,
    asked: str | None,
    alternatives: Sequence[str] = USD_EXCHANGES,
    opened: Callable[[str], "Exchange"] = open_exchange,
) -> "Exchange":
    """Return the exchange that was asked for, or for a pair in dollars one that lists it.

    Raises
    ------
    UnknownMarketError
        if the symbol or the timeframe is not listed; for dollars with what could be taken instead
    ExchangeError
        if the exchange cannot be reached; of several, the last one
    """
    if asked is not None or not _in_dollars(symbol):
        exchange = opened(asked or DEFAULT_EXCHANGE)
        _refuse_unlisted(exchange, symbol, timeframe)
        return exchange
    failed: ExchangeError | None = None
    for name in alternatives:
        try:
            exchange = opened(name)
        except (BlockedError, UnreachableError) as error:
            log.warning("%s: %s", symbol, error)
            failed = error
            continue
        if exchange.lists(symbol, timeframe):
            return exchange
    raise failed or UnknownMarketError(
        f"{symbol} {timeframe}: none of {', '.join(alternatives)} lists it; name one that does "
        f"with --exchange, or take {_in_tether(symbol)}"
    )


@dataclass(slots=True)
class _History:
    """What one command asks for; an exchange is opened at most once."""

    store: Store
    settings: Settings
    opened_by: Open
    stack: ExitStack
    exchanges: "dict[str, Exchange]" = field(default_factory=dict)

    def bars(self, symbol: str, timeframe: Timeframe, span: Span) -> StoredBars:
        asked = self._asked(symbol, timeframe)
        listing = Listing(asked or DEFAULT_EXCHANGE, symbol, timeframe)
        if asked is None or self.store.missing(listing, span):
            listing, span = self._downloaded(listing, asked, span)
        if self.settings.exchange is None and listing.exchange != DEFAULT_EXCHANGE:
            log.warning(
                "%s: taken from %s, which lists pairs in dollars; %s, the default, lists them in "
                "other coins, such as %s",
                symbol,
                listing.exchange,
                DEFAULT_EXCHANGE,
                _in_tether(symbol),
            )
        bars, quality = self.store.read(
            listing, span, repair=self.settings.repair, fill_limit=self.settings.fill_limit
        )
        _warn_if_late(bars, listing, span)
        return StoredBars(bars, quality, listing, self.store.path(listing))

    def _asked(self, symbol: str, timeframe: Timeframe) -> str | None:
        """Return the exchange to ask; None if one in dollars is still to be found.

        Once the store has bars of one, that is the one: a market is not switched in silence
        because its exchange does not answer today.
        """
        named = self.settings.exchange
        if named is not None or not _in_dollars(symbol) or self.settings.base_url is not None:
            return named or DEFAULT_EXCHANGE
        listings = [Listing(name, symbol, timeframe) for name in USD_EXCHANGES]
        return next((each.exchange for each in listings if self.store.covered(each)), None)

    def _downloaded(self, listing: Listing, asked: str | None, span: Span) -> tuple[Listing, Span]:
        symbol, timeframe = listing.symbol, listing.timeframe
        try:
            exchange = exchange_listing(symbol, timeframe, asked, USD_EXCHANGES, self._opened)
            listing = Listing(exchange.name, symbol, timeframe)
            done = download(exchange, self.store, listing, span)
        except (BlockedError, UnreachableError) as error:
            held = _held(self.store.covered(listing), span)
            raise type(error)(f"{error}{held}") from error
        log.info("%s: %d bars downloaded", listing, done.bars)
        return listing, done.span

    def _opened(self, name: str) -> "Exchange":
        if name not in self.exchanges:
            exchange = self.opened_by(name, base_url=self.settings.base_url)
            self.exchanges[name] = self.stack.enter_context(exchange)
        return self.exchanges[name]


def _folder(settings: Settings) -> Path:
    """Return the root of the store; what another address says is kept apart from the exchange's."""
    if settings.base_url is None:
        return settings.store
    return (
        settings.store / "at" / re.sub(r"[^a-z0-9.]+", "-", settings.base_url.lower()).strip("-.")
    )


def _in_dollars(symbol: str) -> bool:
    return symbol.endswith("/USD")


def _in_tether(symbol: str) -> str:
    return f"{symbol.split('/')[0]}/USDT"


def _refuse_unlisted(exchange: "Exchange", symbol: str, timeframe: Timeframe) -> None:
    instead = _in_tether(symbol)
    if (
        _in_dollars(symbol)
        and not exchange.lists(symbol, timeframe)
        and exchange.lists(instead, timeframe)
    ):
        usual = ", ".join(name for name in USD_EXCHANGES if name != exchange.name)
        raise UnknownMarketError(
            f"{exchange.name} does not list {symbol}, but {instead}: take that, or one of {usual} "
            f"with --exchange, which usually list {symbol}"
        )
    exchange.refuse_unknown(symbol, timeframe)


def _held(covered: Sequence[Span], span: Span) -> str:
    """Return in words what the store holds of a span, and with which dates it would do."""
    parts = [Span(max(each.start, span.start), min(each.end, span.end)) for each in covered]
    held = joined(parts)
    if not held:
        return ""
    if held[0].start == span.start:
        until = np.datetime64(held[0].end, "ms")
        return (
            f"; the store has them until {readable(until)}: with the same start, --end-date "
            f"{iso(until)} would do"
        )
    return f"; the store has {', '.join(map(str, held))}"


def _warn_if_late(bars: Bars, listing: Listing, span: Span) -> None:
    """Say that there is less than was asked for: listed later, or only the last bars are given."""
    start = np.datetime64(span.start, "ms")
    if bars.time[0] > start:
        log.warning(
            "%s: its bars begin at %s, not at %s: the exchange has none before",
            listing,
            readable(bars.time[0]),
            readable(start),
        )
