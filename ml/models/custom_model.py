"""Any classifier that keeps to scikit-learn's contract, as a member."""

from collections.abc import Mapping
from inspect import signature
from threading import Lock
from typing import Any, NoReturn

import numpy as np
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import has_fit_parameter

from feeds.bars import FloatArray
from ml.base import FloatMatrix, Rows
from ml.errors import MemberError, TrainingError
from ml.models.binary_model import BinaryModel, standardised
from ml.models.estimator_class import estimator_class, failure_of, source_digest
from ml.models.one_thread import one_thread_of

# scikit-learn's forests swap the process's filters of warnings for each tree: two threads that ask
# them at once leave none, and thousands of warnings come of it.
_ONE_AT_A_TIME = Lock()


class CustomModel(BinaryModel):
    """A classifier that the configuration names.

    It is made with `params` and gets every `random_state` from the seed. `n_jobs` counts while it
    learns; it answers on one thread, so that its last bits are always the same. What it dies of is
    an error of its own (ValueError while it answers, TrainingError while it learns).

    Parameters
    ----------
    estimator : `package.module:Class` or `file.py:Class`
    params : keyword arguments of the class
    standardise : whether features are standardised by its own training rows
    seed : of all its chance
    """

    estimator_: Any
    scaler_: StandardScaler | None
    source_: str  # `source` when it learned

    def __init__(
        self,
        *,
        estimator: str = "sklearn.dummy:DummyClassifier",
        params: Mapping[str, Any] | None = None,
        standardise: bool = True,
        seed: int = 0,
    ) -> None:
        self.estimator = estimator
        self.params = params
        self.standardise = standardise
        self.seed = seed

    @property
    def source(self) -> str:
        """The SHA-256 of the file of its class as it is now; empty if that is of a package."""
        return source_digest(self.estimator)

    @property
    def takes_weight(self) -> bool:
        """Whether the classifier can weigh rows."""
        return bool(has_fit_parameter(estimator_class(self.estimator), "sample_weight"))

    def made(self) -> Any:
        """Return the classifier, not fitted.

        Raises
        ------
        MemberError
            If the class does not take the parameters.
        """
        kind, params = estimator_class(self.estimator), dict(self.params or {})
        try:
            signature(kind).bind(**params)
            estimator = kind(**params)
        except (Exception, SystemExit) as error:  # it may be the user's own class
            raise MemberError(
                f"{self.estimator} does not take params: {failure_of(self.estimator, error)}"
            ) from error
        chance = [name for name in _params(estimator) if name.split("__")[-1] == "random_state"]
        return estimator.set_params(**dict.fromkeys(chance, self.seed)) if chance else estimator

    def _learn(self, rows: Rows, validation: Rows | None) -> None:  # noqa: ARG002  learns in one go
        if rows.weight is not None and not self.takes_weight:
            raise TrainingError(f"{self.estimator} cannot weigh rows: its fit has no sample_weight")
        self.source_ = self.source
        self.scaler_ = StandardScaler().fit(rows.X.astype(np.float64)) if self.standardise else None
        given = {} if rows.weight is None else {"sample_weight": rows.weight}
        estimator = self.made()
        try:
            with _ONE_AT_A_TIME, one_thread_of(self.estimator):
                estimator.fit(self._seen(rows.X), rows.y, **given)
        except (Exception, SystemExit) as error:  # it may be the user's own class
            raise TrainingError(
                f"{self.estimator} cannot learn: {failure_of(self.estimator, error)}"
            ) from error
        self.estimator_ = _on_one_thread(estimator)
        self.rows_used_ = len(rows.y)

    def _probability(self, X: FloatMatrix) -> FloatArray:
        try:
            with _ONE_AT_A_TIME, one_thread_of(self.estimator):
                answer = np.asarray(self.estimator_.predict_proba(self._seen(X)), np.float64)
        except (Exception, SystemExit) as error:  # noqa: BLE001  it may be the user's own class
            self._refuse_answer(failure_of(self.estimator, error), error)
        if answer.shape != (len(X), 2):
            self._refuse_answer(f"must be (rows, 2), found {answer.shape} for {len(X)} rows")
        return np.asarray(answer[:, 1])

    def _seen(self, X: FloatMatrix) -> FloatMatrix | FloatArray:
        return X if self.scaler_ is None else standardised(X, self.scaler_)

    def _refuse_answer(self, what: str, cause: BaseException | None = None) -> NoReturn:
        raise ValueError(f"{self.estimator}: predict_proba: {what}") from cause


def _params(estimator: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = estimator.get_params(deep=True)
    return found


def _on_one_thread(estimator: Any) -> Any:
    threads = [name for name in _params(estimator) if name.split("__")[-1] == "n_jobs"]
    many = [name for name in threads if _params(estimator)[name] not in (None, 1)]
    return estimator.set_params(**dict.fromkeys(many, 1)) if many else estimator
