"""How the exchange writes numbers, rows and refusals."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from feeds.bars import FloatArray

Json: TypeAlias = Any
Query: TypeAlias = Mapping[str, str]
Row: TypeAlias = list[Any]  # of klines: open time, prices and volume as text, close time, …

MOST_DECIMALS = 8

# A number in a query, as the exchange checks it.
_WHOLE = re.compile(r"[0-9]{1,20}")


class RefusalError(Exception):
    """The exchange refuses a request, with a code of its own; goes to the client as JSON."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Candle(NamedTuple):
    """A bar as it stands at some moment; `opened` in ms. What is not a number goes out as null."""

    opened: int
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    volume: float | None


def market_id(symbol: str) -> str:
    """Return what the exchange calls a symbol.

    >>> market_id("BTC/USDT")
    'BTCUSDT'
    """
    return symbol.replace("/", "")


def kline_stream(symbol: str, interval: str) -> str:
    """Return the name of the stream of a symbol's bars.

    >>> kline_stream("BTC/USDT", "1m")
    'btcusdt@kline_1m'
    """
    return f"{market_id(symbol).lower()}@kline_{interval}"


def trade_stream(symbol: str) -> str:
    """Return the name of the stream of a symbol's trades."""
    return f"{market_id(symbol).lower()}@trade"


def kline_row(candle: Candle, step: int) -> Row:
    """Return a bar of `step` ms as a row of `klines`; what was not recorded is 0."""
    texts = map(_text, candle[1:])
    return [candle.opened, *texts, candle.opened + step - 1, "0", 0, "0", "0", "0"]


def kline_event(symbol: str, interval: str, row: Row, *, closed: bool, now: int) -> Json:
    """Return a row of `klines` as the stream tells it."""
    opened, open_, high, low, close, volume, ends = row[:7]
    kline = {"t": opened, "T": ends, "s": market_id(symbol), "i": interval, "f": -1, "L": -1}
    kline |= {"o": open_, "c": close, "h": high, "l": low, "v": volume, "n": 0, "x": closed}
    kline |= {"q": "0", "V": "0", "Q": "0", "B": "0"}
    return {"e": "kline", "E": now, "s": market_id(symbol), "k": kline}


def _text(number: float | None) -> str | None:
    return None if number is None else plain(number)


def mandatory(query: Query, name: str) -> str:
    """Return a parameter that the exchange insists on."""
    if not query.get(name):
        raise RefusalError(
            -1102,
            f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.",
        )
    return query[name]


def whole(query: Query, name: str) -> int | None:
    """Return a parameter that is a whole number, None where it was not sent."""
    if name not in query:
        return None
    if not _WHOLE.fullmatch(query[name]):
        raise RefusalError(
            -1100,
            f"Illegal characters found in parameter '{name}'; legal range is '^{_WHOLE.pattern}$'.",
        )
    return int(query[name])


def plain(number: float) -> str:
    """Return the shortest text without exponent that reads back as the same float.

    >>> plain(1e-07), plain(42000.0)
    ('0.0000001', '42000')
    """
    return np.format_float_positional(number, trim="-")


def decimals_of(numbers: FloatArray) -> int:
    """Return how many decimals the numbers need, at most those that the exchange has.

    >>> decimals_of(np.array([0.5, 1.25]))
    2
    """
    fits = (places for places in range(MOST_DECIMALS) if (numbers.round(places) == numbers).all())
    return next(fits, MOST_DECIMALS)


def step_of(decimals: int) -> str:
    """Return the smallest step with so many decimals.

    >>> step_of(2), step_of(0)
    ('0.01', '1')
    """
    return plain(10.0**-decimals)
