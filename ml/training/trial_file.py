"""The SQLite file that keeps the trials of a tuning: ours, or refused."""

import sqlite3
from contextlib import closing
from pathlib import Path

from ml.errors import TuningError

_MARK = 0x7A4D5455  # in the head of the file: a tuning of ours made it


def trial_file(bundle: Path) -> Path:
    """Return where the trials for a bundle are kept: beside it.

    >>> trial_file(Path("models/mine")).name
    'mine.tuning.sqlite'
    """
    whole = bundle.absolute()
    return whole.with_name(f"{whole.name}.tuning.sqlite")


def claim(path: Path) -> None:
    """Mark a new file as ours; refuse one that is somebody else's or damaged.

    Raises
    ------
    OSError, sqlite3.Error, ValueError
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as file:
        (mark,) = file.execute("PRAGMA application_id").fetchone()
        (tables,) = file.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not mark and not tables:
            file.execute(f"PRAGMA application_id = {_MARK}")
        elif mark != _MARK:
            raise ValueError("it holds something else")
        (state,) = file.execute("PRAGMA quick_check(1)").fetchone()
        if state != "ok":
            raise ValueError(state)


def unusable(path: Path, error: Exception) -> TuningError:
    """Return the error that says why trials cannot be kept in the file."""
    reason = str(error).partition("\n")[0]
    return TuningError(
        f"{path}: trials are kept in an SQLite file that a tuning made and can write, found: "
        f"{reason}; delete the file or name another path for the bundle"
    )
