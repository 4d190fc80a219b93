"""What is usual for a bundle: how the rows that a run asks about lay, and how true its word was.

A manifest holds it, and a live session compares what it sees with it. Everything is measured on
stretches (`ml.drift`) of decisive bars, as the drift of a session will be, so that what has
happened before, calm weeks and wild ones, counts as usual.
"""

from dataclasses import dataclass

import numpy as np
from pydantic import JsonValue

from feeds.bars import FloatArray
from ml.drift import Reference


@dataclass(frozen=True, slots=True)
class Usual:
    """A distribution, and how far stretches of it lie from the whole.

    Attributes
    ----------
    reference : of all rows
    largest : population stability index of a stretch
    """

    reference: Reference
    largest: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.largest < np.inf:
            raise ValueError(f"a stability index must be a number from 0 up, found {self.largest}")


@dataclass(frozen=True, slots=True)
class Truth:
    """How a mean over a stretch of one column of `misses` comes out.

    Attributes
    ----------
    mean : over all rows
    limit : in deviations that the mean of as many independent rows has (`deviations`); a stretch
        lies further from `mean` once in so many as the training says
    """

    mean: float
    limit: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.mean) and 0.0 < self.limit < np.inf):
            raise ValueError(f"a limit must be a number above 0 from a mean, found {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """What the ensemble said of rows that no member learned from, and what came.

    All that counts rows goes by their weight, where they have one; probabilities of the last four
    are at natural frequencies.

    Attributes
    ----------
    rows : how many
    probability : at a prior of 0.5, as a strategy sees it
    mean_probability, positive_rate, brier : what was said, what came, and the Brier score
    gap, excess : of `misses`
    """

    rows: int
    probability: Usual
    mean_probability: float
    positive_rate: float
    brier: float
    gap: Truth
    excess: Truth


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """What is usual for the rows that a run asks about.

    Attributes
    ----------
    rows : how many features were read off
    asked : the settings, mandatory filter aside, that decided which rows are asked about
    features : by name, over all parts
    held_out : over the calibrate and test parts; None where they are too short to tell
    """

    rows: int
    asked: dict[str, JsonValue]
    features: dict[str, Usual]
    held_out: HeldOut | None


def misses(came: FloatArray, natural: FloatArray) -> FloatArray:
    """Return (rows, 2): how far each row's outcome lies from what was said of it.

    The first column is the *gap*, outcome less probability p: its mean is off 0 where everything is
    too likely or too unlikely. The second is the gap times 1 - 2p, which is the *excess* of the
    row's Brier score over p (1 - p): its mean is above 0 where probabilities are too far from one
    half for what they know. Where p is right both are 0 on average.

    Parameters
    ----------
    came : (rows,) of 0 and 1
    natural : (rows,) probabilities at natural frequencies

    References
    ----------
    Spiegelhalter, "Probabilistic prediction in patient management and clinical trials", 1986.

    >>> misses(np.array([1.0, 0.0]), np.array([0.75, 0.5]))
    array([[ 0.25 , -0.125],
           [-0.5  , -0.   ]])
    """
    gap = came - natural
    return np.column_stack([gap, gap * (1.0 - 2.0 * natural)])


def variances(natural: FloatArray) -> FloatArray:
    """Return (rows, 2): the variances of `misses` where the probabilities are right."""
    spread = natural * (1.0 - natural)
    return np.column_stack([spread, spread * (1.0 - 2.0 * natural) ** 2])
