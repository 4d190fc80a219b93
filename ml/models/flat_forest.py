"""A fitted forest as flat arrays: one walk for one row and for many.

scikit-learn asks tree by tree, which costs more than the walk where the rows are few. The arrays
hold what the trees hold, so that the sums are the same to the last bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray
from sklearn.tree._tree import Tree

from feeds.bars import FloatArray, IntArray
from ml.base import FloatMatrix

_Places: TypeAlias = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class FlatForest:
    """All nodes of all trees, one tree after the other. A leaf's children are the leaf itself.

    Attributes
    ----------
    feature, limit : of each node: a row goes left where its feature is at most the limit
    children : of node i the left one at 2 * i, the right one after it
    value : of each node: the share of ones
    trees : (trees, 2): the root and the depth of each
    """

    feature: _Places
    limit: FloatMatrix
    children: _Places
    value: FloatArray
    trees: IntArray

    @classmethod
    def of(cls, trees: Sequence[Tree], *, features: int) -> Self:
        """Return fitted trees for rows of so many features.

        Raises
        ------
        ValueError
            If a tree asks for a feature that the rows do not have.
        """
        if any(tree.feature.max(initial=-1) >= features for tree in trees):
            raise ValueError(f"a forest for rows of {features} features asks for one beyond them")
        roots = np.cumsum([0, *(tree.node_count for tree in trees)])[:-1]
        return cls(
            feature=_joined([np.maximum(tree.feature, 0) for tree in trees], np.int32),
            limit=_joined([_limits(tree) for tree in trees], np.float32),
            children=_joined(
                [_children(tree) + root for tree, root in zip(trees, roots, strict=True)], np.int32
            ),
            value=_joined([tree.value[:, 0, 1] for tree in trees], np.float64),
            trees=np.column_stack([roots, [_depth(tree) for tree in trees]]),
        )

    def mean(self, X: FloatMatrix) -> FloatArray:
        """Return (rows,): the mean of the trees' values. X is finite."""
        rows = np.ascontiguousarray(X)
        total = _total(rows, self.feature, self.limit, self.children, self.value, self.trees)
        return np.asarray(total / len(self.trees))


def _joined(parts: Sequence[NDArray], dtype: type) -> NDArray:  # type: ignore[type-arg]  # of any number
    return np.concatenate(parts).astype(dtype)


def _children(tree: Tree) -> IntArray:
    itself = np.arange(tree.node_count)
    sides = np.column_stack([tree.children_left, tree.children_right])
    return np.where(sides < 0, itself[:, None], sides).ravel()


def _depth(tree: Tree) -> int:
    """Return how many steps the longest walk takes; what the tree says of itself may be wrong."""
    depth, level = 0, np.zeros(1, np.int64)
    while True:
        level = level[tree.children_left[level] >= 0]
        if not len(level):
            return depth
        level = np.unique([tree.children_left[level], tree.children_right[level]])
        depth += 1


def _limits(tree: Tree) -> FloatMatrix:
    """Return the thresholds as float32, rounded down: of float32, the same lie at or below them.

    No finite value lies above that of a leaf.
    """
    with np.errstate(over="ignore"):  # beyond all float32 is infinite, on the same side
        near = tree.threshold.astype(np.float32)
        down = np.where(near > tree.threshold, np.nextafter(near, np.float32(-np.inf)), near)
    return np.where(tree.children_left < 0, np.float32(np.inf), down)


# The walk goes down level by level for a block of rows at a time: their steps do not wait for each
# other, and the tree stays in the processor's nearest cache.
_BLOCK = 64


@njit(cache=True)
def _total(
    X: FloatMatrix,
    feature: _Places,
    limit: FloatMatrix,
    children: _Places,
    value: FloatArray,
    trees: IntArray,
) -> FloatArray:
    total = np.zeros(len(X))
    node = np.empty(_BLOCK, np.int32)
    for start in range(0, len(X), _BLOCK):
        size = min(_BLOCK, len(X) - start)
        for root, depth in trees:
            node[:size] = root
            for _ in range(depth):
                for row in range(size):
                    here = node[row]
                    right = X[start + row, feature[here]] > limit[here]
                    node[row] = children[2 * here + right]
            for row in range(size):
                total[start + row] += value[node[row]]
    return total
