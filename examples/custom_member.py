"""A classifier of one's own as a member of the ensemble (docs/custom-members.md)."""

from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin


class NearerCentre(ClassifierMixin, BaseEstimator):
    """Asks which class's mean lies nearer: bars that rose, or bars that did not.

    Parameters
    ----------
    sharpness : how fast the nearer one gets sure with the distance, above 0
    """

    def __init__(self, sharpness: float = 1.0) -> None:
        self.sharpness = sharpness

    def fit(self, X: NDArray, y: NDArray, sample_weight: NDArray | None = None) -> Self:
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        self.classes_ = np.unique(y)
        self.centres_ = np.array(
            [np.average(X[y == kind], axis=0, weights=weight[y == kind]) for kind in self.classes_]
        )
        return self

    def predict_proba(self, X: NDArray) -> NDArray:
        away = np.stack([((X - centre) ** 2).mean(axis=1) for centre in self.centres_], axis=1)
        odds = np.exp(-self.sharpness * (away - away.min(axis=1, keepdims=True)))
        return odds / odds.sum(axis=1, keepdims=True)
