"""A random forest: many deep trees on random parts of rows and features."""

from functools import lru_cache
from typing import ClassVar

from sklearn.ensemble import RandomForestClassifier

from feeds.bars import FloatArray
from ml.base import FloatMatrix, Rows
from ml.models.binary_model import BinaryModel
from ml.models.flat_forest import FlatForest
from ml.models.search_space import SearchSpace, Span


class RandomForestModel(BinaryModel):
    """A random forest.

    Parameters
    ----------
    n_estimators : trees
    max_depth : of a tree
    min_samples_leaf : rows in a leaf, at least; keeps the leaf's frequency from being noise
    seed : of the draws of rows and features
    jobs : threads while learning; answering takes one
    """

    search_space: ClassVar[SearchSpace] = {
        "max_depth": Span(3, 24),
        "min_samples_leaf": Span(2, 200, log=True),
    }

    forest_: RandomForestClassifier

    _above_zero = ("n_estimators", "max_depth", "min_samples_leaf", "jobs")

    def __init__(
        self,
        *,
        n_estimators: int = 300,
        max_depth: int = 12,
        min_samples_leaf: int = 100,
        seed: int = 0,
        jobs: int = 1,
    ) -> None:
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.seed = seed
        self.jobs = jobs

    def _learn(self, rows: Rows, validation: Rows | None) -> None:  # noqa: ARG002  learns in one go
        self.forest_ = RandomForestClassifier(
            n_estimators=self.n_estimators,
            max_depth=self.max_depth,
            min_samples_leaf=self.min_samples_leaf,
            max_features="sqrt",
            n_jobs=self.jobs,
            random_state=self.seed,
        ).fit(rows.X, rows.y, rows.weight)
        self.forest_.n_jobs = 1
        self.rows_used_ = len(rows.y)

    def _probability(self, X: FloatMatrix) -> FloatArray:
        return _flat(self.forest_, X.shape[1]).mean(X)


# Made when a forest is first asked and never stored. A fitted forest does not change, and is told
# from others by identity.
@lru_cache(maxsize=8)
def _flat(forest: RandomForestClassifier, features: int) -> FlatForest:
    return FlatForest.of([tree.tree_ for tree in forest.estimators_], features=features)
