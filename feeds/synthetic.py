"""A simulated market: it moves like one, and there is nothing in it to be earned.

Read as a recipe (docs/synthetic-market.md tells what is and what is not in it):

1. `_regimes`: range, trend up and trend down follow each other at random.
2. `_moods`, `_season`: volatility wanders slowly and fast, and has its hours and weekdays.
3. `_shocks`: each bar's variance is scaled once more, which makes returns Student t.
4. `_walk`: a bar is a random walk of `_STEPS` steps from the last close; high and low are its own.
5. `_turnover`: trade rises with volatility and with the bar's own move, and remembers.
"""

import hashlib
import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from feeds.bars import Bars, FloatArray, IntArray, TimeArray
from feeds.errors import BadBarsError
from feeds.moments import parse_utc
from feeds.symbol import normalise_symbol
from feeds.timeframe import Timeframe

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_MOST_DAYS = 3650

# What a coin costs in dollars, its yearly volatility and how much of it is traded in a year, in
# dollars: plausible, not precise. A pair's price is base over quote.
_PRICE = {"BTC": 30_000.0, "ETH": 2_000.0, "SOL": 60.0, "LTC": 80.0, "BNB": 300.0, "XRP": 0.5}
_PRICE |= {"DOGE": 0.1, "ADA": 0.4, "PEPE": 1e-5, "EUR": 1.1, "GBP": 1.25}
_PRICE |= dict.fromkeys(("USDT", "USDC", "USD", "BUSD", "FDUSD", "TUSD", "DAI"), 1.0)
_VOLATILITY = {"BTC": 0.55, "ETH": 0.70, "BNB": 0.70}
_TRADED = {"BTC": 5e11, "ETH": 2e11}
_OTHER_PRICE, _OTHER_VOLATILITY, _OTHER_TRADED = 10.0, 0.90, 5e10

_STEPS = 60  # moves inside a bar
_OPENING = 0.02  # the move from the last close to the open, in deviations of the bar
_DIGITS = 6  # prices are rounded to a tick of this many digits at the start
_FREEDOM = 5  # degrees of freedom of the returns' Student t
_WIDEST_SHOCK = 8.0  # in deviations; no bar is the end of the market

_REGIME_HOURS = 8.0  # how long a regime lasts on average
# Expected move of a whole trend. Who is told where trends begin, and holds from an upward one until
# a downward one, holds 4/3 upward ones on average: 0.2 %, less than a round trip costs.
_WHOLE_TREND = 0.0015
_TREND = np.array([0.0, 1.0, -1.0])
_LIVELINESS = np.array([0.8, 1.1, 1.1])  # of each regime, a factor of its volatility
_SLOW_HOURS, _SLOW_DEVIATION = 72.0, 0.40  # the two moods of log-volatility
_FAST_HOURS, _FAST_DEVIATION = 2.0, 0.40
_CROWD_HOURS, _CROWD_DEVIATION = 6.0, 0.45  # what volume remembers beyond volatility

# Liveliness of the hours (UTC) and of the weekdays, Monday first: quiet in the Asian night and at
# weekends, loud when New York opens.
_HOURS = (
    "1.05 1 .9 .8 .75 .75 .8 .8 .85 .85 .8 .85 1.05 1.2 1.4 1.3 1.25 1.15 1.15 1.15 1.1 1.05 1 .9"
)
_HOURLY = np.array(_HOURS.split(), np.float64)
_DAILY = np.array([1.1, 1.1, 1.1, 1.1, 1.1, 0.72, 0.78])


@dataclass(frozen=True, slots=True, eq=False)
class _Chance:
    """A generator per part of the market, so that more days go on with the same market."""

    regime: np.random.Generator
    slow: np.random.Generator
    fast: np.random.Generator
    shock: np.random.Generator
    path: np.random.Generator
    volume: np.random.Generator

    @classmethod
    def of(cls, seed: int, market: str) -> "_Chance":
        """Return the chances of a market; the hash is the same on every machine and day."""
        name = int.from_bytes(hashlib.sha256(market.encode()).digest()[:16])
        children = np.random.SeedSequence([seed, name]).spawn(6)
        return cls(*map(np.random.default_rng, children))


def synthetic_bars(
    symbol: str, timeframe: Timeframe, *, days: int, seed: int, start: str = "2022-01-01"
) -> Bars:
    """Return a simulated market in one segment, flagged `synthetic`.

    The same arguments give the same bars; more days go on where fewer days stop; another symbol,
    timeframe or seed gives a market that has nothing to do with this one.

    Parameters
    ----------
    days : length, 1 to 3650
    seed : 0 or more
    start : UTC date or moment of the first bar; rounded down to the timeframe

    Raises
    ------
    BadBarsError
        if an argument is out of range
    """
    symbol = normalise_symbol(symbol)
    if seed < 0:
        raise BadBarsError(f"a seed must be 0 or more, found {seed}")
    time = _times(timeframe, days, start)
    ohlc, volume = _market(symbol, timeframe, time, _Chance.of(seed, f"{symbol} {timeframe}"))
    return Bars(
        symbol=symbol,
        timeframe=timeframe,
        time=time,
        open=ohlc[0],
        high=ohlc[1],
        low=ohlc[2],
        close=ohlc[3],
        volume=volume,
        filled=np.zeros(len(time), np.bool_),
        segment=np.zeros(len(time), np.int64),
        synthetic=True,
    )


def _times(timeframe: Timeframe, days: int, start: str) -> TimeArray:
    if not 1 <= days <= _MOST_DAYS:
        raise BadBarsError(f"a simulated market has 1 to {_MOST_DAYS} days, found {days}")
    count = days * _DAY_MS // timeframe.ms
    if not count:
        raise BadBarsError(f"{days} days hold no bar of {timeframe}")
    milliseconds = _first_time(start, timeframe) + np.arange(count) * timeframe.ms
    return np.asarray(milliseconds.astype("datetime64[ms]"))


