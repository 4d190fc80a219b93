"""As many rows of the rarer class as of the other: invented ones to learn from, never to judge by.

`oversample` (SMOTE) is for training rows alone. The rows that stop the learning early are real
ones, at the same balance: a model that learned from half and half, judged at natural frequencies,
would be stopped by how rare the ones are and not by how well it tells them apart.
"""

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


def repeated(y: IntArray) -> IntArray:
    """Return positions in which the rows of the rarer class recur until both are as many.

    >>> repeated(np.array([0, 1, 0, 0, 1]))
    array([0, 1, 2, 3, 4, 1])
    """
    rarer = np.flatnonzero(y == np.argmin(np.bincount(y, minlength=2)))
    missing = len(y) - 2 * len(rarer)
    return np.concatenate([np.arange(len(y)), np.resize(rarer, missing)])
