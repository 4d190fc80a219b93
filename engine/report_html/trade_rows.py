"""The trades of a run as columns, each with the decision that it came of."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from engine.records import Trade
from engine.report_html.packing import Packed, pack_numbers, pack_times, pack_whole
from engine.report_html.report import Levels
from engine.result import RunResult
from feeds.bars import FloatArray, IntArray, TimeArray

NO_DECISION = -1
MOST_CANDIDATES = 100_000
"""Candidate bars without an entry that the page shows of a run; with more it shows none."""

_ENTERED = "entered"
_MOMENTS = ("decided", "opened", "closed")
_MONEY = ("units", "entry_price", "exit_price", "fees", "pnl")
# What trades and bars say of themselves.
_SAID_OTHERWISE = {"symbol", "decided_at", "outcome", "pnl", "return_fraction", "exit_reason"}
_SAID_OTHERWISE |= {"close"}


def pack_trades(result: RunResult, levels: Levels | None, symbols: Sequence[str]) -> dict[str, Any]:
    """Pack the trades of a run, oldest first, as `numbers` and `words` by name, each one per trade.

    Those of the journal, NaN and an empty word where a trade came of no decision, are named as
    there; `market` is the place of its symbol in `symbols`.
    """
    trades, decided = result.trades, decisions_of(result)
    frame = result.decisions
    journal = {str(name): frame[name] for name in frame.columns if name not in _SAID_OTHERWISE}
    numeric = {name for name, column in journal.items() if pd.api.types.is_numeric_dtype(column)}
    place = {symbol: at for at, symbol in enumerate(symbols)}
    numbers = {
        "market": pack_whole(np.array([place[trade.symbol] for trade in trades], np.int64)),
        **{f"{name}_at": pack_times(_times(trades, f"{name}_at")) for name in _MOMENTS},
        "bars_held": pack_whole(np.array([trade.bars_held for trade in trades], np.int64)),
        **{name: pack_numbers(_floats(trades, name)) for name in _MONEY},
        **({} if levels is None else _pack_levels(levels, _times(trades, "opened_at"))),
        **{
            name: pack_numbers(_numbers(journal[name], decided))
            for name in journal
            if name in numeric
        },
    }
    words = {
        "exit_reason": pack_words([trade.exit_reason for trade in trades]),
        **{
            name: pack_words(_words(journal[name], decided))
            for name in journal
            if name not in numeric
        },
    }
    return {"length": len(trades), "numbers": numbers, "words": words}


def pack_candidates(result: RunResult, symbols: Sequence[str]) -> dict[str, Any] | None:
    """Pack the candidate bars of which no trade came; None if there are none, or too many."""
    journal = result.decisions
    if journal.empty or not {"outcome", "score"} <= {*journal.columns}:
        return None
    rest = journal[journal["outcome"] != _ENTERED]
    if not 0 < len(rest) <= MOST_CANDIDATES:
        return None
    place = rest["symbol"].map({symbol: at for at, symbol in enumerate(symbols)})
    return {
        "numbers": {
            "market": pack_whole(place.to_numpy().astype(np.int64)),
            "decided_at": pack_times(rest["decided_at"].to_numpy("datetime64[ms]")),
            "score": pack_numbers(rest["score"].to_numpy(np.float64)),
        },
        "words": {"outcome": pack_words(rest["outcome"].tolist())},
    }


def pack_words(words: Sequence[str]) -> dict[str, Any]:
    """Pack words as the different ones, and which of them each is."""
    codes, different = pd.factorize(np.asarray(words, dtype=object))
    return {
        "different": [str(word) for word in different],
        "which": pack_whole(codes.astype(np.int64)),
    }


def decisions_of(result: RunResult) -> IntArray:
    """Return for each trade the row of its decision in the journal, or `NO_DECISION`."""
    journal = result.decisions
    if journal.empty or "outcome" not in journal:
        return np.full(len(result.trades), NO_DECISION, np.int64)
    rows = np.flatnonzero(journal["outcome"].to_numpy() == _ENTERED)
    symbols = journal["symbol"].to_numpy()[rows].tolist()
    moments = journal["decided_at"].to_numpy("datetime64[ms]")[rows].astype(np.int64).tolist()
    found = dict(zip(zip(symbols, moments, strict=True), rows.tolist(), strict=True))
    keys = [(trade.symbol, _ms(trade.decided_at)) for trade in result.trades]
    return np.array([found.get(key, NO_DECISION) for key in keys], np.int64)


def _pack_levels(levels: Levels, opened: TimeArray) -> dict[str, Packed]:
    """Pack stop, target, and how long the position may last at most: ms, 0 if nobody knows."""
    longest = (levels.until - opened).astype("timedelta64[ms]")
    return {
        "stop": pack_numbers(levels.stop),
        "target": pack_numbers(levels.target),
        "longest": pack_whole(np.where(np.isnat(longest), 0, longest.astype(np.int64))),
    }


def _times(trades: Sequence[Trade], name: str) -> TimeArray:
    return np.array([getattr(trade, name) for trade in trades], "datetime64[ms]")


def _floats(trades: Sequence[Trade], name: str) -> FloatArray:
    return np.array([getattr(trade, name) for trade in trades], np.float64)


def _numbers(column: "pd.Series[Any]", decided: IntArray) -> FloatArray:
    """Return the numbers of the trades' decisions."""
    values = column.to_numpy(np.float64, na_value=np.nan)
    return np.where(decided >= 0, values[decided], np.nan)


def _words(column: "pd.Series[Any]", decided: IntArray) -> list[str]:
    """Return the words of the trades' decisions."""
    values = column.fillna("").astype(str).to_numpy()
    found: list[str] = np.where(decided >= 0, values[decided], "").tolist()
    return found


def _ms(moment: np.datetime64) -> int:
    return int(moment.astype("datetime64[ms]").astype(np.int64))
