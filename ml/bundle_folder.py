"""The folder of a bundle: its versions, which of them is in force, and which was before it.

A version is a folder `<created>-<digest>/`; the text file `current` names the one in force. In each
version lies `before`, the name of the one that it replaced: the way back. It is written into the
draft, so that no version is ever in force without it.
"""

import fcntl
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ml.bundle_files import write_file

VERSIONS_KEPT = 5

CURRENT = "current"
DRAFT = ".part"
VERSION = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{16}")
_BEFORE = "before"


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Hold the folder's lock, which ends with the process whatever happens.

    Drafts are cleared away: those of a writer that was killed, and one's own if it fails.
    """
    path.mkdir(parents=True, exist_ok=True)
    with (path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _clear_drafts(path)
        try:
            yield
        finally:
            _clear_drafts(path)


def _clear_drafts(path: Path) -> None:
    for draft in path.glob(f"*{DRAFT}"):
        shutil.rmtree(draft) if draft.is_dir() else draft.unlink()


def holds_versions(path: Path) -> bool:
    """Return whether the folder is that of a bundle."""
    return any(f.name == CURRENT or VERSION.fullmatch(f.name) for f in path.iterdir())


def name_in_force(path: Path) -> str:
    """Return the name of the version in force; empty if there is none or nobody can tell."""
    current = path / CURRENT
    return current.read_text("ascii", "replace") if current.is_file() else ""


def versions(path: Path) -> list[str]:
    """Return the names of the versions that are kept, oldest first."""
    return sorted(f.name for f in path.iterdir() if VERSION.fullmatch(f.name) and f.is_dir())


def note_before(draft: Path, before: str) -> None:
    """Write into a draft which version it will replace; nothing where it is the first."""
    if before:
        write_file(draft / _BEFORE, before.encode())
    else:
        (draft / _BEFORE).unlink(missing_ok=True)


def version_before(path: Path, name: str) -> str | None:
    """Return the version that `name` replaced; None if none before it is kept.

    Where nothing says so, as in versions from before it was noted, it is the latest older one.
    """
    kept = versions(path)
    noted = path / name / _BEFORE
    said = noted.read_text("ascii", "replace") if name in kept and noted.is_file() else ""
    if said in kept and said != name:
        return said
    older = [each for each in kept if VERSION.fullmatch(name) and each < name]
    return older[-1] if older else None


def drop_old(path: Path, needed: set[str]) -> None:
    """Delete all but the needed and the latest versions, each under a draft's name first."""
    kept = [name for name in versions(path) if name in needed]
    others = [name for name in versions(path) if name not in needed]
    for old in others[::-1][VERSIONS_KEPT - len(kept) :]:
        shutil.rmtree((path / old).rename(path / f"{old}{DRAFT}"))
