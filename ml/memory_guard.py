"""Whether what was made from a file can be asked without leaving its memory.

scikit-learn follows what some arrays hold into memory, in C and unchecked: the nodes of a tree, the
labels of a neighbour. A file can say anything there.
"""

from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any, TypeAlias

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.pipeline import Pipeline
from sklearn.tree._tree import Tree

Allows: TypeAlias = Callable[[str], bool]  # whether a type may be made, by its full name

# Their C takes positions and counts out of the arrays of the estimator itself.
_FOLLOWING = ("sklearn.neighbors.", "sklearn.svm.")


def follows_its_numbers(name: str) -> bool:
    """Return whether scikit-learn's class of this full name follows its arrays into memory.

    >>> follows_its_numbers("sklearn.neighbors._classification.KNeighborsClassifier")
    True
    >>> follows_its_numbers("sklearn.naive_bayes.GaussianNB")
    False
    """
    return name.startswith(_FOLLOWING)


def following(model: Any) -> set[str]:
    """Return the full names of the estimators inside that follow their arrays into memory.

    A class of somebody's own that inherits from such a one is as that one.
    """
    kinds = {type(thing) for thing, _ in _inside(model) if isinstance(thing, BaseEstimator)}
    lines = ([_name_of(each) for each in kind.__mro__] for kind in kinds)
    nearest = (next(filter(follows_its_numbers, line), None) for line in lines)
    return {name for name in nearest if name is not None}


def refuse_wild(model: Any, allows: Allows) -> None:
    """Refuse a model of which a number could lead out of its memory.

    Parameters
    ----------
    allows : says which estimators are let through although they follow their numbers

    Raises
    ------
    TypeError
        If an estimator follows its numbers and is not allowed.
    ValueError
        If a tree could leave its arrays or its row, or go round in a circle.
    """
    for thing, features in _inside(model):
        if isinstance(thing, Tree | TreePredictor):
            _refuse_tree(thing, features)
    wild = sorted(name for name in following(model) if not allows(name))
    if wild:
        raise TypeError(f"{', '.join(wild)} follows its numbers into memory unchecked")


def full_name(thing: object) -> str:
    """Return the full name of the type."""
    return _name_of(type(thing))


def _name_of(kind: type[Any]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _inside(model: Any) -> Iterator[tuple[Any, int | None]]:
    """Yield all that is reached from the model, and how wide a row is that comes to it.

    That is the least that an estimator on the way says: each checks the rows that it is given, but
    what lies inside a forest gets the rows of the forest as they are. A pipeline hands on to each
    step what the one before has made of the row, and every step checks.
    """
    waiting: list[tuple[Any, int | None]] = [(model, None)]
    seen: set[tuple[int, int | None]] = set()
    while waiting:
        thing, features = waiting.pop()
        if (id(thing), features) in seen or isinstance(thing, type | ModuleType | FunctionType):
            continue
        seen.add((id(thing), features))
        yield thing, features
        inner = _width_inside(thing, features)
        waiting.extend((part, inner) for part in _parts(thing))


def _width_inside(thing: Any, features: int | None) -> int | None:
    if type(thing) is Pipeline:
        return None
    own = vars(thing).get("n_features_in_") if isinstance(thing, BaseEstimator) else None
    if own is None:
        return features
    return int(own) if features is None else min(int(own), features)


def _parts(thing: Any) -> list[Any]:
    if isinstance(thing, dict):
        return [*thing.keys(), *thing.values()]
    if isinstance(thing, list | tuple | set | frozenset):
        return list(thing)
    if isinstance(thing, np.ndarray):
        return list(thing.flat) if thing.dtype == object else []
    return list(getattr(thing, "__dict__", {}).values())


def _refuse_tree(tree: Tree | TreePredictor, features: int | None) -> None:
    """Refuse a tree whose walk could leave its arrays or its row, or go round in a circle."""
    if features is None:
        raise ValueError("a tree lies where nothing says how many features a row has")
    if isinstance(tree, TreePredictor):
        nodes = tree.nodes
        _refuse_categories(tree)
        leaf = nodes["is_leaf"].astype(np.bool_)
        left, right = nodes["left"].astype(np.int64), nodes["right"].astype(np.int64)
        feature, threshold = nodes["feature_idx"], nodes["num_threshold"]
    else:
        if tree.n_features != features:
            raise ValueError(f"a tree is for {tree.n_features} features, its rows have {features}")
        left, right = tree.children_left, tree.children_right
        leaf, feature, threshold = left == -1, tree.feature, tree.threshold
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
