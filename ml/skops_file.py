"""scikit-learn's estimators, and ours made of them, as skops files.

A skops file names the types that it holds; only those of scikit-learn and numpy that skops vouches
for, those of TRUSTED_TYPES, and those that the reader allows besides are made from it.
"""

import zipfile
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
import skops.io
from sklearn.base import BaseEstimator
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.tree._tree import Tree

from ml.base import Model
from ml.errors import BundleError
from ml.models.catalog import skops_types

TRUSTED_TYPES = (
    *skops_types(),
    # scikit-learn follows a tree's node numbers unchecked; `_refuse_wild` looks first.
    "sklearn.tree._tree.Tree",
)

Allows: TypeAlias = Callable[[str], bool]  # whether a type may be made, by its full name


def nothing_else(_: str) -> bool:
    """Allow no type but those of TRUSTED_TYPES."""
    return False


def to_bytes(name: str, model: Model, allows: Allows = nothing_else) -> bytes:
    """Return the model `name` as a skops file.

    Raises
    ------
    BundleError
        If it cannot be written so, or holds a type that would not be read again.
    """
    try:
        data = bytes(skops.io.dumps(model, compression=zipfile.ZIP_DEFLATED))
    except Exception as error:  # skops asks foreign classes for their state
        raise BundleError(
            f"member {name} cannot be stored: {type(error).__name__}: {error}"
        ) from error
    foreign = [kind for kind in _untrusted(data) if not allows(kind)]
    if foreign:
        raise BundleError(
            f"member {name}: a bundle stores only types of ml.skops_file.TRUSTED_TYPES, "
            f"found {', '.join(foreign)}"
        )
    return data


def from_bytes(data: bytes, allows: Allows = nothing_else) -> Model:
    """Return the model of a skops file.

    Raises
    ------
    TypeError
        If it holds a type that is not trusted.
    ValueError
        If a tree in it would lead out of its own memory.
    """
    besides = [kind for kind in _untrusted(data) if allows(kind)]
    model: Model = skops.io.loads(data, trusted=[*TRUSTED_TYPES, *besides])
    for tree, features in _trees(model, 0):
        _refuse_wild(tree, features)
    return model


def _untrusted(data: bytes) -> list[str]:
    return sorted(set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED_TYPES))


def _trees(thing: Any, features: int) -> Iterator[tuple[Tree | TreePredictor, int]]:
    """Yield every tree inside an estimator, and how many features its owner says there are."""
    if isinstance(thing, Tree | TreePredictor):
        yield thing, features
    elif isinstance(thing, BaseEstimator):
        own = int(getattr(thing, "n_features_in_", features))
        yield from _trees(list(vars(thing).values()), own)
    elif isinstance(thing, list | tuple):
        for inner in thing:
            yield from _trees(inner, features)
    elif isinstance(thing, dict):
        yield from _trees(list(thing.values()), features)
    elif isinstance(thing, np.ndarray) and thing.dtype == object:
        yield from _trees(list(thing.flat), features)


def _refuse_wild(tree: Tree | TreePredictor, features: int) -> None:
    """Refuse a tree whose walk could leave its arrays or go round in a circle."""
    if isinstance(tree, TreePredictor):
        nodes = tree.nodes
        _refuse_categories(tree)
        leaf = nodes["is_leaf"].astype(np.bool_)
        left, right = nodes["left"].astype(np.int64), nodes["right"].astype(np.int64)
        feature, threshold = nodes["feature_idx"], nodes["num_threshold"]
    else:
        left, right = tree.children_left, tree.children_right
        leaf, feature, threshold = left == -1, tree.feature, tree.threshold
        features = tree.n_features
    node = np.arange(len(left))
    down = (left > node) & (right > node) & (np.maximum(left, right) < len(node))
    known = (feature >= 0) & (feature < features)
    if not (len(node) and np.all(leaf | (down & known))):
        raise ValueError("a tree points outside itself")
    if np.isnan(threshold).any():
        raise ValueError("a tree has a threshold that is not a number")


def _refuse_categories(tree: TreePredictor) -> None:
    """Refuse a boosted tree that asks for sets of categories: features here are numbers."""
    if tree.nodes["is_categorical"].any():
        raise ValueError("a tree asks for categories, and features are numbers")
