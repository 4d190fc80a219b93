"""How well both versions tell the newest rows, which neither has learned from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.tables import UNDEFINED, rendered, table
from feeds.moments import iso, readable
from ml.bundle import Bundle
from ml.errors import TrainingError
from ml.splits import Parts
from ml.training.data_pipeline import TrainingSet
from ml.training.evaluator import evaluate
from ml.training.trainer import Trained

MIN_COMPARED = 100  # rows; what fewer say of two versions is chance

# The scores that are set side by side: title and key.
_SCORES = {"ROC AUC": "roc_auc", "PR AUC": "pr_auc", "Brier": "brier", "Log loss": "log_loss"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Old against new on rows that neither has learned from nor been judged by before.

    Attributes
    ----------
    since : the rows are those decided from then on
    rows, ones : how many rows, and how many of them came true
    old, new : `ml.training.evaluator.Evaluation` in JSON's own types
    untold : why nothing can be said; then there are no figures
    silent : whether that is because the old version has no answer
    """

    since: np.datetime64
    rows: int
    ones: int
    old: Mapping[str, Any] | None = None
    new: Mapping[str, Any] | None = None
    untold: str | None = None
    silent: bool = False

    @property
    def chance(self) -> float | None:
        """The standard error of the ROC AUC of a ranking without skill, were rows independent."""
        zeros = self.rows - self.ones
        if self.untold is not None:
            return None
        return float(np.sqrt((self.rows + 1) / (12.0 * self.ones * zeros)))

    def to_json(self) -> dict[str, Any]:
        """Return the comparison in JSON's own types."""
        facts = {
            name: getattr(self, name) for name in ("rows", "ones", "old", "new", "untold", "silent")
        }
        return {"since": iso(self.since), **facts, "roc_auc_chance": self.chance}

    def text(self) -> str:
        """Return both versions side by side."""
        head = f"newest rows: {self.rows:,} decided from {readable(self.since)} on"
        if self.old is None or self.new is None:
            return f"{head}\nwhich version is better cannot be told: {self.untold}\n"
        facts = [
            f"{head}, {self.ones / self.rows:.1%} of them ones",
            "neither version has learned from them; chance alone moves the ROC AUC of so many by "
            f"{self.chance:.3f}",
        ]
        tables = (_scores(self.old, self.new), _bands(self.old["bands"], self.new["bands"]))
        return "\n".join([*facts, *self._left_out(), "", *tables])

    def _left_out(self) -> list[str]:
        versions = {"old": self.old or {}, "new": self.new or {}}
        return [
            f"*** {name} of the {version} version LEFT OUT: {why} ***"
            for version, evaluation in versions.items()
            for name, why in evaluation["left_out"].items()
        ]


def compare(old: Bundle, trained: Trained, rows: TrainingSet) -> Comparison:
    """Ask both versions about the newest rows, which are out of sample for both."""
    since = newest_from(old.manifest.seen_until_ms, trained.parts, rows)
    newest = rows.take(rows.decided_at >= since)
    found = Comparison(since=since, rows=len(newest), ones=int(newest.y.sum()))
    untold = _untold(found)
    if untold is not None:
        return replace(found, untold=untold)
    try:
        asked = evaluate(old.ensemble, newest).to_json()
    except TrainingError as error:  # then an update mends it
        untold = f"the old version has no answer: {error}"
        return replace(found, untold=untold, silent=True)
    return replace(found, old=asked, new=evaluate(trained.ensemble, newest).to_json())


def newest_from(seen_until: np.datetime64, parts: Parts, rows: TrainingSet) -> np.datetime64:
    """Return the moment from which on a row is new to both versions.

    The old one has seen what was known at `seen_until`, its test part included; the new one has
    learned and was calibrated before its own test part, or from all rows where it has none.
    """
    if len(parts.test):
        start: np.datetime64 = rows.decided_at[parts.test].min()
    else:
        start = rows.known_at.max()
    return max(seen_until, start)


def _untold(found: Comparison) -> str | None:
    if found.rows < MIN_COMPARED:
        return f"it takes {MIN_COMPARED} rows at least"
    if found.ones in (0, found.rows):
        return "it takes rows of both labels"
    return None


# As text


def _scores(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    shown = table("Version", *_SCORES)
    for name, evaluation in (("old", old), ("new", new)):
        scores = evaluation["ensemble"]
        shown.add_row(name, *(f"{scores[key]:.4f}" for key in _SCORES.values()))
    return rendered(shown)


def _bands(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> str:
    shown = table("Score band", "Old: asked bars", "Ones", "New: asked bars", "Ones")
    for pair in zip(old, new, strict=True):
        floor = pair[0]["floor"]
        cells = [cell for band in pair for cell in (f"{band['rows']:,}", _share(band["observed"]))]
        shown.add_row(f">= {floor:.2f}" if floor else "below", *cells)
    return rendered(shown)


def _share(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.1%}"
