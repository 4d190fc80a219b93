"""Logistic regression on standardised features: the straight line among the models."""

from typing import ClassVar

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from feeds.bars import FloatArray
from ml.base import FloatMatrix, Rows
from ml.calibration import logistic
from ml.models.binary_model import BinaryModel, standardised
from ml.models.search_space import SearchSpace, Span


class LogisticModel(BinaryModel):
    """Logistic regression on features standardised by its own training rows.

    Parameters
    ----------
    C : inverse strength of the ridge penalty
    seed : handed on; this solver leaves nothing to chance
    """

    search_space: ClassVar[SearchSpace] = {"C": Span(1e-5, 10.0, log=True)}

    scaler_: StandardScaler
    classifier_: LogisticRegression

    _above_zero = ("C",)

    def __init__(self, *, C: float = 3e-4, seed: int = 0) -> None:
        self.C = C
        self.seed = seed

    def _learn(self, rows: Rows, validation: Rows | None) -> None:  # noqa: ARG002  learns in one go
        self.scaler_ = StandardScaler().fit(rows.X.astype(np.float64))
        classifier = LogisticRegression(C=self.C, max_iter=2000, random_state=self.seed)
        self.classifier_ = classifier.fit(standardised(rows.X, self.scaler_), rows.y, rows.weight)
        self.rows_used_ = len(rows.y)

    def _probability(self, X: FloatMatrix) -> FloatArray:
        line = self.classifier_
        return logistic(standardised(X, self.scaler_) @ line.coef_[0] + line.intercept_[0])
