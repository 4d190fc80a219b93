"""What an update did: how the window grew, and old against new on the newest rows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.jobs.learning_report import training_text
from engine.tables import UNDEFINED, rendered, table
from feeds.gaps import Hole
from feeds.moments import iso, readable
from ml.manifest import Manifest

# The scores that are set side by side: title and key.
_SCORES = {"ROC AUC": "roc_auc", "PR AUC": "pr_auc", "Brier": "brier", "Log loss": "log_loss"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What a bundle was trained on.

    Attributes
    ----------
    bars : of all symbols, filled ones not counted
    rows : that the bars held for the training; None if the bundle does not say
    first, until : when the first bar opened and the last one closed
    """

    bars: int
    rows: int | None
    first: np.datetime64
    until: np.datetime64

    def to_json(self) -> dict[str, Any]:
        """Return the window in JSON's own types."""
        return {**asdict(self), "first": iso(self.first), "until": iso(self.until)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How the bars of one symbol grew; filled bars are not counted.

    Attributes
    ----------
    before : bars until now; 0 for a symbol that the bundle did not know
    added : bars behind them
    passed_over : new bars ahead of their end that they do not have; not taken
    missing : between the last bar before and the first added one
    """

    symbol: str
    before: int
    added: int
    passed_over: int = 0
    missing: Hole | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the growth in JSON's own types."""
        return {
            "symbol": self.symbol,
            "before": self.before,
            "added": self.added,
            "passed_over": self.passed_over,
            "missing": 0 if self.missing is None else self.missing.missing,
        }

    def notes(self) -> list[str]:
        """Return what a person should know of it, a line each."""
        said = []
        if not self.before:
            said.append("new to the bundle")
        if not self.added:
            said.append("no new bars; kept as it was")
        if self.missing is not None:
            said.append(f"a hole of {self.missing} that nobody brought")
        if self.passed_over:
            said.append(
                f"{self.passed_over:,} bars that the old ones lack ahead of their end are passed "
                "over; train once with the whole history to take them in"
            )
        return [f"{self.symbol}: {line}" for line in said]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Old against new on rows that neither has learned from nor been judged by before.

    Attributes
    ----------
    since : the rows are those decided from then on
    rows, ones : how many rows, and how many of them came true
    old, new : `ml.training.evaluator.Evaluation` in JSON's own types
    untold : why nothing can be said; then there are no figures
    """

    since: np.datetime64
    rows: int
    ones: int
    old: Mapping[str, Any] | None = None
    new: Mapping[str, Any] | None = None
    untold: str | None = None

    @property
    def chance(self) -> float | None:
        """The standard error of the ROC AUC of a ranking without skill, were rows independent."""
        zeros = self.rows - self.ones
        if self.untold is not None:
            return None
        return float(np.sqrt((self.rows + 1) / (12.0 * self.ones * zeros)))

    def to_json(self) -> dict[str, Any]:
        """Return the comparison in JSON's own types."""
        facts = {name: getattr(self, name) for name in ("rows", "ones", "old", "new", "untold")}
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


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateReport:
    """A bundle that was extended.

    Attributes
    ----------
    manifest : of the new version
    version, previous : folder of the new version, now in force, and of the one it extends
    before, now : the window
    growth : by symbol
    comparison : on the newest rows
    """

    manifest: Manifest
    version: Path
    previous: Path
    before: Window
    now: Window
    growth: Sequence[Growth]
    comparison: Comparison

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        facts = self.manifest.model_dump(mode="json", exclude={"feature_names", "references"})
        return {
            "bundle": str(self.version.parent),
            "version": self.version.name,
            "previous": self.previous.name,
            "window": {"before": self.before.to_json(), "now": self.now.to_json()},
            "growth": [each.to_json() for each in self.growth],
            "comparison": self.comparison.to_json(),
            "features": len(self.manifest.feature_names),
            **facts,
        }

    def text(self) -> str:
        """Return the tables that a person reads."""
        notes = [*self._tuning_note(), *(note for each in self.growth for note in each.notes())]
        parts = [
            training_text(self.manifest),
            _windows(self.before, self.now),
            _growths(self.growth),
            *([*notes, ""] if notes else []),
            self.comparison.text(),
            f"in force: {self.version}",
            f"kept:     {self.previous}",
        ]
        return "\n".join(parts)

    def _tuning_note(self) -> list[str]:
        trials = self.manifest.tuning.get("trials")
        note = f"the models keep the parameters that {trials} trials found before the update"
        return [note] if trials else []


def _windows(before: Window, now: Window) -> str:
    shown = table("Window", "Bars", "Rows", "From", "Until")
    for name, window in (("before", before), ("now", now)):
        rows = UNDEFINED if window.rows is None else f"{window.rows:,}"
        moments = readable(window.first), readable(window.until)
        shown.add_row(name, f"{window.bars:,}", rows, *moments)
    return rendered(shown)


def _growths(growth: Sequence[Growth]) -> str:
    shown = table("Symbol", "Bars before", "Added", "Now")
    for each in growth:
        counts = (each.before, each.added, each.before + each.added)
        shown.add_row(each.symbol, *(f"{count:,}" for count in counts))
    return rendered(shown)


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
