"""What the run says in one sentence, six figures, and what flatters them."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from engine.report_html.equity import held_figures
from engine.report_html.report import Report
from engine.report_html.section import Section, render
from engine.report_html.words import fraction, number
from engine.statistics.figures import MEASURED, RANGES

Show = Callable[[float | None], str]

# The figures that stand on top: what they are called, how they are written.
FIGURES: Mapping[str, tuple[str, Show]] = {
    "total_return": ("Total return", partial(fraction, digits=1)),
    "expectancy": ("Expectancy per trade", partial(fraction, digits=3)),
    "win_rate": ("Win rate", partial(fraction, digits=1)),
    "profit_factor": ("Profit factor", partial(number, digits=2)),
    "sharpe": ("Sharpe ratio", partial(number, digits=2)),
    "max_drawdown": ("Largest drawdown", partial(fraction, digits=1)),
}


def verdict(report: Report) -> Section:
    """Return the first section: what a hurried reader takes away."""
    runs = report.document["runs"]
    return Section(
        name="verdict",
        title="Verdict",
        html=render(
            "verdict.html",
            stamps=report.stamps,
            sentence=report.document["comparison"].get("verdict") or _sentence(report),
            facts=_facts(report),
            runs=[{"label": run["ml"], "figures": _figures(run)} for run in runs],
            flattery=_flattery(runs),
        ),
    )


def _sentence(report: Report) -> str:
    """Return what a single run came to."""
    run = report.document["runs"][0]
    if not run["trades"]:
        return f"ML-{run['ml']} did not trade at all."
    gained, held = run["metrics"]["total_return"], held_figures(report)
    beside = (
        f"; holding would have come to {fraction(held['total_return'], 1)}, after costs, too"
        if held
        else ""
    )
    return (
        f"ML-{run['ml']} {'gained' if gained > 0 else 'lost'} {fraction(abs(gained), 1)} after "
        f"costs in {run['trades']:,} trades{beside}."
    )


def _facts(report: Report) -> list[str]:
    """Return what was traded, a line for each symbol."""
    data = report.document["data"]
    return [
        f"{symbol}, {data['timeframe']}: {facts['bars']:,} bars from {facts['start'][:10]} to "
        f"{facts['end'][:10]}"
        for symbol, facts in data["symbols"].items()
    ]


def _figures(run: Mapping[str, Any]) -> list[dict[str, str]]:
    intervals = run.get("intervals") or {}
    level = intervals.get("level")
    return [
        {
            "name": name,
            "title": title,
            "value": show(run["metrics"][name]),
            "interval": _between(name, intervals.get(name), level, show),
        }
        for name, (title, show) in FIGURES.items()
    ]


def _between(
    name: str, interval: Mapping[str, float | None] | None, level: float | None, show: Show
) -> str:
    """Return the ends, and what they are: an interval, one that holds less often, a range."""
    if interval is None or interval["low"] is None or interval["high"] is None:
        return "too little to say an interval"
    ends = f"{show(interval['low'])} to {show(interval['high'])}"
    nominal = fraction(level, 0)
    if name in RANGES:
        return f"range of drawn accounts: {ends}"
    if name in MEASURED:
        return f"nominal {nominal}, about {fraction(MEASURED[name], 0)} measured: {ends}"
    return f"{nominal}: {ends}"


def _flattery(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return what flatters the runs, once where it holds for all."""
    said: dict[str, list[str]] = {}
    for run in runs:
        for each in run["flattery"]:
            said.setdefault(each, []).append(f"ML-{run['ml']}")
    every = len(runs)
    return [
        {"text": text, "of": "" if len(labels) == every else f"{labels[0]}: "}
        for text, labels in said.items()
    ]
