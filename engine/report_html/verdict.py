"""What the run says in one sentence, six figures, and what flatters them."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from engine import labels
from engine.report_html.equity import held_figures
from engine.report_html.report import Report
from engine.report_html.section import Section, render
from engine.report_html.words import fraction, number
from engine.statistics.figures import MEASURED, RANGES

Show = Callable[[float | None], str]
Ends = Mapping[str, float | None]

# The figures that stand on top, and how they are written.
FIGURES: Mapping[str, Show] = {
    "total_return": partial(fraction, digits=1),
    "expectancy": partial(fraction, digits=3),
    "win_rate": partial(fraction, digits=1),
    "profit_factor": partial(number, digits=2),
    "sharpe": partial(number, digits=2),
    "max_drawdown": partial(fraction, digits=1),
}


def verdict(report: Report) -> Section:
    """Return the first section: what a hurried reader takes away."""
    runs, titles = report.document["runs"], report.titles
    return Section(
        name="verdict",
        title="Verdict",
        html=render(
            "verdict.html",
            stamps=report.stamps,
            sentence=report.document["comparison"].get("verdict") or _sentence(report),
            facts=_facts(report),
            runs=[
                {"label": run["ml"], "title": titles[run["ml"]], "figures": _figures(run)}
                for run in runs
            ],
            flattery=_flattery(runs, titles),
        ),
    )


def _sentence(report: Report) -> str:
    """Return what a single run came to."""
    run = report.document["runs"][0]
    name = report.titles[run["ml"]]
    if not run["trades"]:
        return f"{name} did not trade at all."
    gained, held = run["metrics"]["total_return"], held_figures(report)
    beside = (
        f"; holding would have come to {fraction(held['total_return'], 1)}, after costs, too"
        if held
        else ""
    )
    return (
        f"{name} {'gained' if gained > 0 else 'lost'} {fraction(abs(gained), 1)} after "
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
            "title": labels.FIGURES[name],
            "value": show(run["metrics"][name]),
            "interval": _of_returns(name, intervals.get(name), show)
            + _between(name, intervals.get(name), level, show),
        }
        for name, show in FIGURES.items()
    ]


def _of_returns(name: str, interval: Ends | None, show: Show) -> str:
    """Return the profit factor that the interval is of: not the one above it."""
    if name != "profit_factor" or interval is None or interval["low"] is None:
        return ""
    return f"of returns {show(interval['value'])}, "


def _between(name: str, interval: Ends | None, level: float | None, show: Show) -> str:
    """Return the ends, and what they are: an interval, one that holds less often, a range."""
    if interval is None or interval["low"] is None or interval["high"] is None:
        return "too few trades or days for an interval"
    ends = f"{show(interval['low'])} to {show(interval['high'])}"
    nominal = fraction(level, 0)
    if name in RANGES:
        return f"range of drawn accounts: {ends}"
    if name in MEASURED:
        return f"nominal {nominal}, about {fraction(MEASURED[name], 0)} measured: {ends}"
    return f"{nominal}: {ends}"


def _flattery(runs: Sequence[Mapping[str, Any]], titles: Mapping[str, str]) -> list[dict[str, str]]:
    """Return what flatters the runs, once where it holds for all."""
    said: dict[str, list[str]] = {}
    for run in runs:
        for each in run["flattery"]:
            said.setdefault(each, []).append(titles[run["ml"]])
    every = len(runs)
    return [
        {"text": text, "of": "" if len(names) == every else f"{names[0]}: "}
        for text, names in said.items()
    ]
