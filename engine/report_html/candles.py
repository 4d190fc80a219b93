"""Bars as the page holds them: every one if they are few enough, else only those around trades.

What the page lacks in single bars it has as candles of many bars. Candles begin at multiples of
their length since 1970, here and in `page/bars.js`, so that larger ones can be made of smaller ones
without a bar counted twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from engine.report_html.packing import (
    LARGEST_STEP,
    Packed,
    decimals_of,
    pack_rounded,
    pack_steps,
    pack_times,
    wholes,
)
from engine.report_html.report import Traded
from feeds.bars import PRICES, Bars, IntArray

MOST_TEXT = 4_800_000
"""Characters that bars and trades may take; library and all else are 3 million at most."""

LEAST_TEXT = 1_500_000
"""Of them, what bars may take in any case."""

BEFORE, AFTER = 60, 30  # bars around a trade that are kept one by one
VOLUME_BITS = 9  # a volume is shown to 0.2 %
SHOWN_DIGITS = 7  # of a price without a grid

_SHARE_OF_CANDLES = 0.3  # of the text, where not every bar is kept
_SAMPLES, _SAMPLE = (
    8,
    2_500,
)  # stretches that tell how long the text of a market gets, and bars each
_MINUTE, _HOUR, _DAY = 60_000, 3_600_000, 86_400_000
LENGTHS = tuple(
    unit * count
    for unit, counts in (
        (_MINUTE, (1, 2, 3, 5, 10, 15, 20, 30)),
        (_HOUR, (1, 2, 3, 4, 6, 8, 12)),
        (_DAY, (1, 2, 4, 8, 16, 32, 64, 128)),
    )
    for count in counts
)
"""Of candles, in ms."""

Spans: TypeAlias = Sequence[tuple[int, int]]
"""Positions of the bars of a trade, from the decision's to the exit's; the dearest trade first."""


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """The bars of a market on the page.

    Attributes
    ----------
    packed : for `page/bars.js`
    bars : how many there are
    candle : how long the candles are of which the page knows no single bars, in ms; 0 if it has all
    trades, all_trades : whose bars are kept one by one, and how many there are
    """

    packed: Mapping[str, Any]
    bars: int
    candle: int = 0
    trades: int = 0
    all_trades: int = 0


def kept_bars(
    markets: Mapping[str, Traded], spans: Mapping[str, Spans], most_text: int
) -> dict[str, Kept]:
    """Return what the page holds of each market.

    Parameters
    ----------
    markets : by symbol
    spans : of the trades, by symbol
    most_text : about as many characters may they take together
    """
    traded = {symbol: market.bars[market.first :] for symbol, market in markets.items()}
    text = {symbol: _text_length(bars) for symbol, bars in traded.items()}
    share = most_text / max(sum(text.values()), 1)
    return {
        symbol: _all(bars, len(spans[symbol]))
        if share >= 1
        else _some(bars, spans[symbol], int(share * len(bars)))
        for symbol, bars in traded.items()
    }


def pack_bars(bars: Bars) -> dict[str, Packed | int]:
    """Pack bars by what is small in them: open less close before, close less open, the wicks."""
    decimals = _decimals(bars)
    open_, high, low, close = (wholes(getattr(bars, n), decimals).astype(np.int64) for n in PRICES)
    before = np.concatenate([open_[:1], close[:-1]])
    return {
        "time": pack_times(bars.time),
        "begin": int(open_[0]) if len(bars) else 0,
        "decimals": decimals,
        "gap": pack_steps(open_ - before),
        "body": pack_steps(close - open_),
        "up": pack_steps(high - np.maximum(open_, close)),
        "down": pack_steps(np.minimum(open_, close) - low),
        "volume": pack_rounded(bars.volume, VOLUME_BITS),
    }


def candles(bars: Bars, length: int) -> Bars:
    """Return candles of a length in ms, stamped with its multiples; `filled` is of no meaning."""
    begins = bars.time.astype(np.int64) // length
    first = np.flatnonzero(np.diff(begins, prepend=-1))
    last = np.append(first[1:], len(bars)) - 1
    return bars.unchecked(
        {
            "time": (begins[first] * length).astype("datetime64[ms]"),
            "open": bars.open[first],
            "high": np.maximum.reduceat(bars.high, first),
            "low": np.minimum.reduceat(bars.low, first),
            "close": bars.close[last],
            "volume": np.add.reduceat(bars.volume, first),
            "filled": bars.filled[first],
            "segment": bars.segment[first],
        }
    )


def _all(bars: Bars, trades: int) -> Kept:
    return Kept({"bars": pack_bars(bars)}, len(bars), trades=trades, all_trades=trades)


def _some(bars: Bars, spans: Spans, most: int) -> Kept:
    """Return candles of all bars, and single ones around as many trades as find room."""
    length = _candle_length(bars, max(int(most * _SHARE_OF_CANDLES), 1))
    coarse = candles(bars, length)
    rows, trades = _around(spans, len(bars), most - len(coarse))
    edges = np.flatnonzero(np.diff(rows) > 1)
    begins = rows[np.append(0, edges + 1)] if len(rows) else rows
    ends = rows[np.append(edges, len(rows) - 1)] if len(rows) else rows
    packed = {
        "bars": pack_bars(bars.unchecked({name: getattr(bars, name)[rows] for name in _COLUMNS})),
        "candles": pack_bars(coarse),
        "candle": length,
        "from": pack_times(bars.time[begins]),
        "to": pack_times(bars.closed_at[ends]),
    }
    return Kept(packed, len(bars), length, trades, len(spans))


_COLUMNS = ("time", *PRICES, "volume", "filled", "segment")


def _around(spans: Spans, length: int, most: int) -> tuple[IntArray, int]:
    """Return positions of bars around trades, and of how many trades they are."""
    near = np.zeros(length, np.bool_)
    left, taken = most, 0
    for first, last in spans:
        rows = slice(max(first - BEFORE, 0), last + AFTER + 1)
        left -= int(np.count_nonzero(~near[rows]))
        if left < 0:
            break
        near[rows] = True
        taken += 1
    return np.flatnonzero(near), taken


def _candle_length(bars: Bars, most: int) -> int:
    """Return the length that makes at most so many candles; `page/bars.js` chooses alike."""
    span = int((bars.time[-1] - bars.time[0]).astype(np.int64)) + bars.timeframe.ms
    for length in LENGTHS:
        if length % bars.timeframe.ms == 0 and span / length <= most:
            return length
    length = bars.timeframe.ms
    while span / length > most:
        length *= 2
    return length


def _text_length(bars: Bars) -> float:
    """Return about how many characters all bars would take."""
    if len(bars) <= _SAMPLES * _SAMPLE:
        return _length_of(bars)
    begins = np.linspace(0, len(bars) - _SAMPLE, _SAMPLES).astype(int)
    told = sum(_length_of(bars[begin : begin + _SAMPLE]) for begin in begins)
    return told * len(bars) / (_SAMPLES * _SAMPLE)


def _length_of(bars: Bars) -> float:
    return float(sum(len(each["bytes"]) for each in pack_bars(bars).values() if type(each) is dict))


def _decimals(bars: Bars) -> int:
    """Return the decimals of all prices; of prices without, as many as seven digits have."""
    found = [decimals_of(getattr(bars, name)) for name in PRICES]
    known = [each for each in found if each is not None]
    if len(known) == len(PRICES) and _steps_fit(bars, max(known)):
        return max(known)
    decimals = SHOWN_DIGITS - 1 - int(np.floor(np.log10(bars.low.min())))
    while not _steps_fit(bars, decimals):
        decimals -= 1
    return decimals


def _steps_fit(bars: Bars, decimals: int) -> bool:
    within = np.max(bars.high - bars.low, initial=0.0)
    between = np.max(np.abs(bars.open[1:] - bars.close[:-1]), initial=0.0)
    return max(float(within), float(between)) * 10.0**decimals < LARGEST_STEP
