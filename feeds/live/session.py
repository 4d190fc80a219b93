"""A live feed at work: everything that happens between its opening and its end."""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any

import numpy as np

from feeds.bars import Bars
from feeds.clock import TimedClock
from feeds.errors import UnknownMarketError
from feeds.exchange import Patience
from feeds.live.asking import Asking
from feeds.live.assembly import Assembly
from feeds.live.client import Client, Source
from feeds.live.closing import Closing
from feeds.live.listening import CandleStream, FoldedStream, TradeStreams, limits
from feeds.live.moment import Moment, Opening
from feeds.live.opening import Opened, milliseconds, open_feed
from feeds.live.rest import Rest
from feeds.live.spec import LiveSpec
from feeds.live.tally import Tally
from feeds.live.tapes import LATE, Tapes
from feeds.live.timekeeping import ExchangeClock

log = logging.getLogger("tandem.feeds")

TICK_S, LEAST_TICK_S = 0.25, 0.01  # market and real seconds between two looks at the clock
CLOCK_EVERY_MS = 300_000.0  # of market time between two questions for the time
DOUBTED_EVERY_MS = 30_000.0  # likewise if something was stamped as nothing can be
MARKETS_EVERY_MS = 300_000.0  # likewise for who is traded, where somebody seems not to be
HALTED_EVERY_MS = 600_000.0  # likewise while somebody is halted
NETWORK_MS = 50.0  # real ms that a trade may be under way


