"""The feature matrix: bars in, one row of float32 per bar out."""

from collections.abc import Sequence

import numpy as np

from feeds.bars import Bars
from ml.base import FloatMatrix
from ml.features.base import Feature
from ml.features.catalog import FEATURES


def feature_matrix(bars: Bars, features: Sequence[Feature] = FEATURES) -> FloatMatrix:
    """Return float32 (len(bars), len(features)), reckoned segment by segment.

    NaN where a segment holds fewer bars before the row than the feature looks back; in a
    degenerate window the feature's neutral value; never infinite.
    """
    matrix = np.empty((len(bars), len(features)), np.float32)
    for rows in bars.segments():
        _fill(matrix[rows], bars[rows], features)
    return matrix


def _fill(matrix: FloatMatrix, segment: Bars, features: Sequence[Feature]) -> None:
    for column, feature in enumerate(features):
        matrix[:, column] = feature.compute(segment)
    neutral = np.array([feature.neutral for feature in features], np.float32)
    np.copyto(matrix, neutral, where=~np.isfinite(matrix))
    lookback = np.array([feature.lookback for feature in features])
    head = matrix[: lookback.max(initial=0)]
    head[np.arange(len(head))[:, None] < lookback] = np.nan
