"""What a tuning found, and what a training took up, as text."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.tables import UNDEFINED, rendered, table
from ml.manifest import Manifest

Facts = Mapping[str, Any]


def tuning_text(manifest: Manifest) -> str:
    """Return what the manifest says of trials and of members that were taken up, or nothing."""
    training: Any = manifest.metrics.get("training", {})
    said = [_taken_up(training.get("members", {})), _trials(manifest.tuning)]
    return "".join(f"\n{part}" for part in said if part)


def _taken_up(members: Facts) -> str:
    names = [name for name, member in members.items() if member.get("taken_up")]
    if not names:
        return ""
    return f"taken up from a training that did not end: {', '.join(names)}\n"


def _trials(tuning: Facts) -> str:
    if not tuning:
        return ""
    head = (
        f"tuning: {tuning['trials']:,} trials on {tuning['folds']} folds of the train part "
        f"({tuning['rows']:,} rows); ROC AUC, mean over the folds\n"
        "(the best of many trials on the same folds flatters itself; the test part has seen none)"
    )
    shown = table("Member", "Trials", "Cut short", "Failed", "Defaults", "Best", "Best by fold")
    for name, found in tuning["members"].items():
        counts = (f"{found[key]:,}" for key in ("trials", "pruned", "failed"))
        scores = (f"{found[key]:.4f}" for key in ("default_score", "best_score"))
        shown.add_row(name, *counts, *scores, _range(found["best_folds"]))
    chosen = table("Member", "Parameters", "instead of")
    for name, found in tuning["members"].items():
        chosen.add_row(name, *_changed(found["best_params"], found["default_params"]))
    return f"{head}\n\n{rendered(shown)}\n{rendered(chosen)}"


def _range(scores: Sequence[float]) -> str:
    return f"{min(scores):.3f} to {max(scores):.3f}"


def _changed(best: Facts, default: Facts) -> tuple[str, str]:
    if best == default:
        return "the defaults", UNDEFINED
    return _named(best), _named(default)


def _named(params: Facts) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in params.items())
