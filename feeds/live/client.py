"""ccxt's streaming client, told whom to ask: the only home of ccxt.pro."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum
from typing import Any

import ccxt.async_support
import ccxt.pro
from ccxt.base.decimal_to_precision import DECIMAL_PLACES, TICK_SIZE

from feeds.errors import ExchangeError, UnknownMarketError
from feeds.exchange import BAD_ANSWERS, USUAL_PAGE_ROWS, client_of, moment_in, timeframes_of
from feeds.live.moment import MarketTerms
from feeds.live.rows import Row, row_of
from feeds.live.spec import LiveSpec
from feeds.timeframe import Timeframe

TROUBLE = (*BAD_ANSWERS, OSError)  # what asking or listening raises; streams let sockets' errors by
KEEP_ALIVE_MS = 20_000  # between pings, at most: a dead connection is found after three
FAREWELL_S = 0.5  # that the other side is given to close a stream
LEAVING_S = 5.0  # likewise to end a subscription
CACHED_ROWS = 16  # candles of each symbol; only the newest ones are read


class Source(Enum):
    """Where bars come from before REST has its say."""

    CANDLES = "the stream's candles"
    TRADES = "the stream's trades"
    POLLS = "REST alone, asked when a bar has closed"


@dataclass(slots=True)
class Answer:
    """What came over the wire for one question; looks like a response to `feeds.exchange`."""

    status_code: int = 0
    reason: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_json: bool = False


_ANSWER: ContextVar[Answer | None] = ContextVar("answer", default=None)


class Abilities:
    """What ccxt says that an exchange can do; it emulates nothing here.

    Parameters
    ----------
    streams : whether its streams may be listened to
    """

    def __init__(self, raw: Any, *, streams: bool) -> None:
        self._raw, self._listens = raw, streams

    def _has(self, method: str) -> bool:
        return self._raw.has.get(method) is True

    def _streams(self, method: str) -> bool:
        return self._listens and self._has(method)

    @property
    def source(self) -> Source:
        """The best source of bars."""
        if self._streams("watchOHLCV"):
            return Source.CANDLES
        return Source.TRADES if self.watch_trades else Source.POLLS

    @property
    def tell_time(self) -> bool:
        """Whether it can be asked what time it is."""
        return self._has("fetchTime")

    @property
    def watch_trades(self) -> bool:
        """Whether its trades can be streamed."""
        return self._streams("watchTrades")

    @property
    def leave_trades(self) -> bool:
        """Whether it can be told to push no more of them."""
        return self._streams("unWatchTrades")

    @property
    def watch_many(self) -> bool:
        """Whether one subscription can be for the candles of many symbols."""
        return self._streams("watchOHLCVForSymbols")


class Client:
    """One client of one exchange: its spot markets, their bars, and its streams.

    Attributes
    ----------
    name : what people are told that it is
    """

    def __init__(self, spec: LiveSpec, *, unhurried: bool) -> None:
        """Make one; nothing is asked before `load_markets`.

        Parameters
        ----------
        unhurried : keep to the exchange's rate limit; a stand-in that runs faster than time has
            another one
        """
        pro = spec.exchange in ccxt.pro.exchanges
        self.raw = client_of(ccxt.pro if pro else ccxt.async_support, spec.exchange, spec.base_url)
        self.name = spec.called
        self.timeframe = spec.timeframe
        self.can = Abilities(self.raw, streams=spec.may_stream)
        self._timeframes = timeframes_of(self.raw)
        self.raw.enableRateLimit = unhurried
        self.raw.options["OHLCVLimit"] = CACHED_ROWS
        usual = self.raw.streaming.get("keepAlive") or KEEP_ALIVE_MS
        self.raw.streaming = {**self.raw.streaming, "keepAlive": min(usual, KEEP_ALIVE_MS)}
        if spec.stream_url is not None:
            _redirect_stream(self.raw, spec.stream_url)
        _listen(self.raw)

    @property
    def timeframe_name(self) -> str:
        """What ccxt calls the timeframe."""
        return self._timeframes[self.timeframe.ms]

    @property
    def page_rows(self) -> int:
        """How many bars a page holds at most."""
        rows = self.raw.feature_value_by_type("spot", None, "fetchOHLCV", "limit")
        return int(rows) if rows else USUAL_PAGE_ROWS

    async def load_markets(self) -> None:
        """Ask for the markets anew."""
        if not await self.raw.load_markets(True):  # what ccxt makes of a damaged answer
            raise ValueError("no markets")

    def share_markets(self, other: "Client") -> None:
        """Take the markets of another client of the same exchange."""
        self.raw.set_markets(list(other.raw.markets.values()))

    def refuse_unknown(self, symbol: str) -> None:
        """Raise `UnknownMarketError` for what the exchange does not list, with what it does."""
        spot = sorted(name for name, each in self.raw.markets.items() if each.get("spot"))
        if symbol not in spot:
            close = get_close_matches(symbol, spot, n=3)
            hint = f"did you mean {' or '.join(close)}?" if close else "choose another --exchange"
            raise UnknownMarketError(f"{self.name} has no spot market {symbol}; {hint}")
        if self.timeframe.ms not in self._timeframes:
            known = ", ".join(str(Timeframe(ms)) for ms in sorted(self._timeframes))
            raise UnknownMarketError(f"{self.name} has no bars of {self.timeframe}; it has {known}")

    def trades_in(self, symbol: str) -> bool:
        """Return whether the exchange lists the symbol and has not halted it."""
        return self.raw.markets.get(symbol, {"active": False}).get("active") is not False

    def terms(self, symbol: str) -> MarketTerms:
        """Return what the exchange asks of orders in the symbol."""
        market = self.raw.markets[symbol]
        precision, least = market["precision"], market["limits"].get("cost") or {}
        return MarketTerms(
            tick=self._step(precision.get("price")),
            amount_step=self._step(precision.get("amount")),
            min_notional=float(least.get("min") or 0.0),
        )

    def _step(self, precision: float | None) -> float:
        if precision is None:
            return 0.0
        if self.raw.precisionMode == TICK_SIZE:
            return float(precision)
        return 10.0 ** -int(precision) if self.raw.precisionMode == DECIMAL_PLACES else 0.0

    async def time(self) -> int:
        """Return what time it is for the exchange, in ms."""
        return moment_in(await self.raw.fetch_time())

    async def rows(self, symbol: str, since: int | None) -> list[Row]:
        """Return a page of candles from `since` (ms) on, or the newest; one may be forming."""
        page = await self.raw.fetch_ohlcv(symbol, self.timeframe_name, since, self.page_rows)
        answer = _ANSWER.get()
        if answer is not None and not answer.is_json:  # ccxt makes rows of html all the same
            raise ValueError("an answer that is no JSON")
        return [row for each in page if (row := row_of(each, self.timeframe.ms)) is not None]

    async def leave_trades(self, symbol: str) -> None:
        """End the subscription to a symbol's trades, and drop what is in the cache of them.

        One that is not ended is pushed, and kept, for as long as the connection lasts.
        """
        if self.can.leave_trades:
            with suppress(TimeoutError, *BAD_ANSWERS):
                await asyncio.wait_for(self.raw.un_watch_trades(symbol), LEAVING_S)
        self.raw.trades.pop(symbol, None)

    async def close(self) -> None:
        """Close every connection, also to who does not say good-bye."""
        closing = asyncio.create_task(self.raw.close())
        await asyncio.wait({closing}, timeout=FAREWELL_S)
        if not closing.done():
            closing.cancel()
            self.raw.clients.clear()
            await self.raw.close()


@asynccontextmanager
async def listening() -> AsyncIterator[Answer]:
    """Note what comes over the wire inside of the block, and hang it on the error, if any."""
    answer = Answer()
    token = _ANSWER.set(answer)
    try:
        yield answer
    except Exception as error:
        if answer.status_code:
            vars(error)["response"] = answer  # where the sync client has its own
        raise
    finally:
        _ANSWER.reset(token)


def _listen(raw: Any) -> None:
    """Have the client note each response in the answer of whoever asked.

    Many ask at once, and the client itself remembers one response only.
    """
    on_response: Callable[..., str] = raw.on_rest_response
    parse: Callable[[str], Any] = raw.parse_json

    def note_response(code: int, reason: str, *rest: Any) -> str:
        if (answer := _ANSWER.get()) is not None:
            answer.status_code, answer.reason, answer.headers = code, reason, rest[2]
        return on_response(code, reason, *rest)

    def note_json(text: str) -> Any:
        parsed = parse(text)
        if (answer := _ANSWER.get()) is not None:
            answer.is_json = parsed is not None
        return parsed

    raw.on_rest_response, raw.parse_json = note_response, note_json


def _redirect_stream(raw: Any, stream_url: str) -> None:
    """Let the client connect to `stream_url` where it would to the exchange's public stream."""
    if not stream_url.startswith(("ws://", "wss://")):
        raise ExchangeError(
            f"a stream's address must begin with ws:// or wss://, found {stream_url!r}"
        )
    known = raw.urls["api"].get("ws")
    if isinstance(known, dict):
        key = next((key for key in ("spot", "public") if isinstance(known.get(key), str)), None)
        if key is None:
            raise ExchangeError(
                f"{raw.id} has no single public stream that another could stand for "
                f"({', '.join(known)}); leave out the stream's address"
            )
        raw.urls["api"]["ws"] = {**known, key: stream_url.rstrip("/")}
    else:
        raw.urls["api"]["ws"] = stream_url.rstrip("/")
