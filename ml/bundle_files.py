"""Files of a bundle: written to last, and known by their SHA-256."""

import hashlib
import os
from pathlib import Path

from ml.errors import BundleDamagedError


def sha256(data: bytes) -> str:
    """Return the SHA-256 as text."""
    return hashlib.sha256(data).hexdigest()


def read_file(file: Path) -> bytes:
    """Return what the file holds.

    Raises
    ------
    BundleDamagedError
        If it cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise BundleDamagedError(f"{file}: the bundle's file cannot be read: {reason}") from error


def read_recorded(file: Path, digest: str) -> bytes:
    """Return what the file holds, if that has the recorded SHA-256.

    Raises
    ------
    BundleDamagedError
        If it has another one, or cannot be read.
    """
    data = read_file(file)
    if sha256(data) != digest:
        raise damaged(file)
    return data


def write_file(file: Path, data: bytes) -> None:
    """Write the file so that it lasts through a power cut."""
    with file.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in the folder last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def damaged(file: Path) -> BundleDamagedError:
    """Return the error that says so, and what to do."""
    return BundleDamagedError(
        f"{file}: the file is damaged, its SHA-256 is not the recorded one; train again or "
        f"restore it"
    )
