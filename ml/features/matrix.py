"""The feature matrix: bars in, one row of float32 per bar out."""

from collections.abc import Sequence

import numpy as np

from feeds.bars import Bars, IntArray
from ml.base import FloatMatrix
from ml.features.base import Feature
from ml.features.catalog import FEATURES


def feature_matrix(bars: Bars, features: Sequence[Feature] = FEATURES) -> FloatMatrix:
    """Return float32 (len(bars), len(features)), reckoned segment by segment.

    NaN where a segment holds fewer bars before the row than the feature looks back; in a
    degenerate window the feature's neutral value; never infinite.
    """
    return feature_rows(bars, np.arange(len(bars)), features)


def feature_rows(bars: Bars, rows: IntArray, features: Sequence[Feature] = FEATURES) -> FloatMatrix:
    """Return the same of some bars alone, float32 (len(rows), len(features)), to the last bit.

    Features are reckoned one by one over the whole segment, for some never forget its beginning;
    of each only the rows are kept, so that no matrix of all bars is ever there.

    Parameters
    ----------
    rows : ascending positions
    """
    matrix = np.empty((len(rows), len(features)), np.float32)
    for segment in bars.segments():
        first, stop = np.searchsorted(rows, [segment.start, segment.stop])
        if first < stop:
            own = rows[first:stop] - segment.start
            _fill(matrix[first:stop], bars[segment], own, features)
    return matrix


def _fill(matrix: FloatMatrix, segment: Bars, rows: IntArray, features: Sequence[Feature]) -> None:
    whole = len(rows) == len(segment)
    for column, feature in enumerate(features):
        values = feature.compute(segment)
        matrix[:, column] = values if whole else values[rows]
    neutral = np.array([feature.neutral for feature in features], np.float32)
    np.copyto(matrix, neutral, where=~np.isfinite(matrix))
    lookback = np.array([feature.lookback for feature in features])
    head = matrix[: np.searchsorted(rows, lookback.max(initial=0))]
    head[rows[: len(head), None] < lookback] = np.nan
