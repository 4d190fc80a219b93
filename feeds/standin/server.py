"""A stand-in for an exchange: recordings, served on loopback as Binance spot serves its markets.

The real ccxt client talks to it when its urls say so, and notices no difference:

    with StandIn([bars], clock=ReplayClock(begin, speed=60)) as exchange:
        urls = {"public": exchange.url, "ws": {"spot": exchange.stream_url}}
        ccxt.pro.binance({"urls": {"api": urls}, ...})
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Thread
from types import TracebackType
from typing import Self

from aiohttp import web

from feeds.bars import Bars
from feeds.clock import Clock, ReplayClock, SystemClock
from feeds.standin.faults import Fault, FaultKind, FaultPlan, spoil_rows, spoiled
from feeds.standin.market import Recording
from feeds.standin.stream import Broadcast
from feeds.standin.stream_faults import StreamFault, StreamFaultKind, StreamPlan
from feeds.standin.trades import RecordedTrades
from feeds.standin.wire import Json, Query, RefusalError
from feeds.timeframe import Timeframe

HOST = "127.0.0.1"
BASE = "/api/v3"
STREAM = "/stream/ws"  # ccxt takes an address for that of the spot market by its `/stream`
SHUTDOWN_SECONDS = 0.1  # what answers in the making are given at the end
_MAINTENANCE = Fault(FaultKind.MAINTENANCE)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came in: the endpoint, its parameters, and what went wrong with it.

    A connection to the streams is a request to `stream`; on it one asks to `SUBSCRIBE` and to
    `UNSUBSCRIBE`, with the names in `streams`.
    """

    path: str
    query: Query
    fault: FaultKind | StreamFaultKind | None


