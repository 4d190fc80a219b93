"""Small training sets: random markets, with labels that something, or nothing, foretells."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

from feeds.bars import Bars, FloatArray, IntArray
from ml.base import FloatMatrix, Model, Samples
from ml.features.catalog import FEATURE_NAMES
from ml.labels import Labels, horizon_labels
from ml.training.data_pipeline import Source, TrainingSet, build_training_set
from tests.makers import make_bars
from tests.ml.trained import WARMUP_BARS

RETURN = FEATURE_NAMES.index("return_1")


class LinearModel(ClassifierMixin, BaseEstimator):
    """A quick member; it keeps what it was given to learn from and to stop by."""

    def __init__(self, *, steps: int | None = None, max_rows: int = 10**9, seed: int = 0) -> None:
        self.steps = steps
        self.max_rows = max_rows
        self.seed = seed

    def fit(
        self,
        X: FloatMatrix,
        y: IntArray,
        *,
        validation: tuple[FloatMatrix, IntArray] | None = None,
    ) -> Self:
        self.learned_ = X.copy(), y.copy()
        self.judged_ = validation
        flat = self._flat(X)
        self.mean_, self.scale_ = flat.mean(axis=0), flat.std(axis=0) + 1e-9
        self.line_ = LogisticRegression(C=0.01).fit((flat - self.mean_) / self.scale_, y)
        return self

    def predict_proba(self, X: FloatMatrix) -> FloatArray:
        found: FloatArray = self.line_.predict_proba((self._flat(X) - self.mean_) / self.scale_)
        return found

    def _flat(self, X: FloatMatrix) -> FloatArray:
        return np.asarray(X[:, -1] if X.ndim == 3 else X, np.float64)


def two_models() -> Mapping[str, tuple[float, Model]]:
    """Return a tabular model and one of sequences."""
    return {"line": (0.6, LinearModel()), "sequence": (0.4, LinearModel(steps=4))}


def source(bars: Bars, labels: Labels | None = None) -> Source:
    """Return a source in which every bar is asked."""
    every = np.ones(len(bars), np.bool_)
    return Source(bars, every, every, labels or horizon_labels(bars))


@cache
def training_set(bars_of_each: int = 1400, seed: int = 0) -> TrainingSet:
    """Return rows of two symbols of different length, horizon labels."""
    long = make_bars(bars_of_each, seed=seed, symbol="BTC/USDT")
    short = make_bars(bars_of_each - 300, seed=seed + 1, symbol="ETH/USDT")
    return build_training_set([source(long), source(short)], warmup_bars=WARMUP_BARS)


def foretold(rows: TrainingSet, *, ones: float, seed: int = 0, noise: float = 0.3) -> TrainingSet:
    """Return the rows with labels that their own bar's return foretells, a share `ones` of 1."""
    rng = np.random.default_rng(seed)
    signal = rows.samples.latest()[:, RETURN].astype(np.float64)
    signal = signal / signal.std() + rng.normal(0.0, noise, len(rows))
    return replace(rows, y=(signal > np.quantile(signal, 1.0 - ones)).astype(np.int64))


def with_other_labels(rows: TrainingSet, where: IntArray) -> TrainingSet:
    """Return the rows with the other label in `where`."""
    y = rows.y.copy()
    y[where] = 1 - y[where]
    return replace(rows, y=y)


def with_other_features(rows: TrainingSet, where: IntArray) -> TrainingSet:
    """Return the rows with other features in the bars of `where`, for rows and sequences."""
    matrix = rows.samples.matrix.copy()
    matrix[rows.samples.rows[where]] += 1.0
    return replace(rows, samples=Samples(matrix, rows.samples.rows))


def tossed(rows: TrainingSet, *, ones: float, seed: int = 0) -> TrainingSet:
    """Return the rows with labels that nothing foretells."""
    rng = np.random.default_rng(seed)
    return replace(rows, y=(rng.random(len(rows)) < ones).astype(np.int64))
