"""What a search tried that chose the settings of the run, and how much of what it shows is luck."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.labels import FIGURES
from engine.report_html.report import Report
from engine.report_html.section import Section, render
from engine.report_html.words import DASH, fraction, number, typeset
from engine.search_words import BESIDE, FORMS, by_importance, cell, heads, said


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A table of the section; the first cell of a row is its name."""

    name: str
    title: str
    note: str = ""
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


def search(report: Report) -> Section | None:
    """Return what was tried; None for a run whose settings nobody searched for."""
    found = report.document.get("search")
    if found is None:
        return None
    return Section(
        name="search",
        title="Search",
        html=render(
            "search.html",
            tried=_tried(found),
            warning=found["warning"],
            worth=_worth(found),
            tables=_of_windows(found) if "windows" in found else _of_sets(found),
        ),
    )


def _tried(found: Mapping[str, Any]) -> str:
    objective = FIGURES[found["objective"]].lower()
    if "windows" in found:
        return (
            f"{found['trials']:,} sets of settings were tried in {len(found['windows'])} windows, "
            f"{found['walk_forward']}, and compared by {objective}; this run goes over all tests."
        )
    refused = f", {found['refused']:,} refused" if found["refused"] else ""
    return (
        f"{found['trials']:,} sets of settings were tried on these bars{refused}; "
        f"{found['compared']:,} traded at least {found['fewest_trades']:,} times and were compared "
        f"by {objective}. This run is that of the best, set {found['best']['number']}."
    )


def _worth(found: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the figures that say how much the choice explains, and what each means."""
    overfitting = found["overfitting"]
    splits = "" if overfitting is None else f" of {overfitting['splits']:,}"
    shares = "the mean of the windows" if "windows" in found else f"share{splits} ways to halve"
    told = [
        {
            "name": "deflated_sharpe",
            "title": "Deflated Sharpe ratio",
            "value": fraction(found["deflated_sharpe"], 1),
            "note": f"sure that the Sharpe ratio is above what luck alone makes of the best of "
            f"{found['looked_at']:,} configurations; 95\N{NO-BREAK SPACE}% is the usual bar",
        },
        {
            "name": "pbo",
            "title": "Probability of backtest overfitting",
            "value": fraction(found["pbo"], 1),
            "note": f"{shares}; about 50\N{NO-BREAK SPACE}% means that the choice is luck",
        },
    ]
    if overfitting is not None:
        told.append(
            {
                "name": "loss",
                "title": "Lost money on the other half",
                "value": fraction(overfitting["loss"], 1),
                "note": "of those ways, for the set that was the best on one half",
            }
        )
    return told


def _of_sets(found: Mapping[str, Any]) -> list[_Table]:
    weights, beside = found["importance"], found["table"][:BESIDE]
    sets = _Table(
        name="sets",
        title="The best sets, as they were tried",
        heads=["Set", *(FIGURES[name] for name in FORMS)],
        rows=[
            [_numbered(place, trial["number"]), *_figures(trial["figures"])]
            for place, trial in enumerate(found["table"])
        ],
    )
    keys = _Table(
        name="keys",
        title="What was searched for",
        note="Importance (PED-ANOVA) says in which keys the better sets differ from the others. It "
        "explains the search, not the market.",
        heads=["Key", "Importance", *heads(each["number"] for each in beside)],
        rows=[
            [key, fraction(weights.get(key), 1), *(said(each["values"][key]) for each in beside)]
            for key in by_importance(found["space"], weights)
        ],
    )
    return [sets, keys]


def _of_windows(found: Mapping[str, Any]) -> list[_Table]:
    told = found["windows"]
    windows = _Table(
        name="windows",
        title="Each window: its best set where it was chosen, and on the test that it had not seen",
        heads=[
            *("Window", "Test from", "Sets", "Refused", "PBO"),
            *("Trained on", "Tested", "Configured", "Trades"),
        ],
        rows=[_window(each, found["objective"]) for each in told],
    )
    keys = _Table(
        name="keys",
        title="The best set of each window",
        heads=["Key", *(f"Window {each['window']}" for each in told)],
        rows=[[key, *(_value(each["best"], key) for each in told)] for key in found["space"]],
    )
    return [windows, keys]


def _window(window: Mapping[str, Any], objective: str) -> list[str]:
    """Return the cells of a window: what was found in its train part, and what came of it."""
    best = window["best"]
    return [
        str(window["window"]),
        window["train_end"][:10],
        number(window["trials"], 0),
        number(window["refused"], 0),
        fraction(window["pbo"], 0),
        _shown(objective, None if best is None else best["score"]),
        _shown(objective, window["test"][objective]),
        _shown(objective, window["test_configured"][objective]),
        number(window["test"]["trades"], 0),
    ]


def _numbered(place: int, number: int) -> str:
    return f"{number}{'' if place else ' (best)'}"


def _figures(figures: Mapping[str, float | None]) -> list[str]:
    return [_shown(name, figures[name]) for name in FORMS]


def _shown(figure: str, value: float | None) -> str:
    return DASH if value is None else typeset(cell(figure, value))


def _value(best: Mapping[str, Any] | None, key: str) -> str:
    return DASH if best is None else said(best["values"][key])
