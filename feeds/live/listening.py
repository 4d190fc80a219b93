"""What the streams of an exchange show, carried to those who wait for it."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

from feeds.live.candles import CandleCache, Folding, Trade, TradeCache
from feeds.live.client import Client
from feeds.live.closing import Closing
from feeds.live.rows import row_of
from feeds.live.spec import LiveSpec
from feeds.live.tally import Tally
from feeds.live.tapes import Tapes
from feeds.live.timekeeping import ExchangeClock
from feeds.live.wire import Limits, Wire

# Has something done beside everything else, if it still can be.
Start: TypeAlias = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None] | None]

SILENCE_S, LEAST_SILENCE_S = 60.0, 2.0  # market and real seconds
BREATHER_S = 0.01  # between two looks at what many symbols have pushed


def limits(spec: LiveSpec, speed: float) -> Limits:
    """Return how long connections may be silent, and last, at so many market per real seconds."""
    return Limits(max(SILENCE_S / speed, LEAST_SILENCE_S), spec.connection_s / speed)


class CandleStream:
    """The candles of all symbols, over one subscription where the exchange has such a one."""

    def __init__(
        self,
        client: Client,
        closings: Mapping[str, Closing],
        clock: ExchangeClock,
        look: Callable[[], None],
        limits: Limits,
    ) -> None:
        self._client = client
        self._closings = closings
        self._clock = clock
        self._look = look
        self._caches = {symbol: CandleCache() for symbol in closings}
        groups = [list(closings)] if client.can.watch_many else [[each] for each in closings]
        self._wires = [self._wire(group, limits) for group in groups]
        self._tally = Tally()

    @property
    def speaks(self) -> bool:
        """Whether every connection has pushed something lately."""
        return all(wire.speaks for wire in self._wires)

    def start(self, start: Start, tally: Tally, rng: np.random.Generator) -> None:
        """Listen from now on."""
        self._tally = tally
        for wire in self._wires:
            start(wire.run(tally, rng))

    def hang_up(self, why: str) -> None:
        """Have every connection made anew."""
        self._wires[0].hang_up(why)

    def _wire(self, symbols: list[str], limits: Limits) -> Wire:
        raw, timeframe = self._client.raw, self._client.timeframe_name

        async def subscribe() -> None:
            if self._client.can.watch_many:
                await raw.watch_ohlcv_for_symbols([[symbol, timeframe] for symbol in symbols])
            else:
                await raw.watch_ohlcv(symbols[0], timeframe)
            if len(symbols) > 1:
                await asyncio.sleep(BREATHER_S)  # what others push meanwhile is seen together

        return Wire(
            self._client,
            subscribe,
            called="candles" if len(symbols) > 1 else f"candles of {symbols[0]}",
            pushed=lambda: self._read(symbols),
            lost=lambda: self._forget(symbols),
            limits=limits,
        )

    def _forget(self, symbols: list[str]) -> None:
        for symbol in symbols:
            self._client.raw.ohlcvs.pop(symbol, None)
            self._caches[symbol].forget()
            self._closings[symbol].reconnect()

    def _read(self, symbols: list[str]) -> None:
        name = self._client.timeframe_name
        for symbol in symbols:
            cache = self._client.raw.ohlcvs.get(symbol, {}).get(name)
            if cache is not None:
                self._read_one(symbol, cache)
        self._look()

    def _read_one(self, symbol: str, cache: Any) -> None:
        step, closing = self._client.timeframe.ms, self._closings[symbol]
        for values, known in self._caches[symbol].news(cache):
            row = row_of(values, step)
            if row is None:
                self._tally.fail("stream: no candle")
                closing.distrust(values[0])
            elif not self._clock.accepts(row.time):
                self._tally.fail("stream: a candle of the future")
            else:
                if known and row.time >= closing.newest:
                    self._clock.pushed(row.time + step)
                self._clock.shown(symbol, row)
                closing.see(row, self._clock.now())


def _credible(trades: Iterable[Trade], clock: ExchangeClock, tally: Tally) -> list[Trade]:
    """Return the trades without those that are stamped as none can be."""
    kept = []
    for trade in trades:
        if clock.accepts(trade.time):
            kept.append(trade)
        else:
            tally.fail("stream: a trade of the future")
    return kept


class FoldedStream:
    """Candles made of the trades of all symbols."""

    def __init__(
        self,
        client: Client,
        closings: Mapping[str, Closing],
        clock: ExchangeClock,
        look: Callable[[], None],
        limits: Limits,
    ) -> None:
        self._client = client
        self._closings = closings
        self._clock = clock
        self._look = look
        self._trades = {symbol: TradeCache() for symbol in closings}
        self._foldings = {symbol: Folding(client.timeframe.ms) for symbol in closings}
        self._wires = [self._wire(symbol, limits) for symbol in closings]
        self._tally = Tally()

    @property
    def speaks(self) -> bool:
        """Whether anybody has traded lately."""
        return any(wire.speaks for wire in self._wires)

    def start(self, start: Start, tally: Tally, rng: np.random.Generator) -> None:
        """Listen from now on."""
        self._tally = tally
        for wire in self._wires:
            start(wire.run(tally, rng))

    def hang_up(self, why: str) -> None:
        """Have every connection made anew."""
        for wire in self._wires:
            wire.hang_up(why)

    def _wire(self, symbol: str, limits: Limits) -> Wire:
        return Wire(
            self._client,
            lambda: self._client.raw.watch_trades(symbol),
            called=f"trades of {symbol}",
            pushed=lambda: self._read(symbol),
            lost=lambda: self._forget(symbol),
            limits=limits,
        )

    def _forget(self, symbol: str) -> None:
        self._client.raw.trades.pop(symbol, None)
        self._trades[symbol].forget()
        self._foldings[symbol].forget()
        self._closings[symbol].reconnect()

    def _read(self, symbol: str) -> None:
        trades, whole = self._trades[symbol].news(self._client.raw.trades.get(symbol, ()))
        folding, closing = self._foldings[symbol], self._closings[symbol]
        if not whole:
            folding.forget()
            closing.reconnect()
        for row in folding.add(_credible(trades, self._clock, self._tally)):
            if row.time >= closing.newest:
                self._clock.pushed(row.time + self._client.timeframe.ms)
            self._clock.shown(symbol, row)
            closing.see(row, self._clock.now())
        self._look()


class TradeStreams:
    """The trades of those symbols that are wanted, each over a connection of its own."""

    def __init__(
        self, spec: LiveSpec, client: Client, tapes: Tapes, clock: ExchangeClock, tally: Tally
    ) -> None:
        self._spec = spec
        self._main = client
        self._tapes = tapes
        self._clock = clock
        self._tally = tally
        self._client: Client | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wires: dict[str, Wire] = {}
        self._leaving: dict[str, asyncio.Task[None]] = {}

    def want(self, symbols: Collection[str], start: Start, rng: np.random.Generator) -> None:
        """Listen to the trades of these symbols, and of no others."""
        heard = set(self._spec.symbols) - self._spec.without_trades
        wanted = set(symbols) & heard if self._main.can.watch_trades else set()
        self._tapes.want(wanted)
        for symbol in set(self._tasks) - wanted:
            self._tasks.pop(symbol).cancel()
            self._wires.pop(symbol, None)
            task = start(self._leave(symbol, self._leaving.get(symbol)))
            if task is not None:
                self._leaving[symbol] = task
        for symbol in sorted(wanted - set(self._tasks)):
            wire = self._wires[symbol] = self._wire(symbol)
            task = start(self._listen(wire, self._leaving.get(symbol), rng))
            if task is not None:
                self._tasks[symbol] = task

    async def _listen(
        self, wire: Wire, leaving: "asyncio.Task[None] | None", rng: np.random.Generator
    ) -> None:
        if leaving is not None:  # ccxt would take the subscription that ends for the new one
            await asyncio.wait({leaving})
        await wire.run(self._tally, rng)

    async def _leave(self, symbol: str, earlier: "asyncio.Task[None] | None") -> None:
        """Have the exchange push no more of a symbol, where it can be asked to."""
        if earlier is not None:
            await asyncio.wait({earlier})
        client = self._own_client()
        try:
            await client.leave_trades(symbol)
        finally:
            if self._leaving.get(symbol) is asyncio.current_task():
                del self._leaving[symbol]

    def hang_up(self, why: str) -> None:
        """Have every connection made anew."""
        for wire in self._wires.values():
            wire.hang_up(why)

    async def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.close()

    def _own_client(self) -> Client:
        """Return a client that has no other streams: a break of one is none of the other."""
        if self._client is None:
            self._client = Client(self._spec, unhurried=self._clock.speed <= 1)
            self._client.share_markets(self._main)
        return self._client

    def _wire(self, symbol: str) -> Wire:
        client, cache = self._own_client(), TradeCache()

        def read() -> None:
            trades, whole = cache.news(client.raw.trades.get(symbol, ()))
            credible = _credible(trades, self._clock, self._tally)
            self._tapes.add(symbol, credible, whole=whole and len(credible) == len(trades))

        def forget() -> None:
            client.raw.trades.pop(symbol, None)
            cache.forget()
            self._tapes.lose(symbol)

        return Wire(
            client,
            lambda: client.raw.watch_trades(symbol),
            called=f"trades of {symbol}",
            pushed=read,
            lost=forget,
            limits=limits(self._spec, self._clock.speed),
        )
