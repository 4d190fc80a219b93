"""Markets of which the truth is known, and the trades of a simple rule in them.

driftless
    nothing foretells anything: whatever the rule, the expectancy without costs is 0
planted
    for some hours prices drift up or down, and the volume tells which: an edge
volatile
    prices drift up in wild times and down in calm ones: an edge, but a gate that knows volatility
    alone has all of it

Why 0 is exactly 0. Within a bar the price is a Brownian motion whose deviation is set when the bar
opens, and a bar opens where the last one closed: the price is a martingale. High and low are drawn
from the exact law of a Brownian bridge's extremes, given open and close, so that the chance that a
bar touches a stop or a target is exact, and a path that is continuous touches it at its very price.
The rule decides by what has closed; entry, target, stop, time limit and the end of the data are
stopping times. So each trade's expected return is 0 (optional stopping), without costs, and the sum
of the returns is 0 on average however many trades there are. Two things could bend this, and are
kept small: a bar that touches stop and target ends at the stop, so they lie some ten deviations of
a bar apart; and highs and lows are drawn apart from each other, which matters in the same bars
only. `test_intervals.py` checks that the mean over all seeds is 0.

The bars are made for other tests too: they are `synthetic`, real in shape (five minutes, volume,
several symbols that move together, volatility that comes in clusters), and long enough to train on.
Whole runs, with the gates of `engine/jobs/comparing/gates.py` and the verdict, are judged in
`test_verdicts.py`. Here a gate says which candidates pass, and what comes of it are trades, as
`engine.statistics.intervals` sees them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit

from engine.statistics.intervals import TradeReturns
from feeds.bars import Bars, BoolArray, FloatArray, IntArray
from feeds.exits import Exits, first_exit
from feeds.timeframe import Timeframe

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
TIMEFRAME = Timeframe.parse("5m")
BARS_A_DAY = 288
START = np.datetime64("2024-01-01", "ms")

_DEVIATION = 0.0012  # of a bar's return, on average
_WIDEST = 0.02
_COMMON = 0.7  # how far symbols move together: the correlation is its square


def driftless(seed: int, *, days: int = 90, symbols: Sequence[str] = SYMBOLS) -> tuple[Bars, ...]:
    """Return markets in which nothing foretells anything."""
    rng = np.random.default_rng([seed, 1])
    size = _deviations(rng, days * BARS_A_DAY, len(symbols))
    return _markets(rng, symbols, size, np.zeros_like(size), np.zeros_like(size))


def planted(
    seed: int, *, days: int = 90, symbols: Sequence[str] = SYMBOLS, drift: float = 0.25
) -> tuple[Bars, ...]:
    """Return markets that drift for some hours, and whose volume tells in which direction.

    `drift` is in deviations of a bar; a position of 36 bars gains up to 9 of them, while chance
    moves it by 6.
    """
    rng = np.random.default_rng([seed, 2])
    size = _deviations(rng, days * BARS_A_DAY, len(symbols))
    told = np.stack([_wandering(rng, len(size), hours=4.0) for _ in symbols], axis=1)
    return _markets(rng, symbols, size, drift * np.tanh(told), told)


def volatile(
    seed: int, *, days: int = 90, symbols: Sequence[str] = SYMBOLS, drift: float = 0.2
) -> tuple[Bars, ...]:
    """Return markets that drift up in wild times and down in calm ones."""
    rng = np.random.default_rng([seed, 3])
    bars = days * BARS_A_DAY
    wild = np.stack([_wandering(rng, bars, hours=24.0) > 0.0 for _ in symbols], axis=1)
    size = np.minimum(_deviations(rng, bars, len(symbols)) * np.where(wild, 1.6, 0.8), _WIDEST)
    return _markets(rng, symbols, size, drift * np.where(wild, 1.0, -1.0), np.zeros_like(size))


def _deviations(rng: np.random.Generator, bars: int, symbols: int) -> FloatArray:
    """Return the deviation of each bar (bars, symbols): slow moods of all, fast ones of each."""
    slow = 0.5 * _wandering(rng, bars, hours=72.0)
    fast = np.stack([0.35 * _wandering(rng, bars, hours=3.0) for _ in range(symbols)], axis=1)
    return np.asarray(np.minimum(_DEVIATION * np.exp(slow[:, None] + fast - 0.19), _WIDEST))


def _wandering(rng: np.random.Generator, bars: int, *, hours: float) -> FloatArray:
    """Return an autoregression of deviation 1 that remembers for so many hours."""
    return np.asarray(_autoregression(rng.standard_normal(bars), np.exp(-1.0 / (12.0 * hours))))


@njit(cache=True)
def _autoregression(noise: FloatArray, keep: float) -> FloatArray:
    out = np.empty_like(noise)
    last = noise[0]
    for t in range(len(noise)):
        last = keep * last + np.sqrt(1.0 - keep * keep) * noise[t] if t else last
        out[t] = last
    return out


def _markets(
    rng: np.random.Generator,
    symbols: Sequence[str],
    size: FloatArray,
    drift: FloatArray,
    told: FloatArray,
) -> tuple[Bars, ...]:
    """Return a market for each symbol.

    Parameters
    ----------
    size : deviation of each bar's return (bars, symbols)
    drift : its mean, in deviations
    told : of which the volume tells
    """
    common = rng.standard_normal((len(size), 1))
    own = rng.standard_normal(size.shape)
    moves = size * (drift + _COMMON * common + np.sqrt(1.0 - _COMMON**2) * own)
    return tuple(
        _market(rng, symbol, size[:, place], moves[:, place], told[:, place])
        for place, symbol in enumerate(symbols)
    )


def _market(
    rng: np.random.Generator, symbol: str, size: FloatArray, moves: FloatArray, told: FloatArray
) -> Bars:
    bars = len(moves)
    close: FloatArray = np.multiply(100.0, np.cumprod(1.0 + moves))
    open_ = np.concatenate([[100.0], close[:-1]])
    # The extremes of a Brownian bridge from open to close.
    low, high = (
        (open_ + close + side * np.sqrt((close - open_) ** 2 + reach)) / 2.0
        for side, reach in zip(
            (-1.0, 1.0), 2.0 * (size * open_) ** 2 * rng.exponential(size=(2, bars)), strict=True
        )
    )
    return Bars(
        symbol=symbol,
        timeframe=TIMEFRAME,
        time=START + np.arange(bars) * TIMEFRAME.delta,
        open=open_,
        high=np.maximum(high, np.maximum(open_, close)),
        low=np.minimum(low, np.minimum(open_, close)),
        close=close,
        volume=1000.0 * size / _DEVIATION * np.exp(told + 0.3 * rng.standard_normal(bars)),
        filled=np.zeros(bars, np.bool_),
        segment=np.zeros(bars, np.int64),
        synthetic=True,
    )


# ---------------------------------------------------------------- the trades of a simple rule

_FALL_BARS, _FALL = 12, -0.012
_MEMORY = 100  # bars that the recent deviation is taken over
_AWAY = 5.0  # stop and target, in recent deviations of a bar
MAX_BARS = 36


@dataclass(frozen=True, slots=True, eq=False)
class Chances:
    """The candidates of a market: bars that end a fall, and what a position from there came to.

    Attributes
    ----------
    row : positions of the deciding bars
    exit : positions of the bars in which the positions ended
    returns : fractions, without costs
    seen : what a gate may look at (candidates, 4): recent volatility, volume against its usual,
        the fall in recent deviations, and a number without meaning
    """

    bars: Bars
    row: IntArray
    exit: IntArray
    returns: FloatArray
    seen: FloatArray


def chances(bars: Bars, *, seed: int = 0) -> Chances:
    """Return the candidates: closes 1.2 % below that of an hour before.

    The threshold is not in deviations, so that candidates come in clusters, in wild times.
    """
    change = np.diff(np.log(bars.close), prepend=np.log(bars.open[0]))
    recent = _trailing(change**2, _MEMORY) ** 0.5
    fall = np.log(bars.close) - np.log(_earlier(bars.close, _FALL_BARS))
    usual = _trailing(np.log(bars.volume), BARS_A_DAY)
    lively = _trailing(np.log(bars.volume), _FALL_BARS) - usual
    row = np.flatnonzero(fall < _FALL)
    row = row[(row >= BARS_A_DAY) & (row < len(bars) - 1)]
    paid, away = bars.open[row + 1], _AWAY * recent[row]
    exits = Exits(
        target=paid * (1.0 + away),
        stop=paid * (1.0 - away),
        trail=np.zeros(len(row)),
        max_bars=np.full(len(row), MAX_BARS),
    )
    ended = first_exit(bars, row + 1, exits)
    noise = np.random.default_rng(seed).standard_normal(len(row))
    seen = np.stack([np.log(recent[row]), lively[row], fall[row] / recent[row], noise], axis=1)
    return Chances(bars, row, ended.bar, ended.price / paid - 1.0, seen)


def taken(own: Chances, chosen: BoolArray) -> Chances:
    """Return the chosen candidates."""
    return Chances(
        own.bars, own.row[chosen], own.exit[chosen], own.returns[chosen], own.seen[chosen]
    )


def traded(each: Sequence[Chances], gates: Sequence[BoolArray] | None = None) -> TradeReturns:
    """Return the trades of all markets: the candidates that the gate lets pass, one at a time."""
    if gates is None:
        gates = [np.ones(len(own.row), np.bool_) for own in each]
    kept = [_one_at_a_time(own, gate) for own, gate in zip(each, gates, strict=True)]
    pairs = list(zip(each, kept, strict=True))
    return TradeReturns(
        np.concatenate([own.bars.closed_at[own.row[rows]] for own, rows in pairs]),
        np.concatenate([own.returns[rows] for own, rows in pairs]),
    )


def _one_at_a_time(own: Chances, gate: BoolArray) -> IntArray:
    """Return the candidates that pass while no position is open."""
    kept, free = [], 0
    for place in np.flatnonzero(gate).tolist():
        if own.row[place] >= free:
            kept.append(place)
            free = int(own.exit[place])
    return np.array(kept, np.int64)


def _trailing(values: FloatArray, period: int) -> FloatArray:
    """Return the mean of the last `period` values, the first of them standing for those before."""
    padded = np.concatenate([np.full(period, values[0]), values])
    sums = np.cumsum(padded)
    return np.asarray((sums[period:] - sums[:-period])[: len(values)] / period)


def _earlier(values: FloatArray, bars: int) -> FloatArray:
    return np.concatenate([np.full(bars, values[0]), values[:-bars]])
