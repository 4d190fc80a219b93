"""What an ensemble leans on, as text."""

from collections.abc import Sequence

from rich.table import Table

from engine.tables import UNDEFINED, rendered, table
from ml.training.contribution import Contributions
from ml.training.importance import (
    NOISE_DEVIATIONS,
    Importance,
    Shuffled,
    Worsening,
)

SHOWN = 20  # features; the JSON holds them all

_LOSSES = ("ROC AUC, worse by", "Log loss, worse by", "Noise")


def importance_text(importance: Importance) -> str:
    """Return the families and the first features, and how to read them."""
    features = importance.features
    head = (
        f"feature importance: {importance.rows:,} of {importance.of_rows:,} rows, evenly in time; "
        f"{importance.repeats} draws, seed {importance.seed}\n"
        f"as they are: ROC AUC {importance.roc_auc:.4f}, log loss {importance.log_loss:.4f}"
    )
    reading = (
        "mean ± deviation of the draws, which is smaller than that between periods; "
        f"noise: at most {NOISE_DEVIATIONS:g} of them\n"
        "a family is shuffled as a whole: its loss is not the sum of its features'\n"
        "this is what the ensemble leans on in these rows, not what moves prices"
    )
    kept = "" if len(features) <= SHOWN else f"the first {SHOWN} of {len(features)} features\n\n"
    families = rendered(_families_table(importance.families))
    return f"{head}\n\n{families}\n{kept}{rendered(_features_table(features[:SHOWN]))}\n{reading}\n"


def contributions_text(contributions: Contributions) -> str:
    """Return by how much the ensemble is worse without each member."""
    shown = table("Without", "Weight", "ROC AUC, worse by", "Log loss, worse by", "Brier, worse by")
    for each in contributions.members:
        scores = (each.roc_auc, each.log_loss, each.brier)
        shown.add_row(each.name, f"{each.weight:.2f}", *map(_signed, scores))
    head = f"member contribution: the vote without it, {contributions.rows:,} rows"
    reading = "above 0 the ensemble is worse without the member: the member helps"
    return f"{head}\n\n{rendered(shown)}\n{reading}\n"


def _families_table(families: Sequence[Shuffled]) -> Table:
    shown = table("Family, shuffled", "Features", *_LOSSES)
    for each in families:
        shown.add_row(each.name, str(each.features), *_losses(each))
    return shown


def _features_table(features: Sequence[Shuffled]) -> Table:
    shown = table("Feature, shuffled", "Family", *_LOSSES)
    for each in features:
        shown.add_row(each.name, each.family, *_losses(each))
    return shown


def _losses(shuffled: Shuffled) -> tuple[str, str, str]:
    noise = "" if shuffled.above_noise else "noise"
    return _spread(shuffled.roc_auc), _spread(shuffled.log_loss), noise


def _spread(worsening: Worsening) -> str:
    return f"{worsening.mean:+.4f} ± {worsening.deviation:.4f}"


def _signed(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:+.4f}"
