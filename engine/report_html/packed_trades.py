"""The trades of a report's runs, looked up and packed once, for all sections that show them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from engine.report_html.packing import Packed, pack_exact, pack_numbers, pack_times, pack_whole
from engine.report_html.report import Levels, Report
from engine.report_html.trade_columns import TradeColumns, TradeTable, trade_table
from engine.report_html.trade_rows import pack_words
from engine.result import RunResult
from feeds.bars import FloatArray, IntArray, TimeArray

# What trades and bars say of themselves.
_SAID_OTHERWISE = {"symbol", "decided_at", "outcome", "pnl", "return_fraction", "exit_reason"}
_SAID_OTHERWISE |= {"close"}


class TradesOfReport(NamedTuple):
    """The trades of a report: as columns to reckon with, and as `page/trades_data.js` reads them.

    Attributes
    ----------
    packed : names that the runs share and, for each run, `numbers` and `words` by name, a value per
        trade; those of the journal are named as there, and are NaN or an empty word where a trade
        came of no decision
    """

    table: TradeTable
    packed: Mapping[str, Any]


_KNOWN: WeakKeyDictionary[Report, TradesOfReport] = WeakKeyDictionary()


def trades_of_report(report: Report) -> TradesOfReport:
    """Return the trades of a report; they are looked up and packed the first time only."""
    if report not in _KNOWN:
        table = trade_table(report)
        packed = {
            "symbols": list(table.symbols),
            "reasons": list(table.reasons),
            "groups": list(report.groups),
            "runs": [
                _run(run, result, report)
                for run, result in zip(table.runs, report.results, strict=True)
            ],
        }
        _KNOWN[report] = TradesOfReport(table, packed)
    return _KNOWN[report]


def _run(run: TradeColumns, result: RunResult, report: Report) -> dict[str, Any]:
    numbers, words = _journal(result.decisions, run.decided)
    return {
        "label": run.label,
        "name": report.titles[run.label],
        "stamp": " ".join(result.stamps),
        "length": len(run),
        "numbers": {**numbers, **_own(run), **_levels(run, report), **_groups(run, report)},
        "words": words,
    }


def _own(run: TradeColumns) -> dict[str, Packed]:
    """Return what trades say of themselves; what trades.csv has as it is there."""
    return {
        "symbol": pack_whole(run.symbol),
        "reason": pack_whole(run.reason),
        **{name: pack_exact(values) for name, values in run.numbers.items()},
        **{name: pack_times(values) for name, values in run.moments.items()},
        "worst": pack_numbers(np.round(run.worst, 6)),
        "best": pack_numbers(np.round(run.best, 6)),
    }


def _levels(run: TradeColumns, report: Report) -> dict[str, Packed]:
    """Return stop, target, and how long the position may last at most: ms, 0 if nobody knows."""
    levels: Levels | None = report.levels.get(run.label)
    if levels is None:
        return {}
    opened: TimeArray = run.moments["opened_at"]
    longest = (levels.until - opened).astype("timedelta64[ms]")
    return {
        "stop": pack_numbers(levels.stop),
        "target": pack_numbers(levels.target),
        "longest": pack_whole(np.where(np.isnat(longest), 0, longest.astype(np.int64))),
    }


def _groups(run: TradeColumns, report: Report) -> dict[str, Packed]:
    """Return the place of each trade's group; what only one run did is in a group of its own."""
    if not report.groups:
        return {}
    group = np.full(len(run), list(report.groups).index("kept"), np.int64)
    for place, each in enumerate(report.groups.values()):
        if each.label == run.label:
            group[list(each.trades)] = place
    return {"group": pack_whole(group)}


def _journal(
    decisions: pd.DataFrame, decided: IntArray
) -> tuple[dict[str, Packed], dict[str, dict[str, Any]]]:
    """Return the numbers and the words of the decisions that trades came of."""
    numbers, words = {}, {}
    for name, column in decisions.items():
        if name in _SAID_OTHERWISE:
            continue
        if pd.api.types.is_numeric_dtype(column):
            numbers[str(name)] = pack_numbers(_numbers(column, decided))
        else:
            words[str(name)] = pack_words(_words(column, decided))
    return numbers, words


def _numbers(column: "pd.Series[Any]", decided: IntArray) -> FloatArray:
    values = column.to_numpy(np.float64, na_value=np.nan)
    return np.where(decided >= 0, values[decided], np.nan) if len(values) else _nothing(decided)


def _nothing(decided: IntArray) -> FloatArray:
    return np.full(len(decided), np.nan)


def _words(column: "pd.Series[Any]", decided: IntArray) -> Sequence[str]:
    values = column.fillna("").astype(str).to_numpy()
    if not len(values):
        return [""] * len(decided)
    found: list[str] = np.where(decided >= 0, values[decided], "").tolist()
    return found
