"""Which features an ensemble's opinion goes with, and how well each of them ranks alone.

It says what high and low answers have in common, quickly, on rows that were asked anyway. What the
ensemble leans on is another question, which only shuffling answers (`ml.training.importance`): of
two features that move together it may lean on either.
"""

from typing import Any

import numpy as np

from engine.jobs.reporting.opinions import Opinions
from feeds.bars import BoolArray, FloatArray
from ml.features.catalog import FEATURES
from ml.training.data_pipeline import evenly

Facts = dict[str, Any]

MOST_ROWS = 4000  # evenly in time; more would tell no more than days allow
_FAMILIES = {feature.name: feature.family for feature in FEATURES}


def followed(judged: Opinions) -> Facts | None:
    """Return each feature's rank correlation with the probability, the strongest first.

    Every row counts alike. `roc_auc` is that of the feature alone, below 0.5 where low values come
    true more often. None without features, or for a single outcome.

    References
    ----------
    Spearman, "The proof and measurement of association between two things", 1904.
    """
    rows = judged.take(evenly(len(judged), MOST_ROWS)) if len(judged) else judged
    if rows.features is None or not 0 < rows.came.sum() < len(rows):
        return None
    names = rows.bundles[-1].manifest.feature_names
    said = _ranks(rows.probability)
    columns = np.ascontiguousarray(np.asarray(rows.features, np.float64).T)
    found = [
        _feature(name, _ranks(column), said, rows.came)
        for name, column in zip(names, columns, strict=True)
    ]
    found.sort(key=lambda each: -abs(each["correlation"]))
    return {"rows": len(rows), "features": found}


def _feature(name: str, ranks: FloatArray, said: FloatArray, came: BoolArray) -> Facts:
    return {
        "name": name,
        "family": _FAMILIES[name],
        "correlation": _correlation(ranks, said),
        # The rank sum of Mann and Whitney.
        "roc_auc": float((ranks[came].mean() - ranks[~came].mean()) / len(ranks) + 0.5),
    }


def _ranks(values: FloatArray) -> FloatArray:
    """Return the rank of each value; equal ones share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - 0.5 * counts)[place])


def _correlation(one: FloatArray, other: FloatArray) -> float:
    """Return how the two move together, from -1 to 1; 0 where one of them does not move."""
    one, other = one - one.mean(), other - other.mean()
    size = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / size if size > 0.0 else 0.0
