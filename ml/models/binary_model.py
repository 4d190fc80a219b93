"""What all models share: scikit-learn's contract for a binary classifier."""

from abc import abstractmethod
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn, Self, get_args

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from feeds.bars import FloatArray, IntArray
from feeds.messages import shown
from ml.base import FloatMatrix, Rows
from ml.models.device import Device
from ml.models.search_space import SearchSpace


class BinaryModel(ClassifierMixin, BaseEstimator):
    """A classifier of rows into 0 and 1.

    `__init__` only stores its keyword parameters, `fit` checks them and the data; what is
    learned ends in an underscore. Rows are finite float32, labels 0 or 1, both present.
    `sample_weight` says how much each row counts, only the proportions matter. `validation`, rows
    too, stops the learning early where a model learns in rounds; the others ignore it. A subclass
    says how it learns (`_learn`) and answers (`_probability`), and between which values a tuning
    may look for its parameters; the defaults lie between them.

    Attributes
    ----------
    search_space : spans by the name of a parameter
    classes_ : the labels, [0, 1]
    n_features_in_ : features per row
    rows_used_ : training rows that were really learned from
    """

    search_space: ClassVar[SearchSpace] = MappingProxyType({})

    classes_: IntArray
    n_features_in_: int
    rows_used_: int
    device: Device  # of a model that can learn on a graphics card

    _row_shape = "(rows, features)"
    _above_zero: tuple[str, ...] = ()  # parameters that must be above 0

    def fit(
        self,
        X: FloatMatrix,
        y: IntArray,
        sample_weight: FloatArray | None = None,
        *,
        validation: Rows | None = None,
    ) -> Self:
        """Learn from the rows.

        Raises
        ------
        ValueError
            If a parameter or the data breaks the contract.
        """
        self._check_parameters()
        X = self._as_rows(X)
        self.n_features_in_ = X.shape[-1]
        y = self._as_labels(y, X)
        if len(np.unique(y)) < 2:
            self._refuse(f"labels must hold both 0 and 1, found only {y[:1].tolist()}")
        rows = Rows(X, y, self._as_weight(sample_weight, X))
        self._learn(rows, None if validation is None else self._as_validation(Rows(*validation)))
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, X: FloatMatrix) -> FloatArray:
        """Return (rows, 2): the probabilities of 0 and of 1, not calibrated."""
        if not hasattr(self, "n_features_in_"):
            check_is_fitted(self)  # costs more than some models' answers to one row
        X = self._as_rows(X)
        if X.shape[-1] != self.n_features_in_:
            self._refuse(f"rows must have {self.n_features_in_} features, found {X.shape[-1]}")
        up = np.asarray(self._probability(X), np.float64)
        return np.column_stack([1.0 - up, up])

    def predict(self, X: FloatMatrix) -> IntArray:
        """Return 1 where the probability of 1 is at least one half."""
        return (self.predict_proba(X)[:, 1] >= 0.5).astype(np.int64)

    @abstractmethod
    def _learn(self, rows: Rows, validation: Rows | None) -> None:
        """Learn from sound data and set `rows_used_`."""

    @abstractmethod
    def _probability(self, X: FloatMatrix) -> FloatArray:
        """Return (rows,): the probability of 1."""

    def _check_parameters(self) -> None:
        for name in self._above_zero:
            if not getattr(self, name) > 0:
                self._refuse(f"{name} must be above 0, found {getattr(self, name)}")
        if getattr(self, "device", "cpu") not in get_args(Device):
            self._refuse(f"device must be cpu or cuda, found {shown(str(self.device))}")

    def _as_rows(self, X: Any) -> FloatMatrix:
        rows = np.asarray(X, np.float32)
        if rows.ndim != self._row_shape.count(",") + 1 or not len(rows):
            self._refuse(f"rows must be {self._row_shape}, at least one, found {rows.shape}")
        if not np.isfinite(rows).all():
            self._refuse("rows must be finite, found NaN or infinity; cut the warm-up off")
        return rows

    def _as_labels(self, y: Any, X: FloatMatrix) -> IntArray:
        labels = np.asarray(y)
        if labels.shape != (len(X),) or not np.isin(labels, (0, 1)).all():
            self._refuse(f"labels must be 0 or 1, one for each of {len(X)} rows")
        return labels.astype(np.int64)

    def _as_weight(self, weight: Any, X: FloatMatrix) -> FloatArray | None:
        if weight is None:
            return None
        weights = np.asarray(weight, np.float64)
        if weights.shape != (len(X),) or not (np.isfinite(weights) & (weights >= 0.0)).all():
            self._refuse(f"weights must be finite and at least 0, one for each of {len(X)} rows")
        if not weights.any():
            self._refuse("weights must not all be 0")
        return weights / float(weights.mean())

    def _as_validation(self, validation: Rows) -> Rows:
        X = self._as_rows(validation.X)
        if X.shape[-1] != self.n_features_in_:
            self._refuse(
                f"validation must have {self.n_features_in_} features, found {X.shape[-1]}"
            )
        return Rows(X, self._as_labels(validation.y, X), self._as_weight(validation.weight, X))

    def _refuse(self, what: str) -> NoReturn:
        raise ValueError(f"{type(self).__name__}: {what}")


def drawn_rows(rows: int, *, limit: int, seed: int) -> IntArray:
    """Return at most `limit` of `rows` positions, drawn with the seed, in ascending order.

    >>> drawn_rows(3, limit=5, seed=0)
    array([0, 1, 2])
    """
    if rows <= limit:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, limit, replace=False))


def standardised(X: FloatMatrix, scaler: StandardScaler) -> FloatArray:
    """Return what the fitted scaler makes of the rows, without its checks of them."""
    return np.asarray((X.astype(np.float64) - scaler.mean_) / scaler.scale_)
