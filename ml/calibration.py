"""From a model's raw answer to a probability, and from there to a vote at even odds."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from feeds.bars import FloatArray, IntArray

_EDGE = 1e-9  # raw probabilities are held this far from 0 and 1, where log-odds end
_RIDGE = 1e-3  # penalty on the slope, in rows: felt only where all answers are the same
_MOST_STEPS = 100  # of Newton's method, in case it never comes to rest
_STEP_END = 1e-10  # a step this short ends it


def log_odds(p: FloatArray) -> FloatArray:
    """Return ln(p / (1 - p)), with p held 1e-9 away from 0 and 1.

    >>> log_odds(np.array([0.5, 0.75])) / np.log(3.0)
    array([0., 1.])
    """
    held = np.clip(np.asarray(p, np.float64), _EDGE, 1.0 - _EDGE)
    return np.asarray(np.log(held) - np.log1p(-held))


def logistic(x: FloatArray) -> FloatArray:
    """Return 1 / (1 + e^-x), without overflow.

    >>> logistic(np.array([0.0, -1e9, 1e9]))
    array([0.5, 0. , 1. ])
    """
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def shift_prior(p: FloatArray, base_rate: float) -> FloatArray:
    """Return what `p` would be if both outcomes were equally common.

    The log-odds lose those of the base rate: 0.5 says "as likely as ever", above is better.

    Parameters
    ----------
    p : probabilities under natural frequencies
    base_rate : share of ones under those frequencies, above 0 and below 1

    >>> shift_prior(np.array([0.1, 0.2, 1.0]), base_rate=0.2).round(3)
    array([0.308, 0.5  , 1.   ])
    """
    check_base_rate(base_rate)
    # In odds rather than log-odds: 0 and 1 need no special case and 0.5 changes nothing.
    ones, zeros = p * (1.0 - base_rate), (1.0 - p) * base_rate
    return np.asarray(ones / (ones + zeros))


def check_base_rate(base_rate: float) -> None:
    """Refuse a base rate that leaves one outcome out."""
    if not 0.0 < base_rate < 1.0:
        raise ValueError(f"a base rate must be above 0 and below 1, found {base_rate}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlattCalibrator:
    """A straight line on the log-odds: p -> logistic(slope * log_odds(p) + intercept).

    The slope is never negative, so the order of the rows is kept. A model whose answers run
    against the labels has nothing to say here: its slope is 0 and every row gets the base rate,
    which is a vote of exactly 0.5 after `shift_prior`.

    References
    ----------
    Platt, "Probabilistic outputs for support vector machines", 1999; Lin, Lin and Weng, "A note
    on Platt's probabilistic outputs for support vector machines", 2007.
    """

    slope: float
    intercept: float

    def __post_init__(self) -> None:
        if not (np.isfinite([self.slope, self.intercept]).all() and self.slope >= 0.0):
            raise ValueError(f"a slope must be finite and at least 0, found {self}")

    @classmethod
    def from_fit(cls, raw: FloatArray, y: IntArray, weight: FloatArray | None = None) -> Self:
        """Fit to held-out rows with natural frequencies.

        Parameters
        ----------
        raw : (n,) a model's raw probabilities of rows that it did not learn from
        y : (n,) their labels, 0 or 1
        weight : (n,) how much each counts; None if all count alike

        Raises
        ------
        ValueError
            If there are no rows or the lengths differ.
        """
        if raw.shape != y.shape or not len(y):
            raise ValueError(f"a label per row is needed, found {y.shape} for {raw.shape}")
        target = _smoothed(y)
        share = np.ones(len(y)) if weight is None else weight * (len(y) / weight.sum())
        slope, intercept = _fitted_line(log_odds(raw), target, share)
        if slope > 0.0:
            return cls(slope=slope, intercept=intercept)
        return cls(slope=0.0, intercept=float(log_odds(np.array((share * target).mean()))))

    def __call__(self, raw: FloatArray) -> FloatArray:
        """Return the probabilities under natural frequencies."""
        return logistic(self.slope * log_odds(raw) + self.intercept)


def _smoothed(y: IntArray) -> FloatArray:
    """Return Platt's targets: just inside 0 and 1, by as much as few rows leave open."""
    ones = int(y.sum())
    zeros = len(y) - ones
    return np.where(y == 1, (ones + 1.0) / (ones + 2.0), 1.0 / (zeros + 2.0))


def _fitted_line(x: FloatArray, target: FloatArray, share: FloatArray) -> tuple[float, float]:
    """Return slope and intercept of the least cross-entropy of weighted rows, by Newton's method.

    The loss is convex, so a step that is halved until it helps always gets there.
    """
    design = np.column_stack([x, np.ones_like(x)])
    ridge = np.array([_RIDGE, 0.0])
    line = np.zeros(2)
    for _ in range(_MOST_STEPS):
        p = logistic(design @ line)
        slope_of_loss = design.T @ (share * (p - target)) + ridge * line
        curvature = (design.T * (share * np.maximum(p * (1.0 - p), _EDGE))) @ design + np.diag(
            ridge
        )
        step = np.linalg.solve(curvature, slope_of_loss)
        now = _loss(design, target, share, line)
        while _loss(design, target, share, line - step) > now and np.abs(step).max() > _STEP_END:
            step /= 2.0
        line = line - step
        if np.abs(step).max() <= _STEP_END:
            break
    return float(line[0]), float(line[1])


def _loss(design: FloatArray, target: FloatArray, share: FloatArray, line: FloatArray) -> float:
    z = design @ line
    return float(np.sum(share * (np.logaddexp(0.0, z) - target * z)) + 0.5 * _RIDGE * line[0] ** 2)
