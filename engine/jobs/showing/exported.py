"""Files that were written of a kept run, for other tools."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.errors import RunError
from engine.jobs.showing.folder import RunFolder
from engine.plain import plain
from engine.tables import run_name, stamp_line
from feeds.atomic import atomic_text


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A file, the runs that it holds (`off`, `on`), and its rows."""

    path: Path
    runs: Sequence[str]
    rows: int


@dataclass(frozen=True, slots=True, eq=False)
class ExportedRun:
    """What was written of a run; `what` is `trades` or `days`."""

    run: RunFolder
    what: str
    files: Sequence[ExportedFile]

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        files = [asdict(each) for each in self.files]
        found: dict[str, Any] = plain(
            {"run_dir": self.run.path, "stamps": self.run.manifest.stamps, "files": files}
        )
        return found

    def text(self) -> str:
        """Return what a person reads."""
        stamps = "".join(map(stamp_line, self.run.manifest.stamps))
        lines = [
            f"{each.path}: {each.rows:,} {self.what} of {' and '.join(map(run_name, each.runs))}"
            for each in self.files
        ]
        return "\n".join([*lines, *stamps.splitlines()])


def written(path: Path, text: str, runs: Sequence[str], rows: int) -> ExportedFile:
    """Write a file, whole or not at all, into a folder that is there.

    Raises
    ------
    RunError
        if it cannot be written; a folder that is not there is taken for a slip of the pen
    """
    if not path.parent.is_dir():
        raise RunError(
            f"{path}: the export cannot be written: its folder must be there, found none at "
            f"{path.parent}; make it, or name another"
        )
    try:
        atomic_text(path, text)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise RunError(f"{path}: the export cannot be written: {why}; name another") from error
    return ExportedFile(path, runs, rows)
