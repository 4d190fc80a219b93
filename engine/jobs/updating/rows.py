"""How well both versions tell the newest rows, which neither has learned from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.tables import UNDEFINED, rendered, table
from feeds.moments import iso, readable
from ml.bundle import Bundle
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
    rows, ones : how many rows the old version answers, and how many of them came true
    unanswered : how many more it does not answer, on which neither is scored
    old, new : `ml.training.evaluator.Evaluation` in JSON's own types
    untold : why nothing can be said; then there are no figures
    silent : whether that is because the old version answers no row at all
    """

    since: np.datetime64
    rows: int
    ones: int
    unanswered: int = 0
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
        names = ("rows", "ones", "unanswered", "old", "new", "untold", "silent")
        facts = {name: getattr(self, name) for name in names}
        return {"since": iso(self.since), **facts, "roc_auc_chance": self.chance}

    def text(self) -> str:
        """Return both versions side by side."""
        head = f"newest rows: {self.rows:,} decided from {readable(self.since)} on"
        if self.unanswered:
            head += f", beside {self.unanswered:,} that the old version does not answer"
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
    """Ask both versions about the newest rows, which are out of sample for both.

    They are scored on the rows that the old one answers. It is silent if that is none, of
    MIN_COMPARED rows at least: where fewer are new, the last of the others are asked, too.
    """
    since = newest_from(old.manifest.seen_until_ms, trained.parts, rows)
    first = int(np.searchsorted(rows.decided_at, since))
    begin = max(0, min(first, len(rows) - MIN_COMPARED))
    said = old.ensemble.predict(rows.samples.take(np.arange(begin, len(rows))))
    answered = begin + np.flatnonzero(said.available)
    scored = rows.take(answered[answered >= first])
    unanswered = len(rows) - first - len(scored)
    found = Comparison(
        since=since, rows=len(scored), ones=int(scored.y.sum()), unanswered=unanswered
    )
    if not len(answered):  # then an update mends it
        why = f"the old version has no answer: {next(iter(said.reasons.values()))}"
        return replace(found, untold=why, silent=True)
    untold = _untold(found)
    if untold is not None:
        return replace(found, untold=untold)
    asked, new = (evaluate(each.ensemble, scored).to_json() for each in (old, trained))
    return replace(found, old=asked, new=new)


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
