"""Gradient-boosted trees (XGBoost)."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import xgboost

from feeds.bars import FloatArray
from ml.base import FloatMatrix, Rows
from ml.models.binary_model import BinaryModel
from ml.models.device import Device
from ml.models.search_space import SearchSpace, Span

_PATIENCE = 30  # rounds without a better validation loss before the boosting stops


class XGBoostModel(BinaryModel):
    """Gradient-boosted trees on histograms.

    With `validation` the boosting stops early and keeps the rounds up to the best one; without
    it all `max_rounds` are run.

    Parameters
    ----------
    max_rounds : trees, at most
    max_depth : of a tree
    learning_rate : weight of a tree
    seed : of the draws of rows (half of them) and features (30 %) for each tree
    jobs : threads while learning; answering takes one
    device : where it learns, `cpu` or `cuda`; it answers on the processor
    """

    # Not max_rounds: the boosting stops itself.
    search_space: ClassVar[SearchSpace] = {
        "max_depth": Span(2, 10),
        "learning_rate": Span(0.01, 0.3, log=True),
    }

    booster_: xgboost.Booster

    _above_zero = ("max_rounds", "max_depth", "learning_rate", "jobs")

    def __init__(
        self,
        *,
        max_rounds: int = 600,
        max_depth: int = 5,
        learning_rate: float = 0.02,
        seed: int = 0,
        jobs: int = 1,
        device: Device = "cpu",
    ) -> None:
        self.max_rounds = max_rounds
        self.max_depth = max_depth
        self.learning_rate = learning_rate
        self.seed = seed
        self.jobs = jobs
        self.device = device

    def _learn(self, rows: Rows, validation: Rows | None) -> None:
        watched = [] if validation is None else [(self._matrix(validation), "validation")]
        booster = xgboost.train(
            self._settings(),
            self._matrix(rows),
            num_boost_round=self.max_rounds,
            evals=watched,
            early_stopping_rounds=_PATIENCE if watched else None,
            verbose_eval=False,
        )
        self.booster_ = booster[: booster.best_iteration + 1] if watched else booster
        self.booster_.set_param({"nthread": 1, "device": "cpu"})
        self.rows_used_ = len(rows.y)

    def _settings(self) -> dict[str, Any]:
        return {
            "objective": "binary:logistic",
            "eval_metric": "logloss",
            "tree_method": "hist",
            "max_depth": self.max_depth,
            "eta": self.learning_rate,
            "min_child_weight": 20,
            "subsample": 0.5,
            "colsample_bytree": 0.3,
            "seed": self.seed,
            "nthread": self.jobs,
            "device": self.device,
        }

    def _matrix(self, rows: Rows) -> xgboost.DMatrix:
        return xgboost.DMatrix(rows.X, label=rows.y, weight=rows.weight, nthread=self.jobs)

    def _probability(self, X: FloatMatrix) -> FloatArray:
        return np.asarray(self.booster_.inplace_predict(X), np.float64)

    def to_bytes(self) -> bytes:
        """Return what was learned as UBJSON."""
        self.booster_.set_attr(rows_used=str(self.rows_used_))
        return bytes(self.booster_.save_raw("ubj"))

    @classmethod
    def from_bytes(cls, data: bytes, params: Mapping[str, Any]) -> Self:
        """Return the model with these parameters that learned `data`.

        Raises
        ------
        ValueError
            If the bytes are not such a model.
        """
        if not data.startswith(b"{"):  # XGBoost ends the process over an empty file
            raise ValueError("XGBoostModel: these bytes are not UBJSON")
        model = cls(**params)
        model.booster_ = xgboost.Booster(
            {"nthread": 1, "device": "cpu"}, model_file=bytearray(data)
        )
        model.n_features_in_ = model.booster_.num_features()
        model.rows_used_ = int(model.booster_.attr("rows_used") or 0)
        model.classes_ = np.array([0, 1])
        return model
