"""Trainings and evaluations as text."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from engine.tables import UNDEFINED, formatted, rendered, stamp_line, table
from feeds.identity import SYNTHETIC
from feeds.messages import counted
from feeds.moments import parse_utc, readable
from ml.manifest import Manifest

Facts = Mapping[str, Any]

# The scores of a predictor: title and form. The log loss is in the JSON only.
_SCORES: Mapping[str, tuple[str, str]] = {
    "accuracy": ("Acc.", ".3f"),
    "balanced_accuracy": ("Bal.", ".3f"),
    "precision": ("Prec.", ".3f"),
    "recall": ("Recall", ".3f"),
    "f1": ("F1", ".3f"),
    "roc_auc": ("ROC AUC", ".3f"),
    "pr_auc": ("PR AUC", ".3f"),
    "brier": ("Brier", ".4f"),
    "expected_calibration_error": ("ECE", ".3f"),
}

_OF_EXITS: Facts = {
    "barrier": "the strategy's exits end in profit after costs",
    "payoff": "the strategy's exits after costs, each trade by what it won or lost",
}


def training_text(manifest: Manifest) -> str:
    """Return what was learned from, and how good it is on the test part if there is one."""
    training: Any = manifest.metrics["training"]
    facts = [
        f"{', '.join(manifest.symbols)} {manifest.timeframe}, {label_text(manifest.label)}, "
        f"population {manifest.population}",
        f"seen until {manifest.seen_until:%Y-%m-%d %H:%M}Z; base rate {training['base_rate']:.3f}; "
        f"{counted(training['purged'], 'row')} purged between the parts",
    ]
    tables = [_parts_table(training["parts"]), _members_table(training["members"])]
    said = "\n".join([*facts, "", *map(rendered, tables)])
    test: Any = manifest.metrics.get("test")
    scores = "no test part" if test is None else evaluation_text(test, "test part")
    return f"{synthetic_line(synthetic=manifest.synthetic)}{said}\n{scores}"


def evaluation_text(evaluation: Facts, where: str) -> str:
    """Return members and ensemble beside the baseline, the score bands, what is reliable.

    Parameters
    ----------
    evaluation : `ml.training.evaluator.Evaluation.to_json()`
    where : which rows these are
    """
    title = f"{where}: {evaluation['rows']:,} rows, {evaluation['positive_rate']:.1%} of them ones"
    left_out = [f"*** {name} LEFT OUT: {why} ***" for name, why in evaluation["left_out"].items()]
    tables = [
        _scores_table(evaluation),
        _confusion_table(evaluation),
        _bands_table(evaluation["bands"]),
        _reliability_table(evaluation["ensemble"]["reliability"]),
    ]
    return "\n".join([title, *left_out, "", *map(rendered, tables)])


def synthetic_line(*, synthetic: bool) -> str:
    """Return the line that figures from simulated bars must bear."""
    return stamp_line(SYNTHETIC) if synthetic else ""


def label_text(label: Facts) -> str:
    """Return the label in words.

    >>> label_text({"kind": "horizon", "lookahead": 5, "profit_threshold": 0.005})
    'label horizon: +0.5 % within 5 bars'
    """
    if label["kind"] in _OF_EXITS:
        return f"label {label['kind']}: {_OF_EXITS[label['kind']]}"
    percent = f"{100 * label['profit_threshold']:.4g}"
    return f"label horizon: +{percent} % within {label['lookahead']} bars"


def _parts_table(parts: Facts) -> Table:
    shown = table("Part", "Rows", "Ones", "First decision", "Last decision")
    for name, part in parts.items():
        moments = (readable(parse_utc(part[key])) for key in ("first", "last"))
        shown.add_row(name, f"{part['rows']:,}", f"{part['positive_rate']:.1%}", *moments)
    return shown


def _members_table(members: Facts) -> Table:
    shown = table("Member", "Rows given", "of them SMOTE", "Rows used", "Seconds")
    for name, member in members.items():
        counts = (f"{member[key]:,}" for key in ("rows", "synthetic_rows", "rows_used"))
        shown.add_row(name, *counts, f"{member['seconds']:.1f}")
    return shown


def _scores_table(evaluation: Facts) -> Table:
    """Return one row per predictor; the baseline ranks, and says nothing else."""
    shown = table("Predictor", *(title for title, _ in _SCORES.values()))
    predictors = {**evaluation["members"], "ENSEMBLE": evaluation["ensemble"]}
    predictors["volatility alone"] = {"roc_auc": evaluation["volatility_roc_auc"]}
    for name, scores in predictors.items():
        shown.add_row(
            name, *(formatted(scores.get(key), form) for key, (_, form) in _SCORES.items())
        )
    return shown


def _confusion_table(evaluation: Facts) -> Table:
    shown = table("At 0.50 or more", "TP", "FP", "FN", "TN")
    keys = ("true_positives", "false_positives", "false_negatives", "true_negatives")
    for name, scores in {**evaluation["members"], "ENSEMBLE": evaluation["ensemble"]}.items():
        shown.add_row(name, *(f"{scores['confusion'][key]:,}" for key in keys))
    return shown


def _bands_table(bands: Sequence[Facts]) -> Table:
    shown = table("Score band", "Asked bars", "Share", "Ones")
    whole = sum(band["rows"] for band in bands)
    for band in bands:
        name = f">= {band['floor']:.2f}" if band["floor"] else "below"
        share = f"{band['rows'] / whole:.1%}" if whole else UNDEFINED
        shown.add_row(name, f"{band['rows']:,}", share, formatted(band["observed"], ".1%"))
    return shown


def _reliability_table(bins: Sequence[Facts]) -> Table:
    shown = table("Natural probability", "Rows", "Said", "Came")
    for each in bins:
        span = f"{each['low']:.1f} to {each['high']:.1f}"
        said, came = each["mean_probability"], each["observed"]
        shown.add_row(span, f"{each['rows']:,}", f"{said:.3f}", f"{came:.3f}")
    return shown
