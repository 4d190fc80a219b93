"""What became of the updates of a bundle: a line of JSON each, in `updates.jsonl` in its folder.

The file is only ever added to. A line that was cut off by a power cut spoils no other one.
"""

import errno
import json
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.plain import plain
from feeds.clock import Clock
from ml.bundle_files import sync_folder
from ml.errors import BundleError

log = logging.getLogger("tandem.ml")

FILE = "updates.jsonl"
LOOKED = "looked"


def note(path: Path, facts: Mapping[str, Any]) -> None:
    """Add a line to the history of the bundle at `path`; one that cannot be written is told of.

    What has happened has happened: no bundle is taken back because a disk is full.
    """
    try:
        _append(path, facts)
    except OSError as error:
        log.warning("%s: the update cannot be noted there: %s", path / FILE, error)


def note_look(path: Path, facts: Mapping[str, Any]) -> None:
    """Add the line of a look, on the disk before anything is decided by it.

    Raises
    ------
    BundleError
        if it cannot be written
    """
    try:
        _append(path, {**facts, "outcome": LOOKED, "why": "what it led to says another line"})
    except OSError as error:
        raise _uncounted(path, error) from error


def check_counts(path: Path) -> None:
    """Refuse a bundle whose looks cannot be counted, before the work and not after it.

    Raises
    ------
    BundleError
    """
    try:
        os.close(_opened(path))
    except OSError as error:
        raise _uncounted(path, error) from error


def _uncounted(path: Path, error: OSError) -> BundleError:
    return BundleError(
        f"{path / FILE}: an update by evidence must count its look there, found: "
        f"{error.strerror or error}; make it a file that can be written, or update with --promote "
        "unless-worse"
    )


def _opened(path: Path) -> int:
    return os.open(path / FILE, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)


def _append(path: Path, facts: Mapping[str, Any]) -> None:
    line = json.dumps(plain(dict(facts)), allow_nan=False).encode() + b"\n"
    handle = _opened(path)
    try:
        whole = line if _ends_whole(handle) else b"\n" + line
        if os.write(handle, whole) < len(whole):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(handle)
    finally:
        os.close(handle)
    sync_folder(path)


def moment_of(clock: Clock) -> str:
    """Return the time as lines say it, UTC.

    >>> from datetime import UTC, datetime
    >>> from feeds.clock import FixedClock
    >>> moment_of(FixedClock(datetime(2026, 11, 23, 6, 30, tzinfo=UTC)))
    '2026-11-23T06:30:00Z'
    """
    return f"{clock.now():%Y-%m-%dT%H:%M:%SZ}"


def lines(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield what was noted, oldest first; what cannot be read is passed over."""
    try:
        text = (path / FILE).read_text("utf-8", "replace")
    except FileNotFoundError:
        return
    for line in text.splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found


def looks_at(path: Path, version: str) -> int:
    """Return how often a candidate could have been shown to be better than the version.

    That is the number of the last look: what follows from a look says another line than it.
    """
    own = (line for line in lines(path) if line.get("previous") == version)
    looks = (line.get("look") for line in own)
    return max((look for look in looks if isinstance(look, int)), default=0)


def _ends_whole(handle: int) -> bool:
    size = os.fstat(handle).st_size
    return size == 0 or os.pread(handle, 1, size - 1) == b"\n"
