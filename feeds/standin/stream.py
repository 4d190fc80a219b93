"""What the exchange pushes, when it happens in the market."""

import asyncio
import json
from collections.abc import Callable
from math import inf

from aiohttp import web

from feeds.standin.connection import Connection
from feeds.standin.market import Recording
from feeds.standin.pushes import message, pushes_of
from feeds.standin.series import Series
from feeds.standin.stream_faults import StreamFault, StreamFaultKind, StreamPlan
from feeds.standin.wire import kline_stream, market_id, trade_stream

# Real seconds between two looks at the clock: not so many that they cost time by themselves, and
# not so few that a clock that was set forward, or a fault that was added, waits long.
SHORTEST_PAUSE, LONGEST_PAUSE = 0.002, 0.02


class Broadcast:
    """Tells the subscribers of each stream what has happened since they were last told.

    Who is late, because the machine is, pushes a forming bar less often; the last push of a bar is
    never left out.

    Parameters
    ----------
    now : the time in ms
    speed : market seconds per real second
    push_every : ms of market time between two pushes of a bar that forms
    asked : called with `SUBSCRIBE` or `UNSUBSCRIBE` and the streams when somebody does
    """

    def __init__(
        self,
        recording: Recording,
        plan: StreamPlan,
        *,
        now: Callable[[], int],
        speed: float,
        push_every: int,
        asked: Callable[[str, list[str]], None],
    ) -> None:
        self._recording = recording
        self._plan = plan
        self._now = now
        self._speed = speed
        self._push_every = push_every
        self._asked = asked
        self._connections: set[Connection] = set()
        self._wanted = asyncio.Event()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Let a client in, and keep it until it goes."""
        connection = Connection(request, self._heed)
        self._connections.add(connection)
        lifetime = self._plan.lifetime(self._now())
        if lifetime is not None:
            ms, end = lifetime
            self._later(ms, lambda: connection.suffer(end))
        try:
            return await connection.run()
        finally:
            self._connections.discard(connection)

    def _heed(self, method: str, streams: list[str]) -> None:
        self._asked(method, streams)
        self._wanted.set()

    def hang_up(self) -> None:
        """End every connection."""
        for connection in list(self._connections):
            connection.hang_up()

    async def run(self) -> None:
        """Push for ever."""
        while True:
            await self._wanted.wait()
            await self._push_on(self._now())
            self._wanted.clear()

    async def _push_on(self, since: int) -> None:
        """Push what happens after `since`, as long as anybody wants to hear of anything."""
        told, tick = since, self._tick_after(since)
        while wanted := self._streams():
            await asyncio.sleep(self._pause(told, tick, wanted))
            now = self._now()
            self._break_connections(now)
            self._push_trades(told, now)
            if now >= tick:
                self._push_bars(since, now)
                since, tick = now, self._tick_after(now)
            told = now

    def _streams(self) -> set[str]:
        return {name for connection in self._connections for name in connection.streams}

    def _tick_after(self, now: int) -> int:
        """Return when bars are pushed next: each so often, and when one closes."""
        steps = {series.step for series in self._recording.series()} | {self._push_every}
        return min(now - now % step + step for step in steps)

    def _pause(self, told: int, tick: int, wanted: set[str]) -> float:
        """Return for how many real seconds nothing will happen."""
        due = [tick, *self._plan.next_break()]
        for trades in self._recording.trades():
            number = trades.rows(told, told).start
            if trade_stream(trades.symbol) in wanted and number < len(trades):
                due.append(int(trades.ms[number]))
        seconds = (min(due) - self._now()) / 1000 / self._speed
        return min(max(seconds, SHORTEST_PAUSE), LONGEST_PAUSE)

    def _push_trades(self, since: int, now: int) -> None:
        for trades in self._recording.trades():
            for listener in self._listeners(trade_stream(trades.symbol)):
                for number in trades.rows(since, now):
                    told_at = now + self._plan.shift(now)
                    listener.push(json.dumps(trades.event(number, told_at)))

    def _push_bars(self, since: int, now: int) -> None:
        for series in self._recording.series():
            listeners = self._listeners(kline_stream(series.symbol, series.interval))
            if listeners:
                self._tell(series, since, now, listeners)

    def _tell(self, series: Series, since: int, now: int, listeners: list[Connection]) -> None:
        told_at = now + self._plan.shift(now)
        for push in pushes_of(series, since, now, self._plan.on_pushes(series.symbol)):
            text = message(push, series, told_at)
            for listener in listeners:
                listener.push(text)

    def _break_connections(self, now: int) -> None:
        for fault in self._plan.breaks(now):
            for connection in list(self._connections):
                if fault.symbol is None or connection.hears_of(market_id(fault.symbol)):
                    connection.suffer(fault.kind)
                    self._recover_later(connection, fault)

    def _recover_later(self, connection: Connection, fault: StreamFault) -> None:
        if fault.kind is StreamFaultKind.STALL and fault.ms < inf:
            self._later(fault.ms, connection.speak_again)

    def _later(self, ms: float, action: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(ms / 1000 / self._speed, action)

    def _listeners(self, stream: str) -> list[Connection]:
        return [connection for connection in self._connections if stream in connection.streams]