class Session:
    """One feed, inside of its own event loop.

    Parameters
    ----------
    known : bars that need not be fetched, by symbol
    local : the clock here
    speed : market seconds per real second
    deliver : takes each moment that is complete
    """

    def __init__(
        self,
        spec: LiveSpec,
        known: Mapping[str, Bars],
        *,
        local: TimedClock,
        speed: float,
        rng: np.random.Generator,
        deliver: Callable[[Moment], None],
    ) -> None:
        self.clock = ExchangeClock(local, speed, spec.timeframe.ms)
        self.tally = Tally()
        self._finished = asyncio.Event()
        self._spec = spec
        self._known = known
        self._speed = speed
        self._rng = rng
        self._deliver = deliver
        self._client = Client(spec, unhurried=speed <= 1)
        asking = Asking(spec.called, Patience(), self.tally, local, rng)
        self._rest = Rest(self._client, asking, self.clock, speed, self.tally)
        self._tapes = Tapes(max(LATE, NETWORK_MS * speed))
        self._trades = TradeStreams(spec, self._client, self._tapes, self.clock, self.tally)
        self._working = False
        self._busy: set[str] = set()
        self._looked = 0.0  # when it was asked last who is traded
        self._looking = asyncio.Lock()

    async def run(self, opened: Callable[[Opening], None]) -> None:
        """Open, say so, and hand over moments until it is cancelled or `until` is reached.

        Raises
        ------
        FeedError
            if it cannot open or cannot go on
        """
        try:
            ready = await open_feed(self._spec, self._known, self._client, self._rest, self.clock)
            self._begin(ready)
            opened(ready.opening)
            await self._work()
        finally:
            await asyncio.gather(self._client.close(), self._trades.close())

    def _begin(self, ready: Opened) -> None:
        self._closings: Mapping[str, Closing] = ready.closings
        self._assembly = Assembly(
            self._spec.timeframe,
            ready.closings,
            opened_at=ready.at,
            until=None if self._spec.until is None else milliseconds(self._spec.until),
            tapes=self._tapes,
            deliver=self._deliver,
        )
        self._stream = self._open_stream()
        asyncio.get_running_loop().set_exception_handler(self._on_stray_error)

    def _open_stream(self) -> CandleStream | FoldedStream | None:
        source = self._client.can.source
        if source is Source.POLLS:
            return None
        kind = CandleStream if source is Source.CANDLES else FoldedStream
        held = limits(self._spec, self._speed)
        return kind(self._client, self._closings, self.clock, self._look, held)

    async def _work(self) -> None:
        try:
            async with asyncio.TaskGroup() as self._group:
                self._working = True
                if self._stream is not None:
                    self._stream.start(self._start, self.tally, self._rng)
                self._start(self._tick())
                self._start(self._keep_time())
                await self._finished.wait()
                raise _Stopped
        except BaseExceptionGroup as failed:
            _, others = failed.split(_Stopped)
            if others is not None:
                raise _first(others) from None
        finally:
            self._working = False
            self._publish()

    def watch_trades(self, symbols: Collection[str]) -> None:
        """Take whose trades are wanted from now on."""
        if self._working:
            self._trades.want(symbols, self._start, self._rng)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """Have something done beside everything else; not any more when the feed is ending."""
        try:
            return self._group.create_task(work)
        except RuntimeError:
            work.close()
            return None

    async def _tick(self) -> None:
        while True:
            self._look()
            self._publish()
            await asyncio.sleep(max(TICK_S / self._speed, LEAST_TICK_S))

    def _look(self) -> None:
        """Have everybody asked about whose bar has closed, and hand over what is complete."""
        now = self.clock.now()
        for symbol, closing in self._closings.items():
            if symbol in self._assembly.halted and self._assembly.trades_again(symbol):
                self._resume(symbol)  # a candle was pushed: there is no time to ask
            if symbol in self._busy or symbol in self._assembly.halted:
                continue
            if closing.wants_answer(now):
                self._busy.add(symbol)
                self._start(self._settle(symbol, closing))
            else:
                self._assembly.clear(symbol)
        self._hand_over()

    def _hand_over(self) -> None:
        self._assembly.hand_over(self.clock.now())
        if self._assembly.is_finished:
            self._finished.set()

    async def _settle(self, symbol: str, closing: Closing) -> None:
        async def progressed() -> None:
            if closing.is_quiet:
                await self._look_who_trades()
            self._assembly.clear(symbol)
            self._hand_over()

        try:
            await self._rest.settle(symbol, closing, self.clock.now, progressed=progressed)
        except UnknownMarketError as error:
            self._halt(symbol, str(error))
        finally:
            self._busy.discard(symbol)
        self._hand_over()

    async def _look_who_trades(self) -> None:
        """Ask which symbols are halted, if nobody has asked just now."""
        async with self._looking:
            if self._looked and self.clock.elapsed() - self._looked < MARKETS_EVERY_MS:
                return
            await self._rest.load_markets()
            self._looked = self.clock.elapsed()
        for symbol in self._spec.symbols:
            trades, halted = self._client.trades_in(symbol), symbol in self._assembly.halted
            if halted and trades:
                self._resume(symbol)
            elif not halted and not trades:
                self._halt(symbol, f"{self._spec.called} has halted it")

    def _halt(self, symbol: str, why: str) -> None:
        log.warning("%s is not traded: %s", symbol, why)
        self.tally.fail("market: halted")
        self._assembly.halt(symbol)

    def _resume(self, symbol: str) -> None:
        log.warning("%s is traded again", symbol)
        self._assembly.resume(symbol)

    async def _keep_time(self) -> None:
        """Set the clock now and then, and at once when the local one was set."""
        told = looked = self.clock.elapsed()
        doubted = False
        while True:
            await asyncio.sleep(max(1.0 / self._speed, 0.1))
            now = self.clock.elapsed()
            doubted = self.clock.has_refused() or doubted
            patience = DOUBTED_EVERY_MS if doubted else CLOCK_EVERY_MS
            if self.clock.was_set() or now - told >= patience:
                await self._rest.set_clock()
                told, doubted = now, False
            if self._assembly.halted and now - looked >= HALTED_EVERY_MS:
                await self._look_who_trades()
                looked = now

    def _on_stray_error(self, _: asyncio.AbstractEventLoop, context: Mapping[str, object]) -> None:
        """Note what went wrong where nobody waits: a bad frame ends ccxt's listening in silence."""
        log.warning("%s: %s", self._spec.called, context.get("exception") or context["message"])
        if self._stream is not None:
            self._stream.hang_up("malformed message")
        self._trades.hang_up("malformed message")

    def _publish(self) -> None:
        connected = self._stream is None or self._stream.speaks
        self.tally.publish(
            connected=connected, clock_offset_ms=self.clock.offset, assembly=self._assembly
        )


class _Stopped(Exception):  # noqa: N818  no error, but the way out of a task group
    """The feed was asked to stop."""


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error of a group of errors, however deep it is nested."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
