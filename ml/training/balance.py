"""SMOTE: more rows of the rarer class, for tabular members and from training rows only."""

import numpy as np
from imblearn.over_sampling import SMOTE
from sklearn.preprocessing import StandardScaler

from feeds.bars import FloatArray
from ml.base import Rows
from ml.errors import TrainingError

NEIGHBOURS = 5
_UNFELT = 1e-9  # times a weight: no distance changes, and dividing brings the weight back


def oversample(rows: Rows, *, seed: int) -> Rows:
    """Return the rows with synthetic ones of the rarer class appended until both are as many.

    A synthetic row lies between a row and one of its nearest neighbours of the same class, and so
    does its weight. Distances are taken on standardised copies, so no feature counts more for its
    unit; the rows handed in come back unchanged, first.

    Parameters
    ----------
    rows : training rows only; X of (rows, features)
    seed : of the choice of neighbours and places

    Raises
    ------
    TrainingError
        if the rarer class has fewer than two rows, between which nothing lies
    """
    rarer = int(np.bincount(rows.y, minlength=2).min())
    if rarer < 2:
        raise TrainingError(
            "oversampling needs at least 2 training rows of each class, "
            f"found {rarer}: give more bars, or a label that is less rare"
        )
    smote = SMOTE(k_neighbors=min(NEIGHBOURS, rarer - 1), random_state=seed)
    scaler = StandardScaler().fit(rows.X)
    grown, labels = smote.fit_resample(_with_weight(scaler.transform(rows.X), rows.weight), rows.y)
    if len(grown) == len(rows.X):
        return rows
    features = rows.X.shape[1]
    invented = scaler.inverse_transform(grown[len(rows.X) :, :features])
    weight = None if rows.weight is None else grown[:, features] / _UNFELT
    if rows.weight is not None and weight is not None:
        weight[: len(rows.weight)] = rows.weight
    X = np.concatenate([rows.X, invented]).astype(np.float32)
    return Rows(X, np.asarray(labels, np.int64), weight)


def _with_weight(X: FloatArray, weight: FloatArray | None) -> FloatArray:
    """Return the rows with the weight as one more column, too small to be felt as a distance."""
    if weight is None:
        return X
    return np.column_stack([X.astype(np.float64), weight * _UNFELT])
