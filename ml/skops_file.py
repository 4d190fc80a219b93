"""scikit-learn's estimators, and ours made of them, as skops files.

A skops file names the types that it holds; only those of scikit-learn and numpy that skops vouches
for, and those of TRUSTED_TYPES, are made from it.
"""

import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import skops.io
from sklearn.base import BaseEstimator
from sklearn.tree._tree import Tree

from ml.base import Model
from ml.errors import BundleError
from ml.models.catalog import skops_types

TRUSTED_TYPES = (
    *skops_types(),
    # scikit-learn follows a tree's node numbers unchecked; `_refuse_wild` looks first.
    "sklearn.tree._tree.Tree",
)


def to_bytes(name: str, model: Model) -> bytes:
    """Return the model `name` as a skops file.

    Raises
    ------
    BundleError
        If it holds a type that would not be read again.
    """
    data = skops.io.dumps(model, compression=zipfile.ZIP_DEFLATED)
    foreign = sorted(set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED_TYPES))
    if foreign:
        raise BundleError(
            f"member {name}: a bundle stores only types of ml.skops_file.TRUSTED_TYPES, "
            f"found {', '.join(foreign)}"
        )
    return bytes(data)


def from_bytes(data: bytes) -> Model:
    """Return the model of a skops file.

    Raises
    ------
    TypeError
        If it holds a type that is not trusted.
    ValueError
        If a tree in it would lead out of its own memory.
    """
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
    if np.isnan(tree.threshold).any():
        raise ValueError("a tree has a threshold that is not a number")
