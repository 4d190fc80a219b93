"""Updates and ways back as a routine: in turn, noted in the bundle's history, fit for cron."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.jobs.markets import BarSource
from engine.jobs.settings import Settings
from engine.jobs.update import update_bundle
from engine.jobs.update_report import UpdateReport
from engine.jobs.updating.history import moment_of, note
from engine.jobs.updating.policy import Promote
from engine.jobs.updating.turn import sole_update
from feeds.clock import Clock, SystemClock
from feeds.messages import first_line, one_line
from feeds.moments import iso
from ml.bundle import refuse_target, roll_back
from ml.bundle_folder import holds_versions, name_in_force, versions
from ml.manifest import Manifest


def update(
    source: BarSource | None,
    settings: Settings,
    *,
    until: np.datetime64 | None = None,
    promote: Promote = Promote.EVIDENCE,
    clock: Clock | None = None,
) -> UpdateReport:
    """Do what `update_bundle` does in one's turn, and note how it ended, whatever that was.

    Raises
    ------
    BusyError
        if another update of the bundle runs; and as `update_bundle`
    """
    path, clock = settings.strategy.ml_model_path, clock or SystemClock()
    if not (path.is_dir() and holds_versions(path)):  # no place for a history
        return update_bundle(source, settings, until=until, promote=promote, clock=clock)
    refuse_target(path)
    with sole_update(path, clock) as began:
        known = {"began": began, "promote": str(promote)}
        try:
            report = update_bundle(source, settings, until=until, promote=promote, clock=clock)
        except BaseException as error:
            note(
                path,
                {"at": moment_of(clock), **known, **_ended(error), "in_force": name_in_force(path)},
            )
            raise
        note(path, {"at": moment_of(clock), **known, **_done(report)})
        return report


def _ended(error: BaseException) -> Mapping[str, Any]:
    if isinstance(error, KeyboardInterrupt):
        return {"outcome": "interrupted", "why": "stopped by a person or a signal"}
    return {"outcome": "failed", "why": one_line(str(error)) or first_line(error)}


def _done(report: UpdateReport) -> Mapping[str, Any]:
    traded = report.traded
    return {
        "outcome": "promoted" if report.decision.promoted else "kept",
        "why": report.decision.why,
        "previous": report.previous.name,
        "in_force": report.version.name,
        "until": iso(report.now.until),
        "rows": report.comparison.rows,
        "look": report.look,
        "level": None if traded is None else traded.intervals.level,
        "traded": None if traded is None else traded.short(),
    }


# The way back


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackReport:
    """Another version of a bundle was put in force.

    Attributes
    ----------
    manifest : of the version in force now
    version : its folder
    previous : name of the version that was in force
    kept : names of all versions, oldest first
    """

    manifest: Manifest
    version: Path
    previous: str
    kept: list[str]

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {
            "bundle": str(self.version.parent),
            "version": self.version.name,
            "previous": self.previous,
            "seen_until": self.manifest.seen_until.isoformat(),
            "kept": self.kept,
        }

    def text(self) -> str:
        """Return what a person reads."""
        lines = [
            f"  {name}{' (in force)' if name == self.version.name else ''}" for name in self.kept
        ]
        return "\n".join(
            [
                f"in force: {self.version}, seen until {self.manifest.seen_until:%Y-%m-%d %H:%M}Z",
                f"before:   {self.previous or 'none that could be read'}",
                f"{len(self.kept)} versions are kept:",
                *lines,
            ]
        )


def go_back(
    settings: Settings, *, to: str | None = None, clock: Clock | None = None
) -> RollbackReport:
    """Put the version that was in force before, or the named one, in force, and note it.

    It waits for no update: one that is under way then finds its bundle replaced, and ends.

    Raises
    ------
    BundleError
        as `roll_back`
    """
    path = settings.strategy.ml_model_path
    before = name_in_force(path)
    found = roll_back(path, settings.members, to=to)
    at, version = moment_of(clock or SystemClock()), found.kept.version
    line = {"at": at, "began": at, "outcome": "rolled_back", "previous": before}
    note(path, line | {"in_force": version.name})
    return RollbackReport(
        manifest=found.manifest, version=version, previous=before, kept=versions(path)
    )
