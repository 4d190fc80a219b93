"""Members of a bundle as bytes, in forms that run no code when they are read.

A member's name says its form (`ml.models.catalog`): skops for scikit-learn's estimators and ours
made of them (`ml.skops_file`), else a form of the model's own that holds numbers and nothing else.
A member of the user's own is skops too, and may hold types of the user's own (`ml.custom_file`).
The library of a form is imported when a member needs it, so that a run without ML starts without.
"""

import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from feeds.messages import first_line
from ml.base import Model
from ml.calibration import PlattCalibrator
from ml.ensemble import Member
from ml.errors import BundleDamagedError
from ml.manifest import CalibratorRecord, MemberRecord
from ml.models.catalog import MEMBER_NAMES, SKOPS, form_of, model_class
from ml.models.member_config import NOBODY, MemberConfig
from ml.models.plain_params import plain_params

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

_CUSTOM = {"estimator", "params", "standardise", "seed"}  # what a `CustomModel` is made with


def member_bytes(member: Member, members: Mapping[str, MemberConfig] = NOBODY) -> bytes:
    """Return the member's model in the form in which it is stored.

    Parameters
    ----------
    members : of the settings, which say what members of the user's own may hold

    Raises
    ------
    BundleError
        If the model holds a type that would not be read again.
    """
    model: Any = member.model
    if form_of(member.name) != SKOPS:
        return bytes(model.to_bytes())
    if _is_custom(member.name, plain_params(model)):
        return bytes(_module("ml.custom_file").custom_bytes(member.name, model, members))
    return bytes(_module("ml.skops_file").to_bytes(member.name, model))


def member_record(member: Member, sha256: str) -> MemberRecord:
    """Return what the manifest says about the member."""
    return MemberRecord(
        name=member.name,
        weight=member.weight,
        calibrator=CalibratorRecord(**asdict(member.calibrator)),
        form=form_of(member.name),
        sha256=sha256,
        params=plain_params(member.model),
    )


def read_member(
    record: MemberRecord, data: bytes, members: Mapping[str, MemberConfig] = NOBODY
) -> Member:
    """Return the member whose model is stored in `data`.

    Parameters
    ----------
    members : of the settings, which name the code that may be run

    Raises
    ------
    ImportError
        If the model's library cannot be loaded.
    BundleDamagedError
        If the bytes are not such a model, or hold a type that is not trusted.
    BundleMismatchError
        If it needs code that the settings do not name.
    """
    read = _reader(record, members)
    try:
        model = read(data)
        _ask(model)
        calibrator = PlattCalibrator(**record.calibrator.model_dump())
        return Member(record.name, record.weight, model, calibrator)
    except _UNREADABLE as error:
        reason = first_line(error)
        raise BundleDamagedError(
            f"{record.file} cannot be read as {record.form}: {reason}"
        ) from error


def _ask(model: Any) -> None:
    """Ask about a row of zeros: arrays that do not fit together are told now and not in a run."""
    steps = getattr(model, "steps", None)
    shape = (1, model.n_features_in_) if steps is None else (1, steps, model.n_features_in_)
    model.predict_proba(np.zeros(shape, np.float32))


def _reader(record: MemberRecord, members: Mapping[str, MemberConfig]) -> Callable[[bytes], Model]:
    if record.form != SKOPS:
        return partial(model_class(record.name).from_bytes, params=record.params)
    if _is_custom(record.name, record.params):
        return partial(_module("ml.custom_file").read_custom, record, members=members)
    read: Callable[[bytes], Model] = _module("ml.skops_file").read_ours
    return read


def _is_custom(name: str, params: Mapping[str, Any]) -> bool:
    """Return whether the member is a `CustomModel`, told without importing it."""
    return name not in MEMBER_NAMES and params.keys() == _CUSTOM


def _module(name: str) -> Any:
    return import_module(name)
