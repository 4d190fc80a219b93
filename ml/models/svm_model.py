"""A support vector machine with radial kernel."""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from feeds.bars import FloatArray
from ml.base import FloatMatrix, Rows
from ml.calibration import logistic
from ml.models.binary_model import BinaryModel, drawn_rows, standardised
from ml.models.one_thread import one_thread_of_blas
from ml.models.search_space import SearchSpace, Span

_CHUNK = 512  # rows whose kernel against some 10^4 support vectors is held at a time: 40 MB


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
        self.classifier_ = classifier.fit(standardised(X, self.scaler_), y, weight)
        self.rows_used_ = len(y)

    def _probability(self, X: FloatMatrix) -> FloatArray:
        border = _border(self.classifier_)
        chunks = [X[at : at + _CHUNK] for at in range(0, len(X), _CHUNK)]
        with one_thread_of_blas():
            distances = [border.distance(standardised(chunk, self.scaler_)) for chunk in chunks]
        return logistic(np.concatenate(distances))


@dataclass(frozen=True, slots=True, eq=False)
class _Border:
    """What a fitted SVC knows, so written that all its kernels are one product of matrices.

    -gamma |x - s|^2 is the product of (x, -gamma |x|^2, 1) and (2 gamma s, 1, -gamma |s|^2).
    scikit-learn's SVC takes rows one by one. float32 would halve the time and miss SVC's answer
    by 1e-5.

    Attributes
    ----------
    supports : (features + 2, support vectors)
    weights : of the support vectors
    """

    gamma: float
    supports: FloatArray
    weights: FloatArray
    intercept: float

    def distance(self, x: FloatArray) -> FloatArray:
        """Return (rows,): how far standardised rows lie from the border, below 0 for class 0."""
        norms = -self.gamma * np.einsum("ij,ij->i", x, x)
        kernel = np.column_stack([x, norms, np.ones(len(x))]) @ self.supports
        np.minimum(kernel, 0.0, out=kernel)  # rounding can lift a row above its own square
        np.exp(kernel, out=kernel)
        return np.asarray(kernel @ self.weights + self.intercept)


# Made when a model is first asked and never stored. A fitted SVC does not change, and is told from
# others by identity.
@lru_cache(maxsize=8)
def _border(svc: SVC) -> _Border:
    supports, gamma = svc.support_vectors_, float(svc.gamma)
    norms = -gamma * np.einsum("ij,ij->i", supports, supports)
    columns = [2.0 * gamma * supports, np.ones(len(supports)), norms]
    return _Border(
        gamma=gamma,
        supports=np.ascontiguousarray(np.column_stack(columns).T),
        weights=np.ascontiguousarray(svc.dual_coef_[0]),
        intercept=float(svc.intercept_[0]),
    )
