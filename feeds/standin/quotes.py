"""Prices at a moment: the last one, what a day has brought, and a book around it."""

from feeds.standin.series import Series, until
from feeds.standin.wire import Candle, Json, market_id, plain

DAY_MS = 86_400_000
LEVELS = 100  # of a book, where no limit is asked for
_UNITS = "1"  # at each level; nobody has recorded a book


def ticker(series: Series, now: int) -> Json:
    """Return the last price, and what 24 hours have brought; zeros before the first bar."""
    day = _day(series, now)
    opened, last = (day[0].open or 0.0, day[-1].close or 0.0) if day else (0.0, 0.0)
    numbers = {
        "lastPrice": last,
        "openPrice": opened,
        "highPrice": max((candle.high or 0.0 for candle in day), default=0.0),
        "lowPrice": min((candle.low or 0.0 for candle in day), default=0.0),
        "prevClosePrice": opened,
        "priceChange": last - opened,
        "priceChangePercent": 100 * (last / opened - 1) if opened else 0.0,
        "bidPrice": last,
        "askPrice": last + 10.0**-series.price_decimals,
        "volume": sum(candle.volume or 0.0 for candle in day),
    }
    words = {name: _text(number) for name, number in numbers.items()}
    return {"symbol": market_id(series.symbol), **words, "openTime": now - DAY_MS, "closeTime": now}


def depth(series: Series, now: int, limit: int) -> Json:
    """Return a book with a level at each tick around the last price, empty before the first bar."""
    day = _day(series, now)
    tick, last = 10.0**-series.price_decimals, (day[-1].close or 0.0) if day else 0.0
    levels = range(limit) if last else range(0)
    bids = [last - tick * i for i in levels if last - tick * i > 0]
    asks = [last + tick * (i + 1) for i in levels]
    sides = {"bids": bids, "asks": asks}
    return {
        "lastUpdateId": now,
        **{side: [[_text(price), _UNITS] for price in prices] for side, prices in sides.items()},
    }


def _day(series: Series, now: int) -> list[Candle]:
    """Return the bars that opened within 24 hours, or else the newest one."""
    stop = series.begun(now)
    first = min(until(series.time, now - DAY_MS), stop - 1)
    return [series.candle(i, now) for i in range(max(0, first), stop)]


def _text(number: float) -> str:
    return plain(round(number, 12))
