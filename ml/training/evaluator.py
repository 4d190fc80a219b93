"""How good members and ensemble are on rows they have not learned from.

Decisions (accuracy, precision, the confusion matrix, …) are read off the probability at a prior of
0.5, the one that a strategy sees. Brier score, log loss and reliability are about probabilities as
such and are read off the calibrated ones at natural frequencies, before the prior shift.
What a part with a single class cannot tell is None.

Where rows have a weight, the areas, the scores of probabilities, the reliability and every share of
ones go by it; decisions count rows all the same.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    log_loss,
    roc_auc_score,
)

from feeds.bars import BoolArray, FloatArray, IntArray
from ml.calibration import shift_prior
from ml.ensemble import Ensemble
from ml.errors import TrainingError
from ml.prediction import EPSILON
from ml.training.data_pipeline import TrainingSet

BAND_FLOORS = (0.70, 0.60, 0.50, 0.45, 0.0)
RELIABILITY_BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Rows by what was said (probability at least 0.5) and what came."""

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Rows whose natural probability lies in [low, high): what was said and what came."""

    low: float
    high: float
    rows: int
    mean_probability: float
    observed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """One predictor on one part."""

    accuracy: float
    balanced_accuracy: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    roc_auc: float | None
    pr_auc: float | None
    brier: float
    log_loss: float
    expected_calibration_error: float
    confusion: Confusion
    reliability: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Rows whose probability, at a prior of 0.5, is at least `floor` and below the next band."""

    floor: float
    rows: int
    observed: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Members and ensemble on one part.

    Attributes
    ----------
    rows, positive_rate : how many rows, and the share of ones among them
    base_rate : the ensemble's share of ones, found at its training, from which its votes are
        shifted; where `positive_rate` is far from it, the market has drifted since
    members : scores by name; a member that did not answer is in `left_out` instead
    volatility_roc_auc : of recent volatility alone, the baseline of a label that looks ahead
    bands : how many of the rows on which a run would ask fall into each band of the ensemble's
        probability
    """

    rows: int
    positive_rate: float
    base_rate: float
    members: Mapping[str, Scores]
    ensemble: Scores
    volatility_roc_auc: float | None
    bands: tuple[Band, ...]
    left_out: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return the evaluation in JSON's own types."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        return plain


def evaluate(ensemble: Ensemble, rows: TrainingSet) -> Evaluation:
    """Ask the ensemble about rows that it has not learned from.

    Raises
    ------
    TrainingError
        if there is no row, or one on which no member answers
    """
    if not len(rows):
        raise TrainingError("an evaluation needs at least one row, found none: give more bars")
    table = ensemble.predict(rows.samples)
    if not table.available.all():
        reason = next(iter(table.reasons.values()))
        raise TrainingError(f"an evaluation needs an answer on every row, found: {reason}")
    weight = np.ones(len(rows)) if rows.weight is None else rows.weight
    scores_of = partial(_score_answered, rows.y, base_rate=ensemble.base_rate, weight=weight)
    return Evaluation(
        rows=len(rows),
        positive_rate=float(np.average(rows.y, weights=weight)),
        base_rate=ensemble.base_rate,
        members={
            name: scores_of(vote) for name, vote in table.votes.items() if np.isfinite(vote).any()
        },
        ensemble=scores_of(table.probability),
        volatility_roc_auc=_roc_auc(rows.y, rows.volatility, weight),
        bands=bands(rows.y[rows.asked], table.probability[rows.asked], weight[rows.asked]),
        left_out=dict(table.left_out),
    )


def score(
    y: IntArray, probability: FloatArray, base_rate: float, weight: FloatArray | None = None
) -> Scores:
    """Return the scores of probabilities at a prior of 0.5.

    Parameters
    ----------
    y : (rows,) of 0 and 1, at least one
    probability : (rows,) at a prior of 0.5
    base_rate : the natural frequency of ones that the prior was shifted from
    weight : (rows,) how much each counts; None if all count alike
    """
    natural = shift_prior(probability, 1.0 - base_rate)  # the same shift, the other way
    return Scores(
        **_decisions(y, probability >= 0.5 - EPSILON),
        roc_auc=_roc_auc(y, probability, weight),
        pr_auc=float(average_precision_score(y, probability, sample_weight=weight))
        if _both(y)
        else None,
        brier=float(brier_score_loss(y, natural, sample_weight=weight, pos_label=1)),
        log_loss=float(log_loss(y, natural, sample_weight=weight, labels=[0, 1])),
        expected_calibration_error=expected_calibration_error(y, natural, weight),
        reliability=reliability(y, natural, weight),
    )


def reliability(
    y: IntArray, natural: FloatArray, weight: FloatArray | None = None
) -> tuple[ReliabilityBin, ...]:
    """Return what was said and what came in each of RELIABILITY_BINS equal bins, empty ones not.

    A bin whose rows weigh nothing is empty; parameters as in `expected_calibration_error`.
    """
    share = np.ones(len(y)) if weight is None else weight
    edges = np.linspace(0.0, 1.0, RELIABILITY_BINS + 1)
    bin_of_row = _bins(natural)
    return tuple(
        ReliabilityBin(
            low=float(edges[number]),
            high=float(edges[number + 1]),
            rows=int(inside.sum()),
            mean_probability=float(np.average(natural[inside], weights=share[inside])),
            observed=float(np.average(y[inside], weights=share[inside])),
        )
        for number in np.unique(bin_of_row[share > 0.0]).tolist()
        for inside in [bin_of_row == number]
    )


def expected_calibration_error(
    y: IntArray, natural: FloatArray, weight: FloatArray | None = None
) -> float:
    """Return how far what was said lies from what came, on average over the rows.

    In each of RELIABILITY_BINS equal bins the mean probability is set beside the share of ones; the
    distances are averaged by the weight of the bins.

    Parameters
    ----------
    y : (rows,) of 0 and 1, at least one
    natural : (rows,) probabilities at natural frequencies
    weight : (rows,) how much each counts; None if all count alike

    References
    ----------
    Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian
    binning", 2015.
    """
    share = np.ones(len(y)) if weight is None else weight
    gaps = np.bincount(_bins(natural), share * (natural - y))
    return float(np.abs(gaps).sum() / share.sum())


def _bins(natural: FloatArray) -> IntArray:
    inner = np.linspace(0.0, 1.0, RELIABILITY_BINS + 1)[1:-1]
    return np.searchsorted(inner, natural, side="right")


def bands(
    y: IntArray, probability: FloatArray, weight: FloatArray | None = None
) -> tuple[Band, ...]:
    """Return how many rows fall into each band of the probability, highest band first."""
    share = np.ones(len(y)) if weight is None else weight
    number = np.sum(probability[:, None] < np.array(BAND_FLOORS) - EPSILON, axis=1)
    return tuple(
        Band(
            floor=floor,
            rows=int(inside.sum()),
            observed=_ratio((share * y)[inside].sum(), share[inside].sum()),
        )
        for position, floor in enumerate(BAND_FLOORS)
        for inside in [number == position]
    )


def _score_answered(y: IntArray, vote: FloatArray, base_rate: float, weight: FloatArray) -> Scores:
    answered = np.isfinite(vote)
    return score(y[answered], vote[answered], base_rate, weight[answered])


def _both(y: IntArray) -> bool:
    return bool(0 < y.sum() < len(y))


def _roc_auc(y: IntArray, ranking: FloatArray, weight: FloatArray | None = None) -> float | None:
    return float(roc_auc_score(y, ranking, sample_weight=weight)) if _both(y) else None


def _decisions(y: IntArray, said: BoolArray) -> dict[str, Any]:
    came = y == 1
    hits, misses = int((said & came).sum()), int((~said & came).sum())
    alarms, rests = int((said & ~came).sum()), int((~said & ~came).sum())
    recall, specificity = _ratio(hits, hits + misses), _ratio(rests, rests + alarms)
    return {
        "accuracy": (hits + rests) / len(y),
        "balanced_accuracy": _mean(recall, specificity),
        "precision": _ratio(hits, hits + alarms),
        "recall": recall,
        "f1": _ratio(2 * hits, 2 * hits + alarms + misses),
        "confusion": Confusion(
            true_positives=hits,
            false_positives=alarms,
            false_negatives=misses,
            true_negatives=rests,
        ),
    }


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def _mean(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else (one + other) / 2
