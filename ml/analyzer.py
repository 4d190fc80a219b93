"""Serving: bars in, the ensemble's opinion out, for many bars at once or for the last one."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from feeds.bars import Bars, IntArray
from feeds.messages import shown
from ml.base import FloatMatrix, Samples
from ml.bundle import Bundle
from ml.errors import BundleMismatchError
from ml.features.base import Feature
from ml.features.catalog import FEATURES
from ml.features.matrix import feature_matrix, feature_rows
from ml.prediction import Prediction, PredictionTable, Unavailable


@dataclass(frozen=True, eq=False)
class Analyzer:
    """Asks a bundle's ensemble about bars.

    A batch answers as the trailing windows of its rows would, each of `lookback` + 1 bars,
    within 1e-6.

    Raises
    ------
    BundleMismatchError
        If the bundle needs a feature that there is not.
    """

    bundle: Bundle

    def __post_init__(self) -> None:
        _ = self.features

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """The features that the ensemble wants, in its order."""
        known = {feature.name: feature for feature in FEATURES}
        missing = [name for name in self.bundle.manifest.feature_names if name not in known]
        if missing:
            raise BundleMismatchError(
                f"the bundle was trained with features that this version lacks, first "
                f"{shown(missing[0])}: train again"
            )
        return tuple(known[name] for name in self.bundle.manifest.feature_names)

    @cached_property
    def lookback(self) -> int:
        """Bars of the same segment that must lie before a bar for an opinion on it."""
        longest = max(feature.lookback for feature in self.features)
        return longest + self.bundle.ensemble.steps - 1

    @property
    def seen_until(self) -> np.datetime64:
        """The moment (UTC) before which every bar is in-sample."""
        return self.bundle.manifest.seen_until_ms

    @property
    def digest(self) -> str:
        """What tells this bundle from any other."""
        return self.bundle.digest

    def predict(self, bars: Bars, rows: IntArray) -> PredictionTable:
        """Return the opinion on the bars at `rows`, in that order.

        Rows that lack warm-up in their segment are unavailable, with the reason.
        """
        rows = np.asarray(rows, np.int64)
        looked_at = self._looked_at(rows)
        features = feature_rows(bars, looked_at, self.features)
        return self._answer(bars, rows, features, np.searchsorted(looked_at, rows))

    def features_of(self, bars: Bars) -> FloatMatrix:
        """Return (bars, features), as the ensemble wants them."""
        return feature_matrix(bars, self.features)

    def features_at(self, bars: Bars, rows: IntArray) -> FloatMatrix:
        """Return (rows, features), as the ensemble wants them; the rows ascend."""
        return feature_rows(bars, rows, self.features)

    def answer(self, bars: Bars, rows: IntArray, features: FloatMatrix) -> PredictionTable:
        """Return what `predict` does, from the features of the bars."""
        rows = np.asarray(rows, np.int64)
        return self._answer(bars, rows, features, rows)

    def _looked_at(self, rows: IntArray) -> IntArray:
        """Return the bars that the members look at for an opinion on these, ascending."""
        steps = np.arange(self.bundle.ensemble.steps)
        reached = np.unique(rows[:, None] - steps)
        return reached[np.searchsorted(reached, 0) :]

    def _answer(
        self, bars: Bars, rows: IntArray, features: FloatMatrix, places: IntArray
    ) -> PredictionTable:
        """Answer from features, those of a row at its place, those of earlier bars before it."""
        before = bars.bars_before()[rows]
        ready = before >= self.lookback
        samples = Samples(features, places[ready])
        late = {
            int(row): f"needs {self.lookback} bars of its segment before it, has {before[row]}"
            for row in np.flatnonzero(~ready)
        }
        table = self.bundle.ensemble.predict(samples).among(ready, late)
        fitted = self.bundle.manifest.thresholds
        thresholds = () if fitted is None else (fitted,) * len(rows)
        return replace(table, thresholds=thresholds, features=features[places])

    def predict_last(self, window: Bars) -> Prediction | Unavailable:
        """Return the opinion on the last bar of a trailing window."""
        return self.predict(window, np.array([len(window) - 1])).at(0)
