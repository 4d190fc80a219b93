"""Markets of asked rows whose every law is known, for a drift watch and its references."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from engine.jobs.live.drift_watch import DriftWatch, Settled
from feeds.bars import BoolArray, FloatArray
from ml.base import FloatMatrix, Samples
from ml.calibration import PlattCalibrator, logistic
from ml.ensemble import Ensemble, Member
from ml.features.catalog import FEATURE_NAMES
from ml.references import References
from ml.training.data_pipeline import TrainingSet
from ml.training.references import references_of

START = np.datetime64("2024-01-01", "ms")
MINUTE = np.timedelta64(1, "m")
HELD_FROM = START + 4000 * MINUTE
ROWS = 6000  # of a training


class FirstFeature(ClassifierMixin, BaseEstimator):
    """Says that a row is a one with the log-odds of its first feature."""

    def fit(self, X: FloatMatrix, y: FloatArray) -> Self:
        return self

    def predict_proba(self, X: FloatMatrix) -> FloatArray:
        said = logistic(X[:, 0].astype(np.float64))
        return np.column_stack([1.0 - said, said])


ENSEMBLE = Ensemble(
    (Member("first", 1.0, FirstFeature(), PlattCalibrator(slope=1, intercept=0)),), 0.5
)


@dataclass(frozen=True, slots=True)
class Law:
    """How rows come about: neighbours are alike, and those far apart are independent.

    Attributes
    ----------
    alike : correlation of a row's features, and of its luck, with the row before
    shift, scale : of the features
    luck : added to the log-odds of the label, of which nobody tells the ensemble
    """

    alike: float = 0.9
    shift: float = 0.0
    scale: float = 1.0
    luck: float = 0.0

    def features(self, rng: np.random.Generator, n: int) -> FloatMatrix:
        drawn = _neighbours(rng, n, len(FEATURE_NAMES), self.alike)
        return (drawn * self.scale + self.shift).astype(np.float32)

    def labels(self, rng: np.random.Generator, said: FloatArray) -> BoolArray:
        """Return labels, ones as often as is said but for the luck."""
        drawn = _neighbours(rng, len(said), 1, self.alike)[:, 0]
        odds = np.log(said / (1.0 - said)) + self.luck
        # A standard normal number, made uniform by the logistic curve that is closest to it.
        return np.asarray(logistic(1.702 * drawn) < logistic(odds))


def _neighbours(rng: np.random.Generator, n: int, columns: int, alike: float) -> FloatArray:
    drawn = rng.normal(size=(n, columns))
    for row in range(1, n):
        drawn[row] = alike * drawn[row - 1] + np.sqrt(1.0 - alike**2) * drawn[row]
    return drawn


def rows_of(law: Law, rng: np.random.Generator, n: int = ROWS) -> TrainingSet:
    """Return the rows of a training, one a minute."""
    features = law.features(rng, n)
    labels = law.labels(rng, said_of(features))
    decided = START + np.arange(n) * MINUTE
    return TrainingSet(
        samples=Samples(features, np.arange(n)),
        y=labels.astype(np.int64),
        decided_at=decided,
        known_at=decided + 5 * MINUTE,
        symbol=np.zeros(n, np.int64),
        symbols=("BTC/USDT",),
        asked=np.ones(n, np.bool_),
        volatility=np.ones(n),
    )


def said_of(features: FloatMatrix) -> FloatArray:
    return ENSEMBLE.predict(Samples(features, np.arange(len(features)))).probability


def references(rng: np.random.Generator, law: Law | None = None) -> References:
    found = references_of(ENSEMBLE, rows_of(law or Law(), rng), held_from=HELD_FROM, asked={})
    assert found is not None
    return found


@dataclass
class Session:
    """A watch, and the rows that it has seen."""

    watch: DriftWatch
    rng: np.random.Generator
    rows: int = field(default=0)

    def live(self, law: Law, n: int, *, every: int = 10) -> str | None:
        """Show the watch up to `n` rows, labels at once; stop at its first word."""
        features = law.features(self.rng, n)
        said = said_of(features)
        for row, came in enumerate(law.labels(self.rng, said).tolist()):
            self.watch.see(features[row].astype(np.float64), float(said[row]))
            self.watch.settle(Settled(float(said[row]), came))
            self.rows += 1
            verdict = self.watch.verdict() if row % every == every - 1 else None
            if verdict is not None:
                return verdict
        return None


def session(seed: int, law: Law | None = None) -> Session:
    rng = np.random.default_rng(seed)
    return Session(DriftWatch(references(rng, law), ENSEMBLE.base_rate), rng)
