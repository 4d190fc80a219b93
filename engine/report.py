"""Results as text."""

from collections.abc import Callable, Mapping, Sequence
from textwrap import fill, wrap
from typing import Any

from rich.table import Table

from engine.labels import FIGURES
from engine.records import PARTIAL_CASH, UNFILLED
from engine.report_evidence import explained, intervals_table, references_table
from engine.result import RunResult
from engine.tables import UNDEFINED, WIDTH, rendered, run_name, run_titles, stamp_lines, table

Number = float | None
Show = Callable[[float], str]

_MOVED = (
    "moved: not ML's opinion; the other run was in a position there, "
    "or its entry was refused or vetoed"
)


def _percent(value: float) -> str:
    return f"{value:.2%}"


def _fine_percent(value: float) -> str:
    return f"{value:.3%}"


def _ratio(value: float) -> str:
    return f"{value:.2f}"


def _money(value: float) -> str:
    return f"{value:,.2f}"


def _days(value: float) -> str:
    return f"{value:,.1f} days"


def _count(value: float) -> str:
    return f"{value:,.0f}"


# How each metric is written, in the order of the table.
_SHOWN: Mapping[str, Show] = {
    "win_rate": _percent,
    "profit_factor": _ratio,
    "expectancy": _fine_percent,
    "expectancy_quote": _money,
    "average_win": _fine_percent,
    "average_loss": _fine_percent,
    "longest_losing_streak": _count,
    "sqn": _ratio,
    "total_return": _percent,
    "buy_and_hold": _percent,
    "cagr": _percent,
    "volatility": _percent,
    "sharpe": _ratio,
    "sortino": _ratio,
    "calmar": _ratio,
    "max_drawdown": _percent,
    "max_drawdown_days": _days,
    "exposure": _percent,
    "turnover": _ratio,
    "fees_paid": _money,
}
METRICS: Mapping[str, tuple[str, Show]] = {
    name: (FIGURES[name], show) for name, show in _SHOWN.items()
}
"""How each metric is called and written."""


def side_by_side(results: Sequence[RunResult], comparison: Mapping[str, Any] | None = None) -> str:
    """Return the runs as columns; with a comparison its verdict first, and what it rests on.

    Parameters
    ----------
    results : one or more runs
    comparison : `engine.jobs.comparing.comparison.comparison` of the runs
    """
    stamps = stamp_lines(results)
    tables = [_metrics_table(results, comparison or {})]
    said, notes = [], []
    if comparison:
        said = [*wrap(comparison["verdict"], WIDTH), ""]
        tables[:0] = [intervals_table(comparison), references_table(comparison)]
        tables += [_entries_table(comparison), _groups_table(comparison)]
        notes = [
            fill(note, WIDTH, subsequent_indent="  ") for note in (*explained(comparison), _MOVED)
        ]
    shown = (f"{stamps}{rendered(each)}" for each in tables)
    return "\n".join([*said, *shown, *notes, *_warnings(results)])


def _metrics_table(results: Sequence[RunResult], comparison: Mapping[str, Any]) -> Table:
    """Return metrics as rows, runs as columns, and the difference if there is one."""
    difference = comparison.get("difference")
    names = [*run_titles(results).values(), *(["Difference"] if difference is not None else [])]
    shown = table("Run", *names)
    for title, values in _counts(results):
        change = [values[-1] - values[0]] if difference is not None else []
        shown.add_row(title, *map(_count, values), *(f"{value:+,}" for value in change))
    for name, (title, show) in METRICS.items():
        cells = [cell(result.metrics.to_dict()[name], show) for result in results]
        if difference is not None:
            cells.append(signed(difference.get(name), show))
        shown.add_row(title, *cells)
    return shown


def _counts(results: Sequence[RunResult]) -> list[tuple[str, list[int]]]:
    reduced, unfilled = _rejected(results, PARTIAL_CASH), _rejected(results, UNFILLED)
    every = [len(result.rejections) for result in results]
    counts = zip(every, reduced, unfilled, strict=True)
    return [
        (FIGURES["trades"], [len(result.trades) for result in results]),
        ("Orders refused", [all_ - part - vain for all_, part, vain in counts]),
        *([("Orders unfilled", unfilled)] if any(unfilled) else []),
        ("Entries reduced", reduced),
        *_vetoes(results),
        ("ML asked, bars", [result.ml_asked for result in results]),
        ("ML unavailable, bars", [result.ml_unavailable for result in results]),
    ]


def _rejected(results: Sequence[RunResult], reason: str) -> list[int]:
    return [sum(r.reason == reason for r in result.rejections) for result in results]


def _vetoes(results: Sequence[RunResult]) -> list[tuple[str, list[int]]]:
    """Return how many entries were vetoed, then by which protections."""
    names = dict.fromkeys(name for result in results for name in result.vetoes)
    return [
        ("Entries vetoed", [sum(result.vetoes.values()) for result in results]),
        *((f"- by {name}", [result.vetoes.get(name, 0) for result in results]) for name in names),
    ]


def _entries_table(comparison: Mapping[str, Any]) -> Table:
    """Return how high the entries scored and how many of them lost."""
    scores = comparison["average_entry_score"]
    losing = comparison["losing_entries"]
    shown = table("Entries", *(run_name(label) for label in scores))
    shown.add_row("Average entry score", *(cell(scores[label], _ratio) for label in scores))
    shown.add_row("Losing entries", *(cell(losing[label]["count"], _count) for label in scores))
    shown.add_row("Losing rate", *(cell(losing[label]["rate"], _percent) for label in scores))
    return shown


_OF_GROUPS = ("trades", "win_rate", "expectancy", "pnl")


def _groups_table(comparison: Mapping[str, Any]) -> Table:
    """Return how the entries did that ML added, removed, moved and kept."""
    shown = table("Entries by ML", *(FIGURES[name] for name in _OF_GROUPS))
    for name, group in comparison["groups"].items():
        shown.add_row(
            name.replace("_", " ").capitalize(),
            cell(group["trades"], _count),
            cell(group["win_rate"], _percent),
            cell(group["expectancy"], _fine_percent),
            cell(group["pnl"], _money),
        )
    return shown


def _warnings(results: Sequence[RunResult]) -> list[str]:
    """Return a line for each run whose ensemble did not answer."""
    titles = run_titles(results)
    return [
        f"*** ML UNAVAILABLE on {result.ml_unavailable:,} of {result.ml_asked:,} bars "
        f"on which {titles[result.label]} asked ***"
        for result in results
        if result.ml_unavailable
    ]


def cell(value: Number, show: Show) -> str:
    """Return the value as `show` writes it, or what stands for an undefined one."""
    return UNDEFINED if value is None else show(value)


def signed(value: Number, show: Show) -> str:
    """Return a difference with its sign; one of percentages is in percentage points."""
    if value is None:
        return UNDEFINED
    text = show(value) if value < 0 else f"+{show(value)}"
    return text.replace("%", " pp")