def _first_time(start: str, timeframe: Timeframe) -> int:
    """Return the beginning of the bar in which `start` lies, in milliseconds of the epoch."""
    try:
        milliseconds = int(parse_utc(start).astype(np.int64))
    except ValueError as error:
        raise BadBarsError(f"start: {error}") from error
    return milliseconds // timeframe.ms * timeframe.ms


def _market(
    symbol: str, timeframe: Timeframe, time: TimeArray, chance: _Chance
) -> tuple[FloatArray, FloatArray]:
    """Return open, high, low, close (4, bars) and volume (bars)."""
    coin, quote = symbol.split("/")
    hours = timeframe.ms / _HOUR_MS
    regime, drift = _regimes(len(time), hours, chance.regime)
    level = _VOLATILITY.get(coin, _OTHER_VOLATILITY) / math.sqrt(timeframe.per_year)
    busy = _season(time) * _moods(len(time), hours, chance) * _LIVELINESS[regime]
    deviation = level * busy * _shocks(len(time), chance.shock)
    worth = _PRICE.get(coin, _OTHER_PRICE)
    price = worth / _PRICE.get(quote, 1.0)
    path = _walk(math.log(price), drift, deviation, _STEPS, chance.path)
    move = np.abs(path[3] - path[0]) / (level * busy)
    traded = _turnover(busy, move, hours, chance.volume) / (worth * np.exp(path[3]) / price)
    yearly = _TRADED.get(coin, _OTHER_TRADED) / timeframe.per_year
    ohlc = _rounded(np.exp(path), _DIGITS - 1 - math.floor(math.log10(price)))
    return ohlc, _rounded(traded * yearly, round(math.log10(worth)) + 1)


def _regimes(count: int, hours: float, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
    """Return each bar's regime, and its drift: over a whole trend it adds up to `_WHOLE_TREND`."""
    leaving = 1.0 - math.exp(-hours / _REGIME_HOURS)
    chance = rng.random((count, 2))
    turn = np.where(chance[:, 1] < 0.5, 1, 2)
    moves = np.where(chance[:, 0] < leaving, turn, 0)
    moves[0] = int(3 * chance[0, 1])
    regime = np.cumsum(moves) % 3
    return regime, _TREND[regime] * _WHOLE_TREND * leaving


def _season(time: TimeArray) -> FloatArray:
    """Return how lively the hour and the day of the week are; mean square 1 over a week."""
    hour = time.astype("datetime64[h]").astype(np.int64)
    weekday = (hour // 24 + 3) % 7  # the epoch was a Thursday
    size = math.sqrt(np.mean(_HOURLY**2) * np.mean(_DAILY**2))
    return np.asarray(_HOURLY[hour % 24] * _DAILY[weekday] / size)


def _moods(count: int, hours: float, chance: _Chance) -> FloatArray:
    """Return the volatility's own wandering, slow and fast; mean square 1."""
    slow = _SLOW_DEVIATION * _remembering(count, hours / _SLOW_HOURS, chance.slow)
    fast = _FAST_DEVIATION * _remembering(count, hours / _FAST_HOURS, chance.fast)
    return np.asarray(np.exp(slow + fast - _SLOW_DEVIATION**2 - _FAST_DEVIATION**2))


def _remembering(count: int, fraction: float, rng: np.random.Generator) -> FloatArray:
    """Return a first-order autoregression of deviation 1; a step is `fraction` of its memory."""
    return np.asarray(_autoregression(rng.standard_normal(count), math.exp(-fraction)))


def _shocks(count: int, rng: np.random.Generator) -> FloatArray:
    """Return the factors (mean square about 1) that make normal moves Student t."""
    factor = np.sqrt((_FREEDOM - 2) / rng.chisquare(_FREEDOM, count))
    return np.asarray(np.minimum(factor, _WIDEST_SHOCK))


def _turnover(
    busy: FloatArray, move: FloatArray, hours: float, rng: np.random.Generator
) -> FloatArray:
    """Return how much is traded, about 1 on average: more when busy and when the bar moves."""
    crowd = _CROWD_DEVIATION * _remembering(len(busy), hours / _CROWD_HOURS, rng)
    return np.asarray(0.6 * busy * (1.0 + move) * np.exp(crowd))


def _rounded(numbers: FloatArray, digits: int) -> FloatArray:
    """Round to a step of 10^-digits, and never below one step."""
    return np.asarray(np.maximum(np.round(numbers, digits), 10.0**-digits))


@njit(cache=True)
def _autoregression(noise: FloatArray, keep: float) -> FloatArray:
    out = np.empty_like(noise)
    fresh = np.sqrt(1.0 - keep * keep)
    last = noise[0]
    for t in range(len(noise)):
        if t > 0:
            last = keep * last + fresh * noise[t]
        out[t] = last
    return out


@njit(cache=True)
def _walk(
    log_price: float,
    drift: FloatArray,
    deviation: FloatArray,
    steps: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Return log open, high, low, close; the price, not its logarithm, has no drift of its own."""
    out = np.empty((4, len(drift)))
    last = log_price
    for t in range(len(drift)):
        size = deviation[t]
        last += _OPENING * size * rng.standard_normal()
        first = high = low = last
        for _ in range(steps):
            last += (drift[t] - size * size / 2.0) / steps
            last += size / np.sqrt(steps) * rng.standard_normal()
            high, low = max(high, last), min(low, last)
        out[0, t], out[1, t], out[2, t], out[3, t] = first, high, low, last
    return out