class StandIn:
    """A server with a thread of its own, from the start of the block to its end.

    Parameters
    ----------
    markets : one `Bars` for each symbol and timeframe. Filled bars are not served: the exchange
        never had them, and pushes nothing in their place
    trades : what the streams of trades tell, and bars form by; a symbol without bars gets those of
        a minute made of its trades. Where none are recorded the stream is silent
    clock : what is past, forming or still unknown. The bar that is forming is served as it stands.
        A `ReplayClock` is started by the first who subscribes to a stream
    faults : what is to go wrong
    most_rows : the largest page of klines and trades
    push_every : market seconds between two pushes of a bar that forms. Its last push comes when it
        closes, and the next bar's first one with it

    Attributes
    ----------
    url : what ccxt's `urls.api.public` must be, known inside of the block
    stream_url : what its `urls.api.ws.spot` must be, likewise
    requests : what was asked, oldest first
    """

    url: str
    stream_url: str

    def __init__(
        self,
        markets: Sequence[Bars],
        *,
        trades: Sequence[RecordedTrades] = (),
        clock: Clock | None = None,
        faults: Sequence[Fault | StreamFault] = (),
        most_rows: int = 1000,
        push_every: float = 2.0,
    ) -> None:
        self.requests: list[Asked] = []
        self._recording = Recording(markets, trades)
        self._clock = clock or SystemClock()
        self._faults = FaultPlan(fault for fault in faults if isinstance(fault, Fault))
        streamed = [fault for fault in faults if isinstance(fault, StreamFault)]
        self._stream_faults = StreamPlan(self._recording, streamed)
        self._most_rows = most_rows
        self._push_every = push_every

    def __enter__(self) -> Self:
        listener = socket.create_server((HOST, 0))
        address = f"{HOST}:{listener.getsockname()[1]}"
        self.url, self.stream_url = f"http://{address}{BASE}", f"ws://{address}{STREAM}"
        self._stream_faults.begin(self._now())
        # The plain loop, whatever the program has installed: tests guard the sockets of this one.
        self._loop = asyncio.SelectorEventLoop()
        self._stopping = asyncio.Event()
        self._thread = Thread(target=self._run, args=(listener,), name="stand-in", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def add_fault(self, fault: Fault | StreamFault) -> None:
        """Let something go wrong from now on."""
        if isinstance(fault, StreamFault):
            self._stream_faults.add(fault, self._now())
        else:
            self._faults.add(fault)

    def clear_faults(self) -> None:
        """Let everything go well from now on; what has become of the market stays."""
        self._faults.clear()
        self._stream_faults.clear()

    def truth(self, symbol: str, timeframe: Timeframe | None = None) -> Bars:
        """Return the exchange's last word on every bar; without a timeframe the shortest one's."""
        return self._recording.last_word(symbol, timeframe)

    def set_status(self, symbol: str, status: str) -> None:
        """List a symbol as `TRADING`, `BREAK`, `HALT`, … from now on."""
        self._recording.set_status(symbol, status)

    def _run(self, listener: socket.socket) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(listener))

    async def _serve(self, listener: socket.socket) -> None:
        broadcast = Broadcast(
            self._recording,
            self._stream_faults,
            now=self._now,
            speed=self._clock.speed if isinstance(self._clock, ReplayClock) else 1.0,
            push_every=round(self._push_every * 1000),
            asked=self._subscribe,
        )
        app = web.Application()
        app.router.add_get(f"{BASE}/{{path:.*}}", self._answer)
        app.router.add_get(f"{STREAM}{{path:.*}}", partial(self._connect, broadcast))
        # Who hangs up is not answered, and who still waits at the end does so in vain.
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_SECONDS
        )
        await runner.setup()
        pushing = asyncio.create_task(broadcast.run())
        try:
            await web.SockSite(runner, listener).start()
            await _first(self._stopping.wait(), pushing)
            # asyncio loses a connection that is let in while its server closes: let in nobody,
            # wait for those who just were, and close then.
            self._loop.remove_reader(listener)
            await _turns()
        finally:
            pushing.cancel()
            broadcast.hang_up()
            await _hang_up(runner)

    async def _connect(self, broadcast: Broadcast, request: web.Request) -> web.StreamResponse:
        refusal = self._stream_faults.refusal(self._now())
        self.requests.append(Asked("stream", {}, refusal))
        return web.Response(status=503) if refusal else await broadcast.serve(request)

    def _now(self) -> int:
        return (self._clock.now() - _EPOCH) // timedelta(milliseconds=1)

    def _subscribe(self, method: str, streams: list[str]) -> None:
        self.requests.append(Asked(method, {"streams": ",".join(streams)}, None))
        if isinstance(self._clock, ReplayClock):
            self._clock.start()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path, query = request.match_info["path"], dict(request.query)
        maintained = self._stream_faults.closed(self._now())
        fault = _MAINTENANCE if maintained else self._faults.next_for(path)
        self.requests.append(Asked(path, query, fault.kind if fault else None))
        try:
            answer = web.json_response(self._content(path, query, fault))
        except RefusalError as refusal:
            refused = {"code": refusal.code, "msg": refusal.message}
            answer = web.json_response(refused, status=400)
        return answer if fault is None else await spoiled(request, fault, answer)

    def _content(self, path: str, query: Query, fault: Fault | None) -> Json:
        now, recording = self._now(), self._recording
        told = {"serverTime": now + self._stream_faults.shift(now)}
        endpoints: dict[str, Callable[[], Json]] = {
            "ping": dict,
            "time": lambda: told,
            "exchangeInfo": lambda: recording.exchange_info(now) | told,
            "klines": lambda: self._klines(query, now, fault),
            "aggTrades": lambda: recording.trades_of(query, now, most_rows=self._most_rows),
            "ticker/24hr": lambda: recording.ticker(query, now),
            "depth": lambda: recording.depth(query, now),
        }
        if path not in endpoints:
            raise web.HTTPNotFound(text=f"no endpoint {path!r}")
        return endpoints[path]()

    def _klines(self, query: Query, now: int, fault: Fault | None) -> Json:
        overlapping = fault is not None and fault.kind is FaultKind.OVERLAPPING_PAGE
        overlap = fault.rows if fault is not None and overlapping else 0
        rows = self._recording.klines(query, now, most_rows=self._most_rows, overlap=overlap)
        return spoil_rows(rows, fault)


async def _first(end: Awaitable[object], work: "asyncio.Task[None]") -> None:
    """Wait for the end; if the work breaks down before it, that is an error."""
    ending = asyncio.ensure_future(end)
    await asyncio.wait((ending, work), return_when=asyncio.FIRST_COMPLETED)
    ending.cancel()
    if work.done():
        work.result()


async def _hang_up(runner: web.AppRunner) -> None:
    """Close every connection, also to who does not read what was sent, so that none is left."""
    server = runner.server
    transports = [handler.transport for handler in server.connections] if server else []
    await runner.cleanup()
    for transport in transports:
        if transport is not None:
            transport.abort()
    await _turns()


async def _turns() -> None:
    """Let the loop do what it has put off: a new or a closed connection takes it a few turns."""
    for _ in range(5):
        await asyncio.sleep(0)
