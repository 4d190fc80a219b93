"""What an update did: how the window grew, old against new, and which of them is in force."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

from engine.jobs.learning_report import training_text
from engine.jobs.updating.contest import Contest
from engine.jobs.updating.decision import Decision
from engine.jobs.updating.policy import Promote
from engine.jobs.updating.rows import Comparison
from engine.jobs.updating.window import Growth, Window
from engine.tables import UNDEFINED, WIDTH, rendered, table
from feeds.moments import readable
from ml.manifest import Manifest

KEPT = 3  # exit code where the running bundle stays in force


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateReport:
    """A candidate was trained on more bars, and put in force or not.

    Attributes
    ----------
    manifest : of the candidate
    version : folder of what is in force now: the candidate, or the bundle that was running
    previous : folder of the bundle that was running, and that the candidate extends
    before, now : the window
    growth : by symbol
    comparison : on the newest rows
    traded : on the newest bars; None if there were none
    promote : the policy
    decision : whether the candidate is in force, and why
    look : the how-manieth at this running bundle it was; None where nothing could be shown
    """

    manifest: Manifest
    version: Path
    previous: Path
    before: Window
    now: Window
    growth: Sequence[Growth]
    comparison: Comparison
    traded: Contest | None
    promote: Promote
    decision: Decision
    look: int | None

    @property
    def exit_code(self) -> int:
        """0 if the candidate was put in force, else KEPT."""
        return 0 if self.decision.promoted else KEPT

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        facts = self.manifest.model_dump(mode="json", exclude={"feature_names", "references"})
        return {
            "bundle": str(self.version.parent),
            "version": self.version.name,
            "previous": self.previous.name,
            "promoted": self.decision.promoted,
            "promote": str(self.promote),
            "why": self.decision.why,
            "look": self.look,
            "traded": None if self.traded is None else self.traded.to_json(),
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
            *([] if self.traded is None else [self.traded.text()]),
            *self._judged(),
        ]
        return "\n".join(parts)

    def _judged(self) -> list[str]:
        looked = f"look {self.look} at the running bundle" if self.look else "no look that counts"
        why = fill(self.decision.why, WIDTH, break_long_words=False, break_on_hyphens=False)
        said = [why, f"({looked}; policy: {self.promote})", ""]
        if self.decision.promoted:
            return [*said, f"in force: {self.version}", f"kept:     {self.previous}"]
        return [*said, f"in force: {self.version}, as before; the candidate is dropped"]

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
