"""Exchanges through ccxt: public data, without keys. The only home of ccxt for history."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar

import ccxt
import numpy as np

from feeds.bars import FloatArray
from feeds.clock import Clock, SystemClock
from feeds.errors import (
    BadTimeframeError,
    BlockedError,
    ExchangeError,
    UnknownMarketError,
    UnreachableError,
)
from feeds.timeframe import Timeframe

log = logging.getLogger("tandem.feeds")
T = TypeVar("T")

USUAL_PAGE_ROWS = 100  # where ccxt does not know how many rows a page has; more might skip some
# A bar that closed a moment ago may not be shown yet, or without its last trades: some exchanges
# have been minutes behind. History can wait, and what the store has taken is not asked for again.
SETTLED_MS = 600_000
_LATEST = 4_102_444_800_000  # 2100 in ms

# What ccxt raises when an answer is bad, and what its parsers raise on answers that they do not
# expect.
BAD_ANSWERS = (ccxt.BaseError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_FIREWALL_TRIES = 3  # a 403 may be a passing mood of a firewall; a 451 is not


@dataclass(frozen=True, slots=True)
class Patience:
    """How often an exchange is asked the same, and how long is waited in between.

    Attributes
    ----------
    attempts : askings in all
    first, most : seconds; the first wait, twice as long each time up to the longest
    longest_asked : seconds; a longer wait is not obeyed (Retry-After), but ends the work
    """

    attempts: int = 8
    first: float = 0.25
    most: float = 30.0
    longest_asked: float = 300.0

    def wait(self, tries: int, rng: np.random.Generator) -> float:
        """Return how long to wait after so many tries; by chance, lest all come back at once."""
        return min(self.most, self.first * 2.0 ** (tries - 1)) * float(rng.uniform(0.5, 1.0))


def open_exchange(
    name: str,
    *,
    base_url: str | None = None,
    patience: Patience | None = None,
    clock: Clock | None = None,
    rng: np.random.Generator | None = None,
) -> "Exchange":
    """Return an exchange with its spot markets.

    Parameters
    ----------
    name : as ccxt calls it
    base_url : asked instead of the exchange's own public address: a mirror or a stand-in
    clock : the local one, for exchanges that do not tell the time
    rng : of the waits between tries

    Raises
    ------
    UnknownMarketError
        if ccxt does not know the exchange, or it offers no history
    ExchangeError
        if its markets cannot be had
    """
    client = client_of(ccxt, name, base_url)
    return Exchange(
        client, patience or Patience(), clock or SystemClock(), rng or np.random.default_rng()
    )


class Exchange:
    """A client of one exchange: its spot markets and their bars.

    Every question is repeated with patience before it fails; Ctrl-C ends any wait at once.
    """

    def __init__(
        self, client: Any, patience: Patience, clock: Clock, rng: np.random.Generator
    ) -> None:
        self._client = client
        self._patience = patience
        self._clock = clock
        self._rng = rng
        self._timeframes = timeframes_of(client)
        self._symbols = self._ask(self._load_symbols)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.session.close()

    @property
    def name(self) -> str:
        """What ccxt calls it."""
        return str(self._client.id)

    @property
    def page_rows(self) -> int:
        """How many bars a page holds at most."""
        rows = self._client.feature_value_by_type("spot", None, "fetchOHLCV", "limit")
        return int(rows) if rows else USUAL_PAGE_ROWS

    def lists(self, symbol: str, timeframe: Timeframe) -> bool:
        """Return whether the exchange has bars of the symbol at the timeframe."""
        return symbol in self._symbols and timeframe.ms in self._timeframes

    def refuse_unknown(self, symbol: str, timeframe: Timeframe) -> None:
        """Raise `UnknownMarketError` for what the exchange does not list, with what it does."""
        if symbol not in self._symbols:
            close = get_close_matches(symbol, sorted(self._symbols), n=3)
            hint = f"did you mean {' or '.join(close)}?" if close else "choose another --exchange"
            raise UnknownMarketError(f"{self.name} has no spot market {symbol}; {hint}")
        if timeframe.ms not in self._timeframes:
            raise UnknownMarketError(
                f"{self.name} has no bars of {timeframe}; it has "
                f"{', '.join(str(Timeframe(ms)) for ms in sorted(self._timeframes))}"
            )

    def closed_until(self, timeframe: Timeframe) -> int:
        """Return when the last bar closed that is settled, in ms, by the exchange's clock.

        Where it does not tell the time, by the local clock or its last answer's date, whichever is
        earlier, less one bar: a clock that is ahead would take a forming bar for a closed one.
        """
        if self._client.has.get("fetchTime") is True:
            now = self._ask(lambda: moment_in(self._client.fetch_time()))
        else:
            now = int(min(self._clock.now(), *self._answered_at()).timestamp() * 1000)
            now -= timeframe.ms
        now -= SETTLED_MS
        return now - now % timeframe.ms

    def _answered_at(self) -> list[datetime]:
        """Return the date of the last answer, by the clock of whoever gave it; none without one.

        It may be that of loading the markets: too early a moment does no harm.
        """
        headers = self._client.last_response_headers or {}
        said = next((value for name, value in headers.items() if name.lower() == "date"), "")
        try:
            moment = parsedate_to_datetime(said)
        except (ValueError, TypeError):
            return []
        return [moment] if moment.tzinfo is not None else []

    def page(self, symbol: str, timeframe: Timeframe, since: int) -> FloatArray:
        """Return a page of bars from `since` (ms) on: (n, 6), open time in ms, OHLC and volume.

        The last one may be forming, and no bars may be a damaged answer: the caller judges.
        """
        name, rows = self._timeframes[timeframe.ms], self.page_rows

        def question() -> FloatArray:
            answer = self._client.fetch_ohlcv(symbol, name, since, rows)
            if self._client.last_json_response is None:  # ccxt makes rows of html all the same
                raise ValueError("an answer that is no JSON")
            return table_of(answer)

        return self._ask(question)

    def pause(self, tries: int) -> None:
        """Wait before the same is asked again after so many tries, each time longer."""
        time.sleep(self._patience.wait(tries, self._rng))

    def _load_symbols(self) -> frozenset[str]:
        markets = self._client.load_markets(True)
        if not markets:  # what ccxt makes of a damaged answer; no exchange lists nothing
            raise ValueError("no markets")
        return frozenset(name for name, market in markets.items() if market.get("spot"))

    def _ask(self, question: Callable[[], T]) -> T:
        """Return the answer, asking again while there is hope and patience."""
        tries = 0
        while True:
            tries += 1
            # They would be those of an earlier answer, if there is none this time.
            self._client.last_response_headers = self._client.last_json_response = None
            try:
                return question()
            except BAD_ANSWERS as error:
                refuse_hopeless(self.name, error, tries)
                wait = self._wait_after(error, tries)
            time.sleep(wait)

    def _wait_after(self, error: Exception, tries: int) -> float:
        """Return how long to wait before the next try; an error if there is to be none."""
        last = said_of(error)
        if tries >= self._patience.attempts:
            raise UnreachableError(
                f"{self.name} was asked {tries} times and gave no proper answer, at last: {last}; "
                "try again later"
            ) from error
        asked = retry_after(self._client.last_response_headers, self._clock.now())
        if asked > self._patience.longest_asked:
            raise UnreachableError(
                f"{self.name} wants {asked:.0f} s of peace ({last}); try again after that"
            ) from error
        wait = max(asked, self._patience.wait(tries, self._rng))
        log.warning(
            "%s: %s; asking again in %.1f s (try %d of %d)",
            self.name,
            last,
            wait,
            tries + 1,
            self._patience.attempts,
        )
        return wait


def client_of(library: Any, name: str, base_url: str | None) -> Any:
    """Return ccxt's client, told to load spot markets only: others may be blocked where we are.

    `library` is ccxt itself, or its part that streams.
    """
    if name not in ccxt.exchanges:
        close = get_close_matches(name.lower(), ccxt.exchanges, n=1)
        hint = f"did you mean {close[0]}?" if close else "for example binance, coinbase, kraken"
        raise UnknownMarketError(f"ccxt knows no exchange {name!r}; {hint}")
    client = getattr(library, name)({"enableLastJsonResponse": True})
    if client.has.get("fetchOHLCV") is not True:
        raise UnknownMarketError(f"{name} offers no history of bars; choose another --exchange")
    types = client.safe_dict(client.options, "fetchMarkets", {}).get("types")
    if types and "spot" in types:
        only = ["spot"] if isinstance(types, list) else {each: each == "spot" for each in types}
        client.options["fetchMarkets"]["types"] = only
    if base_url is not None:
        _redirect(client, base_url)
    return client


def waiting_client(name: str, base_url: str | None, patience: float) -> Any:
    """Return ccxt's client, which waits so many seconds for an answer."""
    client = client_of(ccxt, name, base_url)
    client.timeout = round(1000 * patience)
    return client


