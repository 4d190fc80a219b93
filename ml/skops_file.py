"""scikit-learn's estimators, and ours made of them, as skops files.

A skops file names the types that it holds; only those of scikit-learn and numpy that skops vouches
for, those of TRUSTED_TYPES, and those that the reader allows besides are made from it. What was
made is looked through before it is asked (`ml.memory_guard`).
"""

import zipfile

import skops.io

from ml.base import Model
from ml.errors import BundleError
from ml.memory_guard import Allows, following, full_name, refuse_wild
from ml.models.catalog import skops_types

TRUSTED_TYPES = (
    *skops_types(),
    # scikit-learn follows a tree's node numbers unchecked; `refuse_wild` looks first.
    "sklearn.tree._tree.Tree",
)

# What may answer without being named by settings: its arithmetic on what it holds is numpy's.
_ANSWERING = (*skops_types(), "sklearn.linear_model._logistic.LogisticRegression")

# `SVMModel` only reads the arrays of one, and asks it nothing.
_READ_ONLY = ("sklearn.svm._classes.SVC",)


def of_ours(name: str) -> bool:
    """Allow what the catalog's models hold, and no type beyond TRUSTED_TYPES."""
    return name in _READ_ONLY


def to_bytes(name: str, model: Model, allows: Allows = of_ours) -> bytes:
    """Return the model `name` as a skops file.

    Raises
    ------
    BundleError
        If it cannot be written so, or holds a type that would not be read again.
    """
    try:
        data = bytes(skops.io.dumps(model, compression=zipfile.ZIP_DEFLATED))
        wild = following(model)
    except Exception as error:  # skops asks foreign classes for their state
        raise BundleError(
            f"member {name} cannot be stored: {type(error).__name__}: {error}"
        ) from error
    foreign = sorted(kind for kind in {*_untrusted(data), *wild} if not allows(kind))
    if foreign:
        raise BundleError(
            f"member {name}: a bundle stores only types of ml.skops_file.TRUSTED_TYPES, "
            f"found {', '.join(foreign)}"
        )
    return data


def from_bytes(data: bytes, allows: Allows = of_ours) -> Model:
    """Return the model of a skops file.

    Raises
    ------
    TypeError
        If it holds a type that is not trusted.
    ValueError
        If a number in it would lead out of its own memory.
    """
    besides = [kind for kind in _untrusted(data) if allows(kind)]
    model: Model = skops.io.loads(data, trusted=[*TRUSTED_TYPES, *besides])
    refuse_wild(model, allows)
    return model


def read_ours(data: bytes) -> Model:
    """Return the model of a skops file that no settings need to name.

    Raises
    ------
    TypeError, ValueError
        As `from_bytes`, and if it is a classifier that settings must name.
    """
    model = from_bytes(data)
    if full_name(model) not in _ANSWERING:
        raise TypeError(
            f"{full_name(model)} is none of the models that vote unless settings name it"
        )
    return model


def _untrusted(data: bytes) -> list[str]:
    return sorted(set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED_TYPES))
