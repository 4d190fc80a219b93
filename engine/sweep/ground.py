"""The bars and candidates of all symbols, end to end: what the loop reads and never changes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engine.equity import last_close, merged_times
from engine.sweep.market import SweepMarket, check_together
from feeds.bars import Bars, BoolArray, FloatArray, IntArray, TimeArray
from feeds.exits import next_fill_bar

_DAY_MS = 86_400_000


class Prices(NamedTuple):
    """All bars, one symbol after the other.

    Attributes
    ----------
    filled : True for bars that fill nothing
    last : True for the last bar of a segment
    moment : of the run, at which the bar closes
    """

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    filled: BoolArray
    last: BoolArray
    moment: IntArray


class Candidates(NamedTuple):
    """All candidate bars, in the order in which they are decided.

    Attributes
    ----------
    market : place of the symbol in the run
    bar : position in `Prices`
    moment : at which the bar closes
    speaks : which of `Ground.spoken` the rules say there
    fill_bar : the first later bar of the segment that can fill an order, or -1
    segment_end : the last bar of the segment
    floors : (n, 4) thresholds that came with the opinion; NaN where those of the set apply
    """

    market: IntArray
    bar: IntArray
    moment: IntArray
    speaks: IntArray
    fill_bar: IntArray
    segment_end: IntArray
    atr_fraction: FloatArray
    probability: FloatArray
    floors: FloatArray


class Moments(NamedTuple):
    """When bars of any symbol close.

    Attributes
    ----------
    time : milliseconds since 1970
    day : that the moment ends or is in, from 0 at the first
    day_begun : that the moment begins or is in, in the same way: they differ at midnight
    closes : (moments, symbols) the last close known
    """

    time: IntArray
    day: IntArray
    day_begun: IntArray
    closes: FloatArray


class Exchange(NamedTuple):
    """What the exchange asks of orders, by symbol."""

    amount_step: FloatArray
    tick: FloatArray
    min_notional: FloatArray


class Ground(NamedTuple):
    """What all sets are run on.

    Attributes
    ----------
    spoken : (patterns, rules) every way in which the rules speak at some candidate
    bar_ms : milliseconds of a bar
    """

    prices: Prices
    candidates: Candidates
    moments: Moments
    exchange: Exchange
    spoken: BoolArray
    bar_ms: int


def ground_of(markets: Sequence[SweepMarket]) -> tuple[Ground, TimeArray]:
    """Return what all sets are run on, and the moments of the run.

    Raises
    ------
    ValueError
        if one run cannot hold these markets
    """
    check_together(markets)
    bars = [market.bars for market in markets]
    time = merged_times([each.bars.closed_at[each.first :] for each in markets])
    candidates, spoken = _candidates(markets, time)
    ground = Ground(
        prices=_prices(bars, time),
        candidates=candidates,
        moments=_moments(bars, time),
        exchange=_exchange(markets),
        spoken=spoken,
        bar_ms=bars[0].timeframe.ms,
    )
    return ground, time


def _prices(bars: Sequence[Bars], time: TimeArray) -> Prices:
    return Prices(
        open=_joined([each.open for each in bars]),
        high=_joined([each.high for each in bars]),
        low=_joined([each.low for each in bars]),
        close=_joined([each.close for each in bars]),
        filled=_joined([each.filled for each in bars]),
        last=_joined([each.last_of_segment() for each in bars]),
        moment=_joined([np.searchsorted(time, each.closed_at) for each in bars]),
    )


def _candidates(markets: Sequence[SweepMarket], time: TimeArray) -> tuple[Candidates, BoolArray]:
    """Return the candidates, and every way in which the rules speak at one."""
    starts = np.cumsum([0, *(len(market.bars) for market in markets)])
    parts = [_of_symbol(place, each, time) for place, each in enumerate(markets)]
    for part, start in zip(parts, starts.tolist(), strict=False):
        for name in ("bar", "segment_end", "fill_bar"):
            part[name] = np.where(part[name] >= 0, part[name] + start, -1)
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.lexsort([columns["market"], columns["moment"]])
    spoken, speaks = np.unique(columns.pop("holds")[order], axis=0, return_inverse=True)
    found = {name: np.ascontiguousarray(column[order]) for name, column in columns.items()}
    return Candidates(speaks=speaks.reshape(-1).astype(np.int64), **found), spoken


def _of_symbol(place: int, market: SweepMarket, time: TimeArray) -> dict[str, np.ndarray]:
    bars, rows = market.bars, np.asarray(market.rows, np.int64)
    last = np.flatnonzero(bars.last_of_segment())
    floors = np.full((4, len(rows)), np.nan) if market.floors is None else market.floors
    return {
        "market": np.full(len(rows), place),
        "bar": rows,
        "moment": np.searchsorted(time, bars.closed_at[rows]),
        "fill_bar": next_fill_bar(bars)[rows],
        "segment_end": last[np.searchsorted(last, rows)],
        "atr_fraction": np.asarray(market.atr_fraction, np.float64),
        "probability": np.asarray(market.probability, np.float64),
        "floors": np.asarray(floors, np.float64).T,
        "holds": np.asarray(market.holds, np.bool_).T,
    }


def _moments(bars: Sequence[Bars], time: TimeArray) -> Moments:
    at = time.astype("datetime64[ms]").astype(np.int64)
    # What is known at midnight ends the old day, as in the metrics, and is decided on in the new.
    ended, begun = (at - 1) // _DAY_MS, at // _DAY_MS
    return Moments(
        time=at,
        day=ended - ended[0],
        day_begun=begun - ended[0],
        closes=np.ascontiguousarray(np.stack([last_close(each, time) for each in bars], axis=1)),
    )


def _exchange(markets: Sequence[SweepMarket]) -> Exchange:
    rules = [market.rules for market in markets]
    return Exchange(
        amount_step=np.array([each.amount_step for each in rules]),
        tick=np.array([each.tick for each in rules]),
        min_notional=np.array([each.min_notional for each in rules]),
    )


def _joined(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Return one column, not copied if it is alone, and never written to."""
    joined = columns[0].view() if len(columns) == 1 else np.concatenate(columns)
    joined.flags.writeable = False  # else the loop would be compiled once more
    return joined
