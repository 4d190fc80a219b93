"""What Binance's public REST interface shows of recorded bars at a moment, in its own words."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from feeds.bars import PRICES, Bars, FloatArray, IntArray
from feeds.errors import BadBarsError, BadTimeframeError, UnknownMarketError
from feeds.symbol import normalise_symbol

Json: TypeAlias = Any
Query: TypeAlias = Mapping[str, str]
Row: TypeAlias = list[Any]  # of klines: open time, prices and volume as text, close time, …

INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d")
USUAL_ROWS = 500  # of klines, where no limit is asked for
MOST_DECIMALS = 8
MIN_NOTIONAL = {"BTC": "0.0001", "ETH": "0.001", "BNB": "0.01"}  # in quote units
USUAL_MIN_NOTIONAL = "5"
HUGE = "1000000000"  # the largest price and quantity

# A number in a query, as the exchange checks it.
_WHOLE = re.compile(r"[0-9]{1,20}")


class RefusalError(Exception):
    """The exchange refuses a request, with a code of its own; goes to the client as JSON."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def market_id(symbol: str) -> str:
    """Return what the exchange calls a symbol.

    >>> market_id("BTC/USDT")
    'BTCUSDT'
    """
    return symbol.replace("/", "")


@dataclass(frozen=True, slots=True, eq=False)
class _Series:
    """The bars of one symbol and interval that were really traded."""

    step: int  # ms
    time: IntArray  # ms
    prices: FloatArray  # (bars, open high low close)
    volume: FloatArray
    price_decimals: int
    volume_decimals: int

    @classmethod
    def of(cls, bars: Bars) -> "_Series":
        real = ~bars.filled
        prices = np.stack([getattr(bars, name)[real] for name in PRICES], axis=1)
        volume = bars.volume[real]
        return cls(
            step=bars.timeframe.ms,
            time=bars.time[real].astype(np.int64),
            prices=prices,
            volume=volume,
            price_decimals=decimals_of(prices),
            volume_decimals=decimals_of(volume),
        )

    def row(self, i: int, now: int) -> Row:
        """Return bar `i` as it stands at `now` (ms); what was not recorded is 0."""
        opened = int(self.time[i])
        part = min(1.0, (now - opened) / self.step)
        prices = self.prices[i].tolist() if part == 1 else self._forming(i, part)
        texts = map(plain, [*prices, float(self.volume[i]) * part])
        return [opened, *texts, opened + self.step - 1, "0", 0, "0", "0", "0"]

    def _forming(self, i: int, part: float) -> list[float]:
        """Return the prices of bar `i` when `part` of it is over.

        It is taken to walk from its open to its low, its high and its close, a third of the time
        each, so that its range grows and its close moves as those of a real one do.
        """
        open_, high, low, close = self.prices[i].tolist()
        price = float(np.interp(3 * part, [0, 1, 2, 3], [open_, low, high, close]))
        price = min(max(price, low), high)
        seen = [open_, price, *([low] if 3 * part > 1 else []), *([high] if 3 * part > 2 else [])]
        return [open_, max(seen), min(seen), price]


class Recording:
    """Recorded markets, asked as one asks the exchange. It knows no network and no clock."""

    def __init__(self, markets: Sequence[Bars]) -> None:
        self._series: dict[tuple[str, str], _Series] = {}
        self._symbols: dict[str, str] = {}  # the status of each
        for bars in markets:
            self._add(bars)

    def _add(self, bars: Bars) -> None:
        symbol, interval = normalise_symbol(bars.symbol), str(bars.timeframe)
        key = (market_id(symbol), interval)
        if interval not in INTERVALS:
            raise BadTimeframeError(
                f"a recording must have a timeframe of the exchange ({', '.join(INTERVALS)}), "
                f"found {interval} of {symbol}"
            )
        if key in self._series:
            raise BadBarsError(
                f"a recording must hold each market once, found {symbol} {interval} twice"
            )
        self._series[key] = _Series.of(bars)
        self._symbols[symbol] = "TRADING"

    def set_status(self, symbol: str, status: str) -> None:
        """Let `exchangeInfo` say from now on that a symbol is `TRADING`, `BREAK`, `HALT`, …"""
        if symbol not in self._symbols:
            raise UnknownMarketError(
                f"a symbol must be one of {', '.join(self._symbols)}, found {symbol}"
            )
        self._symbols[symbol] = status

    def exchange_info(self, now: int) -> Json:
        """Return the symbols with their filters."""
        return {
            "timezone": "UTC",
            "serverTime": now,
            "rateLimits": [],
            "exchangeFilters": [],
            "symbols": [self._listed(symbol) for symbol in self._symbols],
        }

    def _listed(self, symbol: str) -> Json:
        base, quote = symbol.split("/")
        recorded = [series for key, series in self._series.items() if key[0] == market_id(symbol)]
        tick = step_of(max(series.price_decimals for series in recorded))
        lot = step_of(max(series.volume_decimals for series in recorded))
        notional = MIN_NOTIONAL.get(quote, USUAL_MIN_NOTIONAL)
        return {
            "symbol": market_id(symbol),
            "status": self._symbols[symbol],
            "baseAsset": base,
            "baseAssetPrecision": MOST_DECIMALS,
            "quoteAsset": quote,
            "quotePrecision": MOST_DECIMALS,
            "quoteAssetPrecision": MOST_DECIMALS,
            "orderTypes": ["LIMIT", "MARKET"],
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "permissions": ["SPOT"],
            "filters": [
                _filter("PRICE_FILTER", minPrice=tick, maxPrice=HUGE, tickSize=tick),
                _filter("LOT_SIZE", minQty=lot, maxQty=HUGE, stepSize=lot),
                _filter("NOTIONAL", minNotional=notional),
            ],
        }

    def klines(self, query: Query, now: int, *, most_rows: int, overlap: int = 0) -> list[Row]:
        """Return the bars that were asked for, oldest first, the one that is forming included.

        Parameters
        ----------
        query : symbol, interval, limit, startTime and endTime (ms) of the open times; without a
            start the newest bars
        now : ms; bars that open later are not known yet
        overlap : so many bars before the start are served, too, in place of the last ones

        Raises
        ------
        RefusalError
            as the exchange would
        """
        series = self._asked_for(query)
        start, end = _whole(query, "startTime"), _whole(query, "endTime")
        limit = min(_whole(query, "limit") or USUAL_ROWS, most_rows)
        stop = _until(series.time, now if end is None else min(now, end))
        if start is None:
            first = max(0, stop - limit)
        else:
            first = max(0, int(np.searchsorted(series.time, start)) - overlap)
        return [series.row(i, now) for i in range(first, min(stop, first + limit))]

    def _asked_for(self, query: Query) -> _Series:
        symbol, interval = _mandatory(query, "symbol"), _mandatory(query, "interval")
        if symbol not in map(market_id, self._symbols):
            raise RefusalError(-1121, "Invalid symbol.")
        if (symbol, interval) not in self._series:  # one that was not recorded does not exist
            raise RefusalError(-1120, "Invalid interval.")
        return self._series[symbol, interval]


def _filter(kind: str, **limits: str) -> Json:
    return {"filterType": kind, **limits}


def _until(time: IntArray, moment: int) -> int:
    return int(np.searchsorted(time, moment, side="right"))


def _mandatory(query: Query, name: str) -> str:
    if not query.get(name):
        raise RefusalError(
            -1102,
            f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.",
        )
    return query[name]


def _whole(query: Query, name: str) -> int | None:
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