def _redirect(client: Any, base_url: str) -> None:
    """Let the client ask `base_url` where it would ask the exchange's public address."""
    if not base_url.startswith(("http://", "https://")):
        raise ExchangeError(
            f"an exchange's address must begin with http:// or https://, found {base_url!r}"
        )
    address = client.urls["api"]
    key = "public" if "public" in address else next(iter(address))
    if not isinstance(address[key], str) or (key != "public" and len(address) > 1):
        raise ExchangeError(
            f"{client.id} has no single public address that another could stand for "
            f"({', '.join(address)}); leave out --base-url"
        )
    client.urls["api"] = {**address, key: base_url.rstrip("/")}


def timeframes_of(client: Any) -> Mapping[int, str]:
    """Return ccxt's name of each timeframe, by its length in ms; weeks and months are left out."""
    known: dict[int, str] = {}
    for name in client.timeframes or ():
        try:
            known.setdefault(Timeframe.parse(name).ms, name)
        except BadTimeframeError:
            continue
    return known


def moment_in(answer: object) -> int:
    """Return the time of day that an exchange has told, in ms; an error if it is none."""
    if not isinstance(answer, int) or not 0 < answer < _LATEST:
        raise ValueError(f"no time of day: {answer!r}")
    return answer


def table_of(rows: object) -> FloatArray:
    """Return ccxt's rows as numbers; each must have a time, or nothing can be made of them."""
    table = np.array(rows, np.float64).reshape(-1, 6)
    if not np.all((table[:, 0] >= 0) & (table[:, 0] < _LATEST)):
        raise ValueError("rows without a time")
    return table


