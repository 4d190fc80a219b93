"""SMOTE: more rows of the rarer class, for tabular members and from training rows only."""

import numpy as np
from imblearn.over_sampling import SMOTE
from sklearn.preprocessing import StandardScaler

from feeds.bars import IntArray
from ml.base import FloatMatrix
from ml.errors import TrainingError

NEIGHBOURS = 5


def oversample(X: FloatMatrix, y: IntArray, *, seed: int) -> tuple[FloatMatrix, IntArray]:
    """Return the rows with synthetic ones of the rarer class appended until both are as many.

    A synthetic row lies between a row and one of its nearest neighbours of the same class.
    Distances are taken on standardised copies, so no feature counts more for its unit; the
    rows handed in come back unchanged, first.

    Parameters
    ----------
    X : float32 (rows, features), finite, training rows only
    y : (rows,) of 0 and 1
    seed : of the choice of neighbours and places

    Raises
    ------
    TrainingError
        if the rarer class has fewer than two rows, between which nothing lies
    """
    rarer = int(np.bincount(y, minlength=2).min())
    if rarer < 2:
        raise TrainingError(
            "oversampling needs at least 2 training rows of each class, "
            f"found {rarer}: give more bars, or a label that is less rare"
        )
    smote = SMOTE(k_neighbors=min(NEIGHBOURS, rarer - 1), random_state=seed)
    scaler = StandardScaler().fit(X)
    grown, labels = smote.fit_resample(scaler.transform(X), y)
    synthetic = scaler.inverse_transform(grown[len(X) :]) if len(grown) > len(X) else X[:0]
    return np.concatenate([X, synthetic]).astype(np.float32), np.asarray(labels, np.int64)
