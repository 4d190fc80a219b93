"""A support vector machine with radial kernel."""

from typing import ClassVar

import numpy as np
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from feeds.bars import FloatArray
from ml.base import FloatMatrix, Rows
from ml.calibration import logistic
from ml.models.binary_model import BinaryModel, drawn_rows
from ml.models.search_space import SearchSpace, Span

_CHUNK = 2048  # rows whose kernel against some 10^4 support vectors is held at a time: 160 MB


class SVMModel(BinaryModel):
    """A support vector machine on features standardised by its own training rows.

    Its probability is the logistic of the distance to the border: in order, but on no scale
    until it is calibrated.

    Parameters
    ----------
    C : price of a row on the wrong side
    max_rows : cap on the training rows, as the time grows with their square; when more come,
        this many are drawn at random with the seed
    seed : of that draw
    """

    search_space: ClassVar[SearchSpace] = {"C": Span(1e-3, 10.0, log=True)}

    scaler_: StandardScaler
    classifier_: SVC

    _above_zero = ("C", "max_rows")

    def __init__(self, *, C: float = 0.1, max_rows: int = 8000, seed: int = 0) -> None:
        self.C = C
        self.max_rows = max_rows
        self.seed = seed

    def _learn(self, rows: Rows, validation: Rows | None) -> None:  # noqa: ARG002  learns in one go
        drawn = drawn_rows(len(rows.y), limit=self.max_rows, seed=self.seed)
        X, y, weight = rows.take(drawn)
        self.scaler_ = StandardScaler().fit(X.astype(np.float64))
        # gamma is a number, not "scale", so that answering needs no knowledge of the rows.
        classifier = SVC(
            C=self.C, gamma=1.0 / X.shape[1], class_weight="balanced", random_state=self.seed
        )
        self.classifier_ = classifier.fit(self._standardised(X), y, weight)
        self.rows_used_ = len(y)

    def _probability(self, X: FloatMatrix) -> FloatArray:
        chunks = [X[at : at + _CHUNK] for at in range(0, len(X), _CHUNK)]
        return logistic(np.concatenate([self._distance(chunk) for chunk in chunks]))

    def _distance(self, X: FloatMatrix) -> FloatArray:
        # SVC's decision_function takes rows one by one; this is one product of matrices.
        svc = self.classifier_
        kernel = rbf_kernel(self._standardised(X), svc.support_vectors_, gamma=svc.gamma)
        return np.asarray(kernel @ svc.dual_coef_[0] + svc.intercept_[0])

    def _standardised(self, X: FloatMatrix) -> FloatArray:
        return np.asarray(self.scaler_.transform(X.astype(np.float64)))