def refuse_hopeless(name: str, error: Exception, tries: int) -> None:
    """Raise what no patience will change."""
    if isinstance(error, ccxt.BadSymbol):
        raise UnknownMarketError(f"{name} knows no such market: {said_of(error)}") from error
    status = _status(error)
    if status == 451 or isinstance(error, ccxt.RestrictedLocation):
        _refuse_blocked(name, error)
    if status == 403 and tries >= _FIREWALL_TRIES:
        _refuse_blocked(name, error)
    if isinstance(error, ccxt.AuthenticationError | ccxt.NotSupported) and status != 403:
        raise ExchangeError(
            f"{name} does not give this without an account ({said_of(error)}); choose another "
            "--exchange"
        ) from error


def _refuse_blocked(name: str, error: Exception) -> NoReturn:
    mirror = (
        "a public mirror with --base-url https://data-api.binance.vision/api/v3, "
        if name == "binance"
        else "a mirror with --base-url, "
    )
    raise BlockedError(
        f"{name} refuses this place or this address ({said_of(error)}); choose another --exchange, "
        f"{mirror}or run where it is allowed"
    ) from error


def said_of(error: BaseException) -> str:
    """Return in one line what an exchange answered, or why it did not."""
    response = _response(error)
    if response is not None:
        return f"HTTP {response.status_code} {response.reason}".strip()
    root = list(_chain(error))[-1]
    text = (str(root) or type(root).__name__).splitlines()[0]
    return text if len(text) <= 160 else f"{text[:157]}..."


def _status(error: BaseException) -> int | None:
    response = _response(error)
    return None if response is None else int(response.status_code)


def _response(error: BaseException) -> Any:
    """Return the HTTP response that an error of ccxt goes back to."""
    found = (getattr(each, "response", None) for each in _chain(error))
    return next((response for response in found if response is not None), None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and those that led to it."""
    while True:
        yield error
        before = error.__cause__ or error.__context__
        if before is None:
            return
        error = before


def retry_after(headers: Mapping[str, str] | None, now: datetime) -> float:
    """Return how many seconds the exchange wants to be left alone: a number or a date."""
    said = (headers or {}).get("Retry-After", "").strip()
    if not said:
        return 0.0
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(said) - now) / timedelta(seconds=1))
    except (ValueError, TypeError):
        return 0.0
