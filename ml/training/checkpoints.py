"""What a training finished is kept until its bundle is saved.

A training of minutes may be interrupted. Each member is written to a folder beside the bundle as
soon as it has learned; the next training of the same bundle takes up those that were given the
same rows, parameters, code and libraries, and the folder goes when the bundle is there. The files
run no code when they are read (`ml.member_files`), and one that is damaged is left alone.
"""

import fcntl
import hashlib
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from feeds.atomic import atomic_path
from ml.ensemble import Member
from ml.errors import BundleError, BusyError
from ml.manifest import MemberRecord
from ml.member_files import member_bytes, member_record, read_member
from ml.models.member_config import NOBODY, MemberConfig
from ml.training.fitting import MemberReport

log = logging.getLogger("tandem.ml")

_ENDING = ".member"


class _Head(BaseModel):
    """What stands before the bytes of a kept member; `key` is of what it was given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    record: MemberRecord
    report: MemberReport


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Members that have learned, one file each: a digest of the rest, a line of JSON, the model.

    Attributes
    ----------
    members : of the settings, which name the code of the user's own that may be run
    """

    folder: Path
    members: Mapping[str, MemberConfig] = field(default_factory=dict)

    def find(self, name: str, key: str) -> tuple[Member, MemberReport] | None:
        """Return the member that was kept under `key`, None if there is none that is sound."""
        file = self._file(name, key)
        try:
            return _read(file, key, self.members) if file.exists() else None
        except (OSError, ValueError, ImportError, BundleError) as error:
            log.warning("%s is left alone and %s learns anew: %s", file, name, error)
            return None

    def keep(self, key: str, member: Member, report: MemberReport) -> None:
        """Write the member; one that cannot be written is told of and the training goes on."""
        data = member_bytes(member, self.members)
        record = member_record(member, hashlib.sha256(data).hexdigest())
        head = _Head(key=key, record=record, report=report).model_dump_json().encode()
        rest = head + b"\n" + data
        try:
            with atomic_path(self._file(member.name, key)) as draft:
                draft.write_bytes(hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest)
        except OSError as error:
            log.warning("%s has learned but cannot be kept: %s", member.name, error)

    def _file(self, name: str, key: str) -> Path:
        return self.folder / f"{name}-{key[:16]}{_ENDING}"


def _read(file: Path, key: str, members: Mapping[str, MemberConfig]) -> tuple[Member, MemberReport]:
    digest, _, rest = file.read_bytes().partition(b"\n")
    if digest != hashlib.sha256(rest).hexdigest().encode():
        raise ValueError("it is damaged, its SHA-256 is not the recorded one")
    text, _, data = rest.partition(b"\n")
    head = _Head.model_validate_json(text)
    if head.key != key:
        raise ValueError("it was given other rows or parameters")
    return read_member(head.record, data, members), replace(head.report, taken_up=True)


@contextmanager
def checkpoints(
    bundle: Path, members: Mapping[str, MemberConfig] = NOBODY
) -> Iterator[Checkpoints]:
    """Yield what trainings of `bundle` that did not end have kept; drop it if the block ends well.

    Parameters
    ----------
    members : of the settings, which name the code of the user's own that may be run

    Raises
    ------
    BusyError
        If another process trains this bundle.
    BundleError
        If the folder cannot be made.
    """
    whole = bundle.absolute()
    folder = whole.with_name(f"{whole.name}.partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise BundleError(
            f"{folder}: what a training finishes is kept there until its end, and the folder "
            f"cannot be made: {error}; name another path for the bundle"
        ) from error
    with _only_training(folder, handle):
        try:
            yield Checkpoints(folder, members)
            for file in folder.glob(f"*{_ENDING}*"):  # with drafts of a process that was killed
                file.unlink()
        finally:
            with suppress(OSError):  # it goes if nothing is in it
                folder.rmdir()


@contextmanager
def _only_training(folder: Path, handle: int) -> Iterator[None]:
    """Hold the folder until the handle is closed, which the end of the process does too."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise BusyError(
            f"only one training may write a bundle at a time, and another one holds {folder}: "
            "wait for it, or name another path"
        ) from error
    finally:
        os.close(handle)
