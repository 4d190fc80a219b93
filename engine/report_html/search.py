"""What a search tried that chose the settings of the run, and how much of what it shows is luck."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from engine.labels import FIGURES
from engine.report_html.report import Report
from engine.report_html.section import Section, render
from engine.report_html.words import DASH, fraction, number

# The figures of a set, as its table has them, and how they are written.
_FIGURES: Mapping[str, Callable[[float | None], str]] = {
    "trades": partial(number, digits=0),
    "expectancy": partial(fraction, digits=3),
    "profit_factor": partial(number, digits=2),
    "sharpe": partial(number, digits=2),
    "total_return": partial(fraction, digits=1),
    "max_drawdown": partial(fraction, digits=1),
    "win_rate": partial(fraction, digits=1),
}
_BESIDE = 4  # sets whose values stand beside each other


def search(report: Report) -> Section | None:
    """Return what was tried; None for a run whose settings nobody searched for."""
    found = report.document.get("search")
    if found is None:
        return None
    in_windows = "windows" in found
    return Section(
        name="search",
        title="Search",
        html=render(
            "search.html",
            tried=_tried(found),
            warning=found["warning"],
            worth=_worth(found),
            figures=list(_FIGURES),
            sets=[] if in_windows else [_set(each) for each in found["table"]],
            heads=_heads(found["table"][:_BESIDE]) if not in_windows else _window_heads(found),
            keys=_window_keys(found) if in_windows else _keys(found),
            windows=[_window(each, found["objective"]) for each in found.get("windows", [])],
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


def _set(trial: Mapping[str, Any]) -> dict[str, Any]:
    cells = [show(trial["figures"][name]) for name, show in _FIGURES.items()]
    return {"number": trial["number"], "cells": cells}


def _heads(sets: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what sets are called beside each other, the best first."""
    return [f"Set {each['number']}{'' if place else ' (best)'}" for place, each in enumerate(sets)]


def _keys(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the values of the best sets by key, the one that matters most first."""
    weights, sets = found["importance"], found["table"][:_BESIDE]
    return [
        {
            "name": key,
            "importance": fraction(weights.get(key), 1),
            "values": [_said(each["values"][key]) for each in sets],
        }
        for key in sorted(found["space"], key=lambda key: -weights.get(key, 0.0))
    ]


def _window_heads(found: Mapping[str, Any]) -> list[str]:
    return [f"Window {each['window']}" for each in found["windows"]]


def _window_keys(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the values of each window's best set, by key."""
    bests = [each["best"] for each in found["windows"]]
    return [
        {
            "name": key,
            "importance": "",
            "values": [DASH if best is None else _said(best["values"][key]) for best in bests],
        }
        for key in found["space"]
    ]


def _window(window: Mapping[str, Any], objective: str) -> dict[str, Any]:
    """Return the cells of a window: what was found in its train part, and what came of it."""
    show, best = _FIGURES[objective], window["best"]
    return {
        "number": window["window"],
        "cells": [
            window["train_end"][:10],
            number(window["trials"], 0),
            fraction(window["pbo"], 0),
            show(None if best is None else best["score"]),
            show(window["test"][objective]),
            show(window["test_configured"][objective]),
            number(window["test"]["trades"], 0),
        ],
    }


def _said(value: Any) -> str:
    """Return a value as tables write it."""
    if value is None:
        return "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
