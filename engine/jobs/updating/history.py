"""What became of the updates of a bundle: a line of JSON each, in `updates.jsonl` in its folder.

The file is only ever added to. A line that was cut off by a power cut spoils no other one.
"""

import json
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.plain import plain
from feeds.clock import Clock

log = logging.getLogger("tandem.ml")

FILE = "updates.jsonl"


def note(path: Path, facts: Mapping[str, Any]) -> None:
    """Add a line to the history of the bundle at `path`; one that cannot be written is told of.

    What has happened has happened: no bundle is taken back because a disk is full.
    """
    line = json.dumps(plain(dict(facts)), allow_nan=False).encode() + b"\n"
    try:
        handle = os.open(path / FILE, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, line if _ends_whole(handle) else b"\n" + line)
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        log.warning("%s: the update cannot be noted there: %s", path / FILE, error)


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
    """Return how often a candidate could have been shown to be better than the version."""
    return sum(
        line.get("previous") == version and line.get("look") is not None for line in lines(path)
    )


def _ends_whole(handle: int) -> bool:
    size = os.fstat(handle).st_size
    return size == 0 or os.pread(handle, 1, size - 1) == b"\n"
