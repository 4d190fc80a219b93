"""Training rows from a matrix, and a model that can be reckoned by hand."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from feeds.bars import BoolArray, FloatArray, IntArray
from ml.base import FloatMatrix, Samples
from ml.calibration import PlattCalibrator, logistic
from ml.ensemble import Ensemble, Member
from ml.training.data_pipeline import TrainingSet

IDENTITY = PlattCalibrator(slope=1.0, intercept=0.0)


@dataclass
class Adds:
    """A model that answers with the sum of some columns, as log-odds."""

    columns: tuple[int, ...] = (0,)

    def fit(self, X: FloatMatrix, y: IntArray) -> Self:
        return self

    def predict_proba(self, X: FloatMatrix) -> FloatArray:
        up = logistic(X[:, self.columns].astype(np.float64).sum(axis=1))
        return np.column_stack([1.0 - up, up])


def adding(*columns: int) -> Ensemble:
    """Return an ensemble of one member that adds the columns."""
    return Ensemble((Member("adds", 1.0, Adds(columns), IDENTITY),), 0.4)


def rows_of(matrix: FloatArray, ones: BoolArray, before: int = 0) -> TrainingSet:
    """Return a row per line of the matrix; the first `before` lines are only looked back at."""
    rows = np.arange(before, len(matrix))
    moments = np.datetime64("2022-01-01", "ms") + rows * np.timedelta64(300_000, "ms")
    return TrainingSet(
        samples=Samples(matrix.astype(np.float32), rows),
        y=ones[before:].astype(np.int64),
        decided_at=moments,
        known_at=moments,
        symbol=np.zeros(len(rows), np.int64),
        symbols=("BTC/USDT",),
        asked=np.ones(len(rows), np.bool_),
        volatility=np.arange(len(rows), dtype=np.float64),
    )


def foretold_by(column: int, *, of: int, rows: int = 800, noise: float = 0.5) -> TrainingSet:
    """Return rows of noise, one column of which foretells the label."""
    rng = np.random.default_rng(7)
    matrix = rng.normal(size=(rows, of))
    return rows_of(matrix, matrix[:, column] + rng.normal(0, noise, rows) > 0.3)
