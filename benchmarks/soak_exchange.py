"""A stand-in exchange in a process of its own, so that what a session costs is the session's."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from time import monotonic

import numpy as np

from feeds.bars import Bars
from feeds.clock import ReplayClock
from feeds.standin.server import StandIn
from feeds.standin.trades import RecordedTrades
from feeds.standin.wire import MOST_DECIMALS
from feeds.synthetic import synthetic_bars
from feeds.timeframe import Timeframe

MINUTE = Timeframe.parse("1m")
SEED = 7
TRADES = 31  # in a bar: two seconds apart, and one at each turn
_DAY = 1440  # bars


@dataclass(frozen=True, slots=True)
class Plan:
    """A market that is replayed.

    Attributes
    ----------
    warmup : bars before those that are traded
    bars : those that are traded
    speed : market seconds per real second
    """

    symbols: tuple[str, ...]
    warmup: int
    bars: int
    speed: float

    def market(self, symbol: str) -> Bars:
        """Return the bars of a symbol, warm-up included: the same in every process."""
        length = self.warmup + self.bars
        return synthetic_bars(symbol, MINUTE, days=-(-length // _DAY), seed=SEED)[:length]

    @property
    def begin(self) -> np.datetime64:
        """When the first bar opens that is traded."""
        return np.datetime64(self.market(self.symbols[0]).time[self.warmup], "ms")

    def clock(self) -> ReplayClock:
        """Return a clock of the market that stands at its begin."""
        begin: datetime = self.begin.astype("datetime64[ms]").item()
        return ReplayClock(begin.replace(tzinfo=UTC), self.speed)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the exchange is asked, and what the stopwatch of this machine showed at its begin."""

    url: str
    stream_url: str
    started: float

    def seconds_since(self, plan: Plan, moment: np.datetime64) -> float:
        """Return how many real seconds ago it was that moment at the exchange."""
        market = (moment - plan.begin) / np.timedelta64(1, "s")
        return monotonic() - self.started - float(market) / plan.speed


@contextmanager
def exchange_apart(plan: Plan) -> Iterator[Address]:
    """Yield the address of an exchange that replays the market as long as the block lasts.

    Its clock runs from the start of the block on; the stopwatch is the same in all processes.
    """
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(plan, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours.recv()
    finally:
        ours.close()
        process.join()


def _serve(plan: Plan, line: Connection) -> None:
    clock = plan.clock()
    markets = [plan.market(symbol) for symbol in plan.symbols]
    trades = [trades_of(market[plan.warmup :]) for market in markets]
    with StandIn(markets, trades=trades, clock=clock) as exchange:
        clock.start()
        line.send(Address(exchange.url, exchange.stream_url, monotonic()))
        with suppress(EOFError):  # which says that who asked for the exchange has gone
            line.recv()


def trades_of(bars: Bars) -> RecordedTrades:
    """Return trades at even distances that make the bars: from open to low, to high, to close."""
    place = np.linspace(0.0, 3.0, TRADES)
    turns = np.stack([bars.open, bars.low, bars.high, bars.close], axis=1)
    turn = np.minimum(place.astype(np.int64), 2)
    price = turns[:, turn] + (turns[:, turn + 1] - turns[:, turn]) * (place - turn)
    after = (np.arange(TRADES) * bars.timeframe.ms // TRADES).astype("timedelta64[ms]")
    return RecordedTrades(
        bars.symbol,
        time=(bars.time[:, None] + after).ravel(),
        price=np.round(price, MOST_DECIMALS).ravel(),
        units=np.repeat(bars.volume / (TRADES + 1), TRADES),  # the last word is always the most
        buyer_is_maker=np.zeros(TRADES * len(bars), np.bool_),
    )
