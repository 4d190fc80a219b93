"""What the ensemble knew: how well it ranked, how true its word was, and what it was made of."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.report_html.model_words import (
    asked_words,
    best_alone,
    between,
    drift_words,
    left_out,
    share,
    skill,
)
from engine.report_html.report import Report
from engine.report_html.section import Section, render
from engine.report_html.words import DASH, fraction, number
from engine.tables import run_name

Facts = Mapping[str, Any]

SHOWN_FEATURES = 12
_DRAWN_OF_PREDICTORS = (
    "name",
    "kind",
    "roc_auc",
    "curve",
    "reliability",
    "histogram",
    "contribution",
)
_TITLE = "The ensemble"


def model(report: Report) -> Section | None:
    """Return the section of the ensemble; None for runs without ML."""
    told = report.model
    if told is None and all(run["ml"] == "off" for run in report.document["runs"]):
        return None
    if told is None or "unavailable" in told:
        html = render("model_unavailable.html", reason=(told or {}).get("unavailable"))
        return Section(name="model", title=_TITLE, html=html)
    return Section(
        name="model",
        title=_TITLE,
        html=render("model.html", **_words(report, told)),
        data=_drawn(told),
    )


def _words(report: Report, told: Facts) -> dict[str, Any]:
    windows, titles = told["windows"], {"on": run_name("on"), **report.titles}
    # Of a walk-forward the newest bundle alone is at hand, which answered the last test only.
    tested = {} if windows else {each["name"]: each["roc_auc"] for each in told["trained"]}
    return {
        "about": told["about"],
        "rows": told["rows"],
        "seen": told["rows"]["seen"],
        "sentences": [*asked_words(told["rows"], _asked(report), titles["on"]), *skill(told)],
        "left_out": left_out(told["rows"]),
        "predictors": [_scores(each, tested) for each in told["predictors"]],
        "answering": [each["name"] for each in told["predictors"] if "reliability" in each],
        "reliability": _reliability(told["predictors"]),
        "bands": _bands(told["bands"]),
        "trained": [_trained(each) for each in told["trained"]],
        "drift": None if told["drift"] is None else _drift(told["drift"]),
        "followed": _followed(told["followed"]),
        "importance": report.importance,
        "in_a_file": bool(report.settings_file),
        "windows": None if windows is None else [_window(each) for each in windows["each"]],
        "titles": [titles[run["ml"]] for run in report.document["runs"]],
        "worst": [] if windows is None else windows["worst_features"],
    }


def _asked(report: Report) -> int:
    """Return on how many bars the run with ML asked."""
    return sum(run["ml_asked"] for run in report.document["runs"])


def _scores(each: Facts, tested: Mapping[str, float | None]) -> dict[str, str]:
    """Return a row of the table of predictors; the baseline ranks, and says nothing else."""
    contribution = each.get("contribution")
    return {
        "name": each["name"],
        "weight": fraction(each.get("weight"), 0),
        "rows": f"{each['rows']:,}",
        "roc_auc": between(each["roc_auc"]),
        "brier": number(each.get("brier"), 4),
        "calibration_error": number(each.get("calibration_error"), 3),
        "of_roc_auc": between(contribution["roc_auc"], 4) if contribution else DASH,
        "of_brier": number(contribution["brier"], 4) if contribution else DASH,
        "tested": number(tested.get(each["name"]), 3),
    }


def _reliability(predictors: Sequence[Facts]) -> list[dict[str, str]]:
    return [
        {
            "name": each["name"],
            "span": f"{bin_['low']:.1f} to {bin_['high']:.1f}",
            "rows": f"{bin_['rows']:,}",
            "said": fraction(bin_["said"], 1),
            "came": share(bin_["came"]),
        }
        for each in predictors
        for bin_ in each.get("reliability", ())
    ]


def _bands(bands: Sequence[Facts]) -> list[dict[str, str]]:
    whole = sum(band["rows"] for band in bands)
    return [
        {
            "floor": f"{band['floor']:.2f} or more" if band["floor"] else "below",
            "rows": f"{band['rows']:,}",
            "share": fraction(band["rows"] / whole if whole else None, 1),
            "came": fraction(band["observed"], 1),
        }
        for band in bands
    ]


def _trained(member: Facts) -> dict[str, str]:
    rows, seconds = member["rows"], member["seconds"]
    return {
        "name": member["name"],
        "weight": number(member["weight"], 2),
        "rows": number(rows, 0),
        "seconds": number(seconds, 1),
        "slope": number(member["slope"], 2),
        "part": member["part"],
        "roc_auc": number(member["roc_auc"], 3),
        "brier": number(member["brier"], 4),
    }


def _drift(drift: Facts) -> dict[str, Any]:
    features = sorted(drift.get("features", ()), key=lambda each: each["usual"] - each["largest"])[
        :SHOWN_FEATURES
    ]
    return {
        "sentences": drift_words(drift),
        "known": "unknown" not in drift,
        "stretches": len(drift.get("ends", ())),
        "features": [
            {
                "name": each["name"],
                "usual": number(each["usual"], 2),
                "largest": number(each["largest"], 2),
                "at": each["at"][:10],
                "drifted": f"{each['drifted']:,}",
            }
            for each in features
        ],
    }


def _followed(followed: Facts | None) -> dict[str, Any] | None:
    if followed is None:
        return None
    return {
        "rows": f"{followed['rows']:,}",
        "all": len(followed["features"]),
        "best": best_alone(followed["features"]),
        "features": [
            {
                "name": each["name"],
                "family": each["family"],
                "correlation": number(each["correlation"], 2),
                "roc_auc": number(each["roc_auc"], 3),
            }
            for each in followed["features"][:SHOWN_FEATURES]
        ],
    }


def _window(window: Facts) -> dict[str, Any]:
    drift = window["drift"] or {}
    return {
        "number": window["window"],
        "train": f"{window['train_start'][:10]} to {window['train_end'][:10]}",
        "test": f"{window['train_end'][:10]} to {window['test_end'][:10]}",
        "candidates": f"{window['candidates']['rows']:,}",
        "candidate_auc": number(window["candidates"]["roc_auc"], 3),
        "asked_auc": between(window["roc_auc"]),
        "brier": number(window["candidates"]["brier"], 4),
        "drifted": str(drift["features_large"]) if drift else number(None, 0),
        "trades": [
            {"trades": f"{each['trades']:,}", "expectancy": fraction(each["expectancy"], 3)}
            for each in window["trades"].values()
        ],
    }


def _drawn(told: Facts) -> dict[str, Any]:
    """Return what the charts are drawn from."""
    windows = told["windows"]
    return {
        "predictors": [
            {key: each.get(key) for key in _DRAWN_OF_PREDICTORS} for each in told["predictors"]
        ],
        "followed": followed["features"][:SHOWN_FEATURES]
        if (followed := told["followed"])
        else None,
        "edges": told["edges"],
        "thresholds": told["thresholds"],
        "drift": told["drift"] if told["drift"] and "unknown" not in told["drift"] else None,
        "windows": None if windows is None else windows["each"],
    }
