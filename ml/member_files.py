"""Members of a bundle as bytes, in forms that run no code when they are read.

- skops, for scikit-learn's estimators and ours made of them (`ml.skops_file`);
- UBJSON for XGBoost and safetensors for the LSTM: numbers and nothing else.

Each form's library is imported when a member needs it, so that a run without ML starts without.
"""

import zipfile
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from ml.base import Model
from ml.calibration import PlattCalibrator
from ml.ensemble import Member
from ml.errors import BundleDamagedError, BundleError
from ml.manifest import CalibratorRecord, MemberRecord
from ml.models.catalog import model_class

_OWN_FORMS = {"ubjson": "xgboost", "safetensors": "lstm"}  # the models that write themselves

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
)


def member_bytes(member: Member) -> tuple[str, bytes]:
    """Return the form in which the member's model is stored, and its bytes.

    Raises
    ------
    BundleError
        If the model holds a type that would not be read again.
    """
    form = getattr(member.model, "stored_as", "skops")
    if form in _OWN_FORMS:
        return form, member.model.to_bytes()  # type: ignore[attr-defined]  # by its form
    return form, _skops_file().to_bytes(member.name, member.model)


def member_record(member: Member, form: str, sha256: str) -> MemberRecord:
    """Return what the manifest says about the member."""
    calibrator = member.calibrator
    if not isinstance(calibrator, PlattCalibrator):
        raise BundleError(f"member {member.name}: only a PlattCalibrator can be stored")
    params = member.model.get_params(deep=False)  # type: ignore[attr-defined]  # scikit-learn's
    return MemberRecord(
        name=member.name,
        weight=member.weight,
        calibrator=CalibratorRecord(slope=calibrator.slope, intercept=calibrator.intercept),
        form=form,
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
        reason = str(error).partition("\n")[0]
        raise BundleDamagedError(
            f"{record.file} cannot be read as {record.form}: {reason}"
        ) from error


def _reader(record: MemberRecord) -> Callable[[bytes], Model]:
    if record.form not in _OWN_FORMS:
        read: Callable[[bytes], Model] = _skops_file().from_bytes
        return read
    estimator = model_class(_OWN_FORMS[record.form])
    return partial(estimator.from_bytes, params=record.params)


def _skops_file() -> Any:
    return import_module("ml.skops_file")
