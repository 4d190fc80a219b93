"""What a search tried that chose the settings of the run, and how much of what it shows is luck."""

from collections.abc import Mapping
from typing import Any

from engine.labels import FIGURES
from engine.report_html.report import Report
from engine.report_html.section import Section, render
from engine.report_html.words import DASH, fraction, number, typeset
from engine.search_words import BESIDE, FORMS, by_importance, cell, heads, said


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
            figures=list(FORMS),
            sets=[] if in_windows else [_set(each) for each in found["table"]],
            heads=_window_heads(found) if in_windows else _heads(found),
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
    cells = [_shown(name, trial["figures"][name]) for name in FORMS]
    return {"number": trial["number"], "cells": cells}


def _shown(figure: str, value: float | None) -> str:
    return DASH if value is None else typeset(cell(figure, value))


def _heads(found: Mapping[str, Any]) -> list[str]:
    return heads(each["number"] for each in found["table"][:BESIDE])


def _keys(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the values of the best sets by key, the one that matters most first."""
    weights, sets = found["importance"], found["table"][:BESIDE]
    return [
        {
            "name": key,
            "importance": fraction(weights.get(key), 1),
            "values": [said(each["values"][key]) for each in sets],
        }
        for key in by_importance(found["space"], weights)
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
            "values": [DASH if best is None else said(best["values"][key]) for best in bests],
        }
        for key in found["space"]
    ]


def _window(window: Mapping[str, Any], objective: str) -> dict[str, Any]:
    """Return the cells of a window: what was found in its train part, and what came of it."""
    best = window["best"]
    return {
        "number": window["window"],
        "cells": [
            window["train_end"][:10],
            number(window["trials"], 0),
            fraction(window["pbo"], 0),
            _shown(objective, None if best is None else best["score"]),
            _shown(objective, window["test"][objective]),
            _shown(objective, window["test_configured"][objective]),
            number(window["test"]["trades"], 0),
        ],
    }
