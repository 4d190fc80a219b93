"""One update of a bundle at a time, and none that ends without a trace.

Who updates holds a lock on `.updating` beside the versions; it ends with the process, whatever
happens. While it is held the file says since when. Who finds it said by nobody knows that an
update was killed, and notes that first.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from engine.jobs.updating.history import moment_of, note
from feeds.clock import Clock
from ml.bundle_folder import name_in_force
from ml.errors import BundleError, BusyError

_FILE = ".updating"


@contextmanager
def sole_update(path: Path, clock: Clock) -> Iterator[str]:
    """Hold the turn to update the bundle at `path` for the block; yield since when.

    Raises
    ------
    BusyError
        if another process has it
    BundleError
        if the folder cannot be written
    """
    began = moment_of(clock)
    try:
        file = (path / _FILE).open("a+", encoding="ascii", errors="replace")
    except OSError as error:
        raise BundleError(f"{path}: the folder cannot be written: {error}") from error
    with file:
        _lock(file, path, began)
        _tell_of_killed(file, path, began)
        file.truncate(0)
        file.write(began)
        file.flush()
        try:
            yield began
        finally:
            file.truncate(0)


def _lock(file: IO[str], path: Path, now: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        why = (
            f"{path}: one update of a bundle runs at a time, and another one does since "
            f"{_said(file) or 'just now'}: wait for its end"
        )
        note(path, {"at": now, "began": now, "outcome": "busy", "why": why})
        raise BusyError(why) from error


def _tell_of_killed(file: IO[str], path: Path, now: str) -> None:
    began = _said(file)
    if began:
        why = "its process ended without a word"
        line = {"at": now, "began": began, "outcome": "killed", "why": why}
        note(path, line | {"in_force": name_in_force(path)})


def _said(file: IO[str]) -> str:
    file.seek(0)
    return file.read(40)
