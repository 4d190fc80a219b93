"""What the run says in one sentence, six figures, and what flatters them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeGuard

from engine import labels
from engine.report_html.equity import held_figures
from engine.report_html.report import Report
from engine.report_html.section import Section, render
from engine.report_html.words import NBSP, fraction, from_to, number
from engine.statistics.figures import MEASURED

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
            level=_level(runs),
            footnotes=list(_footnotes(runs, titles)),
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
            "interval": _interval(name, intervals.get(name), level, show),
        }
        for name, show in FIGURES.items()
    ]


def _interval(name: str, interval: Ends | None, level: float | None, show: Show) -> str:
    """Return the ends, and the mark of the footnote that says what is special about them."""
    if not _is_known(interval):
        return "too few trades or days for an interval"
    ends = from_to(show(interval["low"]), show(interval["high"]))
    mark = f"{NBSP}{MARKS[name]}" if name in MARKS else ""
    return f"{fraction(level, 0)}: {ends}{mark}"


def _is_known(interval: Ends | None) -> TypeGuard[Ends]:
    return interval is not None and None not in (interval["low"], interval["high"])


def _level(runs: Sequence[Mapping[str, Any]]) -> str:
    """Return the level of the intervals that are shown; empty if none is."""
    for run in runs:
        intervals = run.get("intervals") or {}
        if any(_is_known(intervals.get(name)) for name in FIGURES):
            return fraction(intervals["level"], 0)
    return ""


def _footnotes(
    runs: Sequence[Mapping[str, Any]], titles: Mapping[str, str]
) -> Iterator[dict[str, str]]:
    """Yield what is special about the marked intervals that are shown."""
    for name, mark in MARKS.items():
        found = {
            titles[run["ml"]]: interval
            for run in runs
            if _is_known(interval := (run.get("intervals") or {}).get(name))
        }
        if found:
            yield {"name": name, "mark": mark, "text": _SPECIAL[name](found)}


def _of_returns(found: Mapping[str, Ends]) -> str:
    show = FIGURES["profit_factor"]
    values = ", ".join(f"{show(interval['value'])} ({title})" for title, interval in found.items())
    return (
        "Profit factor: the figure is of money; the interval is of returns, where every trade "
        f"weighs the same, and around {values}."
    )


def _nominal(_: Mapping[str, Ends]) -> str:
    return (
        "Sharpe ratio: on simulated accounts, whose truth is known, the interval held it in about "
        f"{fraction(MEASURED['sharpe'], 0)} of samples, in the worst kind of market in "
        f"{fraction(0.84, 0)}."
    )


def _range(_: Mapping[str, Ends]) -> str:
    return (
        f"Largest drawdown: no interval but a range, how deep {fraction(0.95, 0)} of accounts fall "
        "that go through the same days in another order. A further run stayed within it in about "
        f"{fraction(0.78, 0)} of samples, in the worst kind of market in {fraction(0.64, 0)}."
    )


# How figures are marked whose interval is another thing than below the others, and what it is.
MARKS: Mapping[str, str] = {
    "profit_factor": "*",
    "sharpe": "\N{DAGGER}",
    "max_drawdown": "\N{DOUBLE DAGGER}",
}
_SPECIAL: Mapping[str, Callable[[Mapping[str, Ends]], str]] = {
    "profit_factor": _of_returns,
    "sharpe": _nominal,
    "max_drawdown": _range,
}


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
