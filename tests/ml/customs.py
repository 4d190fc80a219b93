"""Classifiers of one's own for tests."""

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from ml.models.configured import custom_model
from ml.models.member_config import MemberConfig

NB = "sklearn.naive_bayes:GaussianNB"
TREES = "sklearn.ensemble:ExtraTreesClassifier"
BOOSTING = "sklearn.ensemble:HistGradientBoostingClassifier"

OWN = """
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

class Own(ClassifierMixin, BaseEstimator):
    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y):
        self.share_ = {fit}
        return self

    def predict_proba(self, X):
        up = {answer}
        return np.column_stack([1.0 - up, up])
"""


def own(
    folder: Path, *, fit: str = "y.mean()", answer: str = "np.full(len(X), self.share_)"
) -> str:
    """Write a classifier and return it as the settings name it."""
    file = folder / "own.py"
    file.write_text(OWN.format(fit=fit, answer=answer))
    return f"{file}:Own"


def rows() -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    X = (rng.normal(size=(200, 4)) * 3.0 + 5.0).astype(np.float32)
    return X, (X[:, 0] + rng.normal(size=200) > 5.0).astype(np.int64)


def learned(member: MemberConfig, *, seed: int = 0) -> Any:
    model: Any = custom_model(member, seed=seed)
    return clone(model).fit(*rows())
