"""Members of a bundle as bytes, in forms that run no code when they are read.

- skops, for scikit-learn's estimators and ours made of them: a file names the types it holds,
  and only those of scikit-learn, numpy and TRUSTED_TYPES are made;
- UBJSON for XGBoost and safetensors for the LSTM: numbers and nothing else.
"""

import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import skops.io
from sklearn.base import BaseEstimator
from sklearn.tree._tree import Tree

from ml.base import Model
from ml.calibration import PlattCalibrator
from ml.ensemble import Member
from ml.errors import BundleDamagedError, BundleError
from ml.manifest import CalibratorRecord, MemberRecord
from ml.models.catalog import model_class

TRUSTED_TYPES = (
    "ml.models.logistic_model.LogisticModel",
    "ml.models.random_forest_model.RandomForestModel",
    "ml.models.svm_model.SVMModel",
    # scikit-learn follows a tree's node numbers unchecked; `_refuse_wild` looks first.
    "sklearn.tree._tree.Tree",
)

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
    data = skops.io.dumps(member.model, compression=zipfile.ZIP_DEFLATED)
    foreign = sorted(set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED_TYPES))
    if foreign:
        raise BundleError(
            f"member {member.name}: a bundle stores only types that ml.member_files trusts, "
            f"found {', '.join(foreign)}"
        )
    return form, data


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
        return _from_skops
    estimator = model_class(_OWN_FORMS[record.form])
    return partial(estimator.from_bytes, params=record.params)


def _from_skops(data: bytes) -> Model:
    model: Model = skops.io.loads(data, trusted=list(TRUSTED_TYPES))
    for tree in _trees(model):
        _refuse_wild(tree)
    return model


def _trees(thing: Any) -> Iterator[Tree]:
    """Yield every tree inside an estimator."""
    if isinstance(thing, Tree):
        yield thing
    elif isinstance(thing, BaseEstimator):
        yield from _trees(list(vars(thing).values()))
    elif isinstance(thing, list | tuple):
        for inner in thing:
            yield from _trees(inner)
    elif isinstance(thing, np.ndarray) and thing.dtype == object:
        yield from _trees(list(thing.flat))


def _refuse_wild(tree: Tree) -> None:
    """Refuse a tree whose walk could leave its arrays or go round in a circle."""
    node = np.arange(tree.node_count)
    left, right = tree.children_left, tree.children_right
    leaf = left == -1
    down = (left > node) & (right > node) & (np.maximum(left, right) < tree.node_count)
    known = (tree.feature >= 0) & (tree.feature < tree.n_features)
    if not (tree.node_count and np.all(leaf | (down & known))):
        raise ValueError("a tree points outside itself")
