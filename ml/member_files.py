"""Members of a bundle as bytes, in forms that run no code when they are read.

A member's name says its form (`ml.models.catalog`): skops for scikit-learn's estimators and ours
made of them (`ml.skops_file`), else a form of the model's own that holds numbers and nothing else.
The library of a form is imported when a member needs it, so that a run without ML starts without.
"""

import zipfile
import zlib
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from importlib import import_module
from typing import Any

from feeds.messages import first_line
from ml.base import Model
from ml.calibration import PlattCalibrator
from ml.ensemble import Member
from ml.errors import BundleDamagedError
from ml.manifest import CalibratorRecord, MemberRecord
from ml.models.catalog import SKOPS, form_of, model_class

# What the readers raise on bytes that are not what they claim to be; skops' refusal of a type
# outside the allow-list is a TypeError, XGBoost's error a ValueError.
_UNREADABLE = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RuntimeError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    MemoryError,
)


def member_bytes(member: Member) -> bytes:
    """Return the member's model in the form in which it is stored.

    Raises
    ------
    BundleError
        If the model holds a type that would not be read again.
    """
    model: Any = member.model
    skops = form_of(member.name) == SKOPS
    return bytes(_skops_file().to_bytes(member.name, model) if skops else model.to_bytes())


def member_record(member: Member, sha256: str) -> MemberRecord:
    """Return what the manifest says about the member."""
    params = member.model.get_params(deep=False)  # type: ignore[attr-defined]  # scikit-learn's
    return MemberRecord(
        name=member.name,
        weight=member.weight,
        calibrator=CalibratorRecord(**asdict(member.calibrator)),
        form=form_of(member.name),
        sha256=sha256,
        params={name: _plain(value) for name, value in params.items()},
    )


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str | None) else repr(value)


def read_member(record: MemberRecord, data: bytes) -> Member:
    """Return the member whose model is stored in `data`.

    Raises
    ------
    ImportError
        If the model's library cannot be loaded.
    BundleDamagedError
        If the bytes are not such a model, or hold a type that is not trusted.
    """
    read = _reader(record)
    try:
        model = read(data)
        calibrator = PlattCalibrator(**record.calibrator.model_dump())
        return Member(record.name, record.weight, model, calibrator)
    except _UNREADABLE as error:
        reason = first_line(error)
        raise BundleDamagedError(
            f"{record.file} cannot be read as {record.form}: {reason}"
        ) from error


def _reader(record: MemberRecord) -> Callable[[bytes], Model]:
    if record.form == SKOPS:
        read: Callable[[bytes], Model] = _skops_file().from_bytes
        return read
    return partial(model_class(record.name).from_bytes, params=record.params)


def _skops_file() -> Any:
    return import_module("ml.skops_file")
