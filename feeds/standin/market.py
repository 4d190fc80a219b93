"""What Binance's public REST interface shows of recorded markets at a moment, in its own words."""

from collections.abc import Sequence

import numpy as np

from feeds.bars import Bars, IntArray
from feeds.errors import BadBarsError, UnknownMarketError
from feeds.standin.quotes import LEVELS, depth, ticker
from feeds.standin.series import Series, until
from feeds.standin.trades import RecordedTrades
from feeds.standin.wire import (
    MOST_DECIMALS,
    Json,
    Query,
    RefusalError,
    Row,
    mandatory,
    market_id,
    step_of,
    whole,
)
from feeds.symbol import normalise_symbol
from feeds.timeframe import Timeframe

USUAL_ROWS = 500  # of klines and trades, where no limit is asked for
MOST_LEVELS = 5000  # of a book
MIN_NOTIONAL = {"BTC": "0.0001", "ETH": "0.001", "BNB": "0.01"}  # in quote units
USUAL_MIN_NOTIONAL = "5"
HUGE = "1000000000"  # the largest price and quantity
MINUTE = Timeframe.parse("1m")


class Recording:
    """Recorded markets, asked as one asks the exchange. It knows no network and no clock.

    Parameters
    ----------
    markets : one `Bars` for each symbol and timeframe
    trades : of a symbol without bars, bars of a minute are made of them
    """

    def __init__(self, markets: Sequence[Bars], trades: Sequence[RecordedTrades] = ()) -> None:
        self._series: dict[tuple[str, str], Series] = {}
        self._symbols: dict[str, str] = {}  # the status of each
        self._halts: list[tuple[str, float, float]] = []  # from, and until before when (ms)
        self._trades = {market.symbol: market for market in trades}
        for bars in markets:
            self._add(bars)
        for symbol, market in self._trades.items():
            if symbol not in self._symbols:
                self._add(market.bars(MINUTE))

    def _add(self, bars: Bars) -> None:
        series = Series.of(bars, self._trades.get(normalise_symbol(bars.symbol)))
        key = (market_id(series.symbol), series.interval)
        if key in self._series:
            raise BadBarsError(
                f"a recording must hold each market once, found {series.symbol} "
                f"{series.interval} twice"
            )
        self._series[key] = series
        self._symbols[series.symbol] = "TRADING"

    def set_status(self, symbol: str, status: str) -> None:
        """Let `exchangeInfo` say from now on that a symbol is `TRADING`, `BREAK`, `HALT`, …"""
        self._check(symbol)
        self._symbols[symbol] = status

    def _check(self, symbol: str) -> None:
        if symbol not in self._symbols:
            raise UnknownMarketError(
                f"a symbol must be one of {', '.join(self._symbols)}, found {symbol}"
            )

    def _status(self, symbol: str, now: int) -> str:
        halted = any(s == symbol and start <= now < end for s, start, end in self._halts)
        return "BREAK" if halted else self._symbols[symbol]

    def series(self, symbol: str | None = None) -> list[Series]:
        """Return what is recorded, of one symbol or of all, the shortest interval first."""
        if symbol is not None:
            self._check(symbol)
        recorded = [s for s in self._series.values() if symbol in (None, s.symbol)]
        return sorted(recorded, key=lambda series: series.step)

    def replace(self, series: Series) -> None:
        """Put a series in the place of the one of the same symbol and interval."""
        self._series[market_id(series.symbol), series.interval] = series

    def halt(self, series: Series, start: float, end: float) -> None:
        """Let nobody trade a symbol from `start` on, before `end` (ms): no bars, no trades."""
        halted = series.without(start, end)
        self.replace(halted)
        if halted.trades is not None:
            self._trades[series.symbol] = halted.trades
        self._halts.append((series.symbol, start, end))

    def last_word(self, symbol: str, timeframe: Timeframe | None) -> Bars:
        """Return the bars of a market when all is said; without a timeframe in the shortest."""
        of_symbol = self.series(symbol)
        wanted = [s for s in of_symbol if timeframe is None or s.step == timeframe.ms]
        if not wanted:
            recorded = ", ".join(series.interval for series in of_symbol)
            raise UnknownMarketError(
                f"a timeframe of {symbol} must be one of {recorded}, found {timeframe}"
            )
        return wanted[0].last_word()

    def trades(self) -> list[RecordedTrades]:
        """Return the trades that are recorded."""
        return list(self._trades.values())

    def exchange_info(self, now: int) -> Json:
        """Return the symbols with their filters."""
        return {
            "timezone": "UTC",
            "serverTime": now,
            "rateLimits": [],
            "exchangeFilters": [],
            "symbols": [self._listed(symbol, now) for symbol in self._symbols],
        }

    def _listed(self, symbol: str, now: int) -> Json:
        base, quote = symbol.split("/")
        tick, lot = self._tick(symbol), self._lot(symbol)
        notional = MIN_NOTIONAL.get(quote, USUAL_MIN_NOTIONAL)
        return {
            "symbol": market_id(symbol),
            "status": self._status(symbol, now),
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

    def _tick(self, symbol: str) -> str:
        return step_of(max(series.price_decimals for series in self.series(symbol)))

    def _lot(self, symbol: str) -> str:
        return step_of(max(series.volume_decimals for series in self.series(symbol)))

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
        known = series.time[: series.begun(now)]
        rows = _asked_of(known, query, most_rows=most_rows, overlap=overlap)
        return [series.row(i, now) for i in rows]

    def trades_of(self, query: Query, now: int, *, most_rows: int) -> list[Json]:
        """Return the trades that were asked for, oldest first; none where none are recorded.

        Parameters
        ----------
        query : symbol, limit, startTime and endTime (ms); without a start the newest trades
        now : ms; later trades are not known yet

        Raises
        ------
        RefusalError
            as the exchange would
        """
        trades = self._trades.get(self._asked_symbol(query))
        if trades is None:
            return []
        known = trades.ms[: until(trades.ms, now)]
        rows = _asked_of(known, query, most_rows=most_rows)
        return [trades.aggregate(number) for number in rows]

    def ticker(self, query: Query, now: int) -> Json:
        """Return the last price of the symbol that is asked for, and what 24 hours have brought."""
        return ticker(self.series(self._asked_symbol(query))[0], now)

    def depth(self, query: Query, now: int) -> Json:
        """Return a book of the symbol that is asked for, made up around its last price."""
        limit = whole(query, "limit") or LEVELS
        return depth(self.series(self._asked_symbol(query))[0], now, min(limit, MOST_LEVELS))

    def _asked_symbol(self, query: Query) -> str:
        asked = mandatory(query, "symbol")
        for symbol in self._symbols:
            if market_id(symbol) == asked:
                return symbol
        raise RefusalError(-1121, "Invalid symbol.")

    def _asked_for(self, query: Query) -> Series:
        asked, interval = mandatory(query, "symbol"), mandatory(query, "interval")
        self._asked_symbol(query)
        if (asked, interval) not in self._series:  # one that was not recorded does not exist
            raise RefusalError(-1120, "Invalid interval.")
        return self._series[asked, interval]


def _asked_of(time: IntArray, query: Query, *, most_rows: int, overlap: int = 0) -> range:
    """Return the positions of what was asked for, by its limit, startTime and endTime."""
    start, end = whole(query, "startTime"), whole(query, "endTime")
    limit = min(whole(query, "limit") or USUAL_ROWS, most_rows)
    stop = len(time) if end is None else until(time, end)
    if start is None:
        first = max(0, stop - limit)
    else:
        first = max(0, int(np.searchsorted(time, start)) - overlap)
    return range(first, max(first, min(stop, first + limit)))


def _filter(kind: str, **limits: str) -> Json:
    return {"filterType": kind, **limits}
