"""A member that is quick to tune, searches for its parameters, and their trials."""

from pathlib import Path
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
import optuna
from sklearn.base import BaseEstimator, ClassifierMixin

from feeds.bars import FloatArray, IntArray
from ml.base import FloatMatrix, Model
from ml.calibration import logistic
from ml.models.search_space import SearchSpace, Span
from ml.training.config import TrainingConfig
from ml.training.data_pipeline import TrainingSet
from ml.training.tuning import Tuning, tune
from tests.ml.training.makers import RETURN, LinearModel

TRIALS = 6
CONFIG = TrainingConfig(optimize=True, trials=TRIALS, tuning_rows=600, tuning_folds=2)
Trials: TypeAlias = dict[str, list[tuple[Any, ...]]]


class Blurred(ClassifierMixin, BaseEstimator):
    """A quick member, the line between the classes' means, whose answers can be blurred.

    It notes what it is given, and interrupts everything when `stop_at` fits are done.
    """

    search_space: ClassVar[SearchSpace] = {"blur": Span(0.1, 10.0, log=True), "shift": Span(0, 3)}
    fits: ClassVar[list[tuple[float, int]]] = []
    lessons: ClassVar[list[tuple[Any, Any]]] = []
    stop_at: ClassVar[int | None] = None

    def __init__(self, *, blur: float = 5.0, shift: int = 1, steps: int | None = None) -> None:
        self.blur = blur
        self.shift = shift
        self.steps = steps

    def fit(self, X: FloatMatrix, y: IntArray, *, validation: Any = None) -> Self:
        if len(self.fits) == Blurred.stop_at:
            raise KeyboardInterrupt
        self.fits.append((self.blur, self.shift))
        self.lessons.append(((X, y), validation))
        last = self._last(X)
        self.line_ = (last[y == 1].mean(axis=0) - last[y == 0].mean(axis=0)) / last.var(axis=0)
        self.spread_ = (last @ self.line_).std()
        return self

    def predict_proba(self, X: FloatMatrix) -> FloatArray:
        noise = np.random.default_rng(self.shift).normal(0.0, self.blur, len(X))
        up = logistic(self._last(X) @ self.line_ / self.spread_ + noise)
        return np.column_stack([1.0 - up, up])

    def _last(self, X: FloatMatrix) -> FloatArray:
        moving = [RETURN, RETURN + 1]
        return np.asarray((X[:, -1] if X.ndim == 3 else X)[:, moving], np.float64)


def models() -> dict[str, tuple[float, Model]]:
    """Return a tabular member and one of sequences to tune, and one without spans."""
    return {
        "rows": (0.5, Blurred()),
        "sequences": (0.3, Blurred(steps=4)),
        "fixed": (0.2, LinearModel()),
    }


def search(
    rows: TrainingSet,
    storage: Path,
    members: dict[str, tuple[float, Model]] | None = None,
    *,
    seed: int = 0,
    **changes: Any,
) -> Tuning:
    config = CONFIG.model_copy(update=changes)
    return tune(rows, config, members or models(), seed=seed, storage=storage)


def only(member: Model) -> dict[str, tuple[float, Model]]:
    return {"only": (1.0, member)}


def recorded(storage: Path) -> Trials:
    """Return the trials of each study that count, as Optuna itself reads them."""
    kept = optuna.storages.RDBStorage(f"sqlite:///{storage}")
    studies = {
        study.study_name: [
            (trial.state, trial.params, trial.values, trial.intermediate_values)
            for trial in kept.get_all_trials(study._study_id)
            if trial.state != optuna.trial.TrialState.FAIL or trial.user_attrs
        ]
        for study in kept.get_all_studies()
    }
    kept.remove_session()
    kept.engine.dispose()
    return studies
