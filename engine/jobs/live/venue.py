"""Where a session trades: an exchange, or a recording that stands in for one."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import UsageError
from engine.jobs.live.request import PaperRequest, Rehearsal
from engine.jobs.markets import BarFiles, Market
from engine.jobs.settings import Settings
from feeds.bars import Bars
from feeds.clock import ReplayClock, SystemClock, TimedClock
from feeds.live.spec import LiveSpec
from feeds.standin.server import StandIn
from feeds.standin.trades import RecordedTrades
from feeds.store import DEFAULT_EXCHANGE
from feeds.timeframe import Timeframe

if TYPE_CHECKING:
    from feeds.live.feed import LiveFeed

log = logging.getLogger("tandem.paper")

STAND_IN = "stand-in"  # what a rehearsal's exchange is called
_USUAL_PUSH = 2.0
_MOST_PUSHES = 500  # in a real second, of all symbols
LEAST_BAR_SECONDS = 0.1  # of real time: below it a stand-in and its client are not done with a bar


@dataclass(frozen=True, slots=True)
class Venue:
    """What a feed is opened with; `speed` in seconds of the market per real second."""

    spec: LiveSpec
    clock: TimedClock
    speed: float = 1.0

    def feed(self, known: Mapping[str, Bars]) -> "LiveFeed":
        """Return a feed that goes on after the bars that are known."""
        from feeds.live.feed import LiveFeed  # ccxt takes seconds to load

        return LiveFeed(self.spec, known=known, clock=self.clock, speed=self.speed)


def exchange_venue(request: PaperRequest) -> Venue:
    """Return the exchange that the settings name."""
    data = request.settings.data
    spec = LiveSpec(
        exchange=data.exchange or DEFAULT_EXCHANGE,
        base_url=data.base_url,
        symbols=request.symbols,
        timeframe=request.timeframe,
        **_spec_of(request.settings),
    )
    return Venue(spec, SystemClock())


@contextmanager
def rehearsal_venue(
    markets: Sequence[Market], request: PaperRequest, goes_on: np.datetime64 | None
) -> Iterator[Venue]:
    """Yield a stand-in exchange that replays the markets as long as the block lasts.

    Parameters
    ----------
    goes_on : when the last bar closed that the session has; None for a new session
    """
    asked = _rehearsal(request)
    timeframe = markets[0].bars.timeframe
    _refuse_too_fast(asked.speed, timeframe.ms)
    bars, trades = [market.bars for market in markets], _trades(asked)
    begin = _first_sign(_beginning(markets, request.settings), trades, timeframe)
    if goes_on is not None:
        begin = goes_on + asked.outage * timeframe.delta
    clock = ReplayClock(_aware(begin), asked.speed)
    every = _push_every(len(markets), asked.speed, timeframe)
    symbols = tuple(market.bars.symbol for market in markets)
    with StandIn(bars, trades=trades, clock=clock, push_every=every) as exchange:
        spec = LiveSpec(
            exchange=DEFAULT_EXCHANGE,  # whose ways the stand-in has
            name=STAND_IN,
            base_url=exchange.url,
            stream_url=exchange.stream_url,
            symbols=symbols,
            timeframe=timeframe,
            without_trades=frozenset(symbols) - {each.symbol for each in trades},
            until=max(market.bars.closed_at[-1] for market in markets),
            **_spec_of(request.settings),
        )
        yield Venue(spec, clock, asked.speed)


def recording_facts(markets: Sequence[Market]) -> dict[str, Any]:
    """Return what tells this recording from any other."""
    return {
        "synthetic": any(market.bars.synthetic for market in markets),
        "digests": {market.bars.symbol: market.bars.digest() for market in markets},
    }


def _spec_of(settings: Settings) -> dict[str, Any]:
    return {
        "warmup_bars": settings.strategy.warmup_bars,
        "confirm": settings.paper.confirm,
        "fill_limit": settings.data.fill_limit,
    }


def _rehearsal(request: PaperRequest) -> Rehearsal:
    if request.rehearsal is None:
        raise UsageError("a rehearsal needs a recording: name a file of bars with --rehearse")
    return request.rehearsal


def _trades(asked: Rehearsal) -> Sequence[RecordedTrades]:
    """Return the trades that were recorded beside the bars, or that these are made of."""
    source = asked.bars.source
    return source.trades() if isinstance(source, BarFiles) else ()


def _beginning(markets: Sequence[Market], settings: Settings) -> np.datetime64:
    """Return when the first bar opens that is traded: warm-up comes from the recording's head."""
    warmup = settings.strategy.warmup_bars
    return np.datetime64(min(m.bars.time[max(m.first, warmup)] for m in markets), "ms")


def _first_sign(
    begin: np.datetime64, trades: Sequence[RecordedTrades], timeframe: Timeframe
) -> np.datetime64:
    """Return when the bar that opens at `begin` is first heard of: with its first trade, if any.

    Until then an exchange shows the bar before it as the newest: nobody could tell it from a clock
    that runs ahead.
    """
    inside = [t.time[(t.time >= begin) & (t.time < begin + timeframe.delta)] for t in trades]
    heard = [np.datetime64(times[0]) for times in inside if len(times)]
    return min(heard, default=begin)


def _refuse_too_fast(speed: float, bar_ms: int) -> None:
    most = bar_ms / 1000.0 / LEAST_BAR_SECONDS
    if not 0 < speed <= most:
        raise UsageError(f"--speed must be above 0 and at most {most:g} at this timeframe")


def _push_every(symbols: int, speed: float, timeframe: Timeframe) -> float:
    """Return how often a bar that forms is pushed, in seconds of the market.

    As the exchange does, unless that were more than a process has time for.
    """
    return min(max(_USUAL_PUSH, symbols * speed / _MOST_PUSHES), timeframe.ms / 3000.0)


def _aware(moment: np.datetime64) -> datetime:
    naive: datetime = moment.astype("datetime64[ms]").item()
    return naive.replace(tzinfo=UTC)
