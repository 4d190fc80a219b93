"""The journal of a run: the decision that each trade came of, and those of which none came."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from engine.report_html.packing import pack_numbers, pack_times, pack_whole
from engine.result import RunResult
from feeds.bars import IntArray

NO_DECISION = -1
MOST_CANDIDATES = 100_000
"""Candidate bars without an entry that the page shows of a run; with more it shows none."""

_ENTERED = "entered"


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


def _ms(moment: np.datetime64) -> int:
    return int(moment.astype("datetime64[ms]").astype(np.int64))
