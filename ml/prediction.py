"""What the ensemble says about a bar, or why it says nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feeds.bars import BoolArray, FloatArray, IntArray

EPSILON = 1e-9  # a probability this close below a threshold counts as reaching it

NOT_FINITE = "answered with a number that is not finite"

_UNANIMOUS_SPREAD = 0.15  # between the highest and the lowest vote
_CLEAR_MAJORITY = 0.75  # of the weight


class Signal(StrEnum):
    """The probability in words."""

    STRONG_BUY = "STRONG_BUY"
    BUY = "BUY"
    WEAK_BUY = "WEAK_BUY"
    NEUTRAL = "NEUTRAL"
    AVOID = "AVOID"


_FLOORS = (
    (0.70, Signal.STRONG_BUY),
    (0.60, Signal.BUY),
    (0.50, Signal.WEAK_BUY),
    (0.45, Signal.NEUTRAL),
)


class Confidence(StrEnum):
    """How far the members' votes agree (docs/glossary.md)."""

    VERY_HIGH = "VERY_HIGH"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


_LEVELS = tuple(Confidence)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which probability on an opinion is worth which points; each is at most the one before.

    Attributes
    ----------
    strong, entry, weak, avoid : in [0, 1], at a prior of 0.5
    """

    strong: float
    entry: float
    weak: float
    avoid: float

    def __post_init__(self) -> None:
        if not 1.0 >= self.strong >= self.entry >= self.weak >= self.avoid >= 0.0:
            raise ValueError(f"thresholds must fall from 1 at most to 0 at least, found {self}")


@dataclass(frozen=True, slots=True)
class Prediction:
    """The ensemble's opinion of one bar.

    Attributes
    ----------
    probability : in [0, 1], at a prior of 0.5: above 0.5 is better than even if both outcomes
        were equally common
    votes : each answering member's probability, by name
    left_out : the reason for each member that did not answer, by name
    thresholds : that were fitted with the ensemble; None where the configured ones apply
    """

    probability: float
    signal: Signal
    confidence: Confidence
    votes: Mapping[str, float]
    left_out: Mapping[str, str]
    thresholds: Thresholds | None = None


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The ensemble has no opinion, and why."""

    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class PredictionTable:
    """The ensemble's opinions of many bars, one row each.

    Attributes
    ----------
    probability : (n,) as in `Prediction`; NaN where there is no opinion
    confidence : (n,) positions in `tuple(Confidence)`; -1 where there is no opinion
    votes : (n,) for each member, NaN where it did not answer
    left_out : reason for each member that answered none of the rows it was asked about
    reasons : why there is no opinion, by row
    thresholds : of each row, as in `Prediction`; empty where none were fitted
    features : (n, features) of each row's bar, where whoever asked kept them
    """

    probability: FloatArray
    confidence: IntArray
    votes: Mapping[str, FloatArray]
    left_out: Mapping[str, str]
    reasons: Mapping[int, str]
    thresholds: Sequence[Thresholds | None] = ()
    features: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.probability)

    @property
    def available(self) -> BoolArray:
        """(n,) True where there is an opinion."""
        return np.isfinite(self.probability)

    def at(self, row: int) -> Prediction | Unavailable:
        """Return the opinion of one row."""
        probability = float(self.probability[row])
        if not np.isfinite(probability):
            return Unavailable(self.reasons[row])
        votes = {name: float(vote[row]) for name, vote in self.votes.items()}
        silent = {name: NOT_FINITE for name, vote in votes.items() if not np.isfinite(vote)}
        return Prediction(
            probability=probability,
            signal=signal_of(probability),
            confidence=_LEVELS[self.confidence[row]],
            votes={name: vote for name, vote in votes.items() if name not in silent},
            left_out={**silent, **self.left_out},
            thresholds=self.thresholds[row] if self.thresholds else None,
        )

    def among(self, asked: BoolArray, reasons: Mapping[int, str]) -> "PredictionTable":
        """Return these opinions at the rows where `asked` is True, and none at the others.

        Parameters
        ----------
        asked : (rows,) True as often as this table has rows
        reasons : for each other row, why there is no opinion
        """
        place = np.flatnonzero(asked).tolist()
        return PredictionTable(
            probability=_placed(self.probability, asked, np.nan),
            confidence=_placed(self.confidence, asked, -1),
            votes={name: _placed(vote, asked, np.nan) for name, vote in self.votes.items()},
            left_out=self.left_out,
            reasons={**reasons, **{place[row]: why for row, why in self.reasons.items()}},
        )


def _placed(values: NDArray[Any], asked: BoolArray, otherwise: float) -> NDArray[Any]:
    full = np.full(len(asked), otherwise, values.dtype)
    full[asked] = values
    return full


def signal_of(probability: float) -> Signal:
    """Return the probability in words; a threshold counts as reached within EPSILON.

    >>> [str(signal_of(p)) for p in (0.7, 0.69, 0.5, 0.45, 0.1)]
    ['STRONG_BUY', 'BUY', 'WEAK_BUY', 'NEUTRAL', 'AVOID']
    """
    reached = (signal for floor, signal in _FLOORS if probability >= floor - EPSILON)
    return next(reached, Signal.AVOID)


def confidence_codes(votes: FloatArray, weights: FloatArray) -> IntArray:
    """Return how far the votes on each row agree, as positions in `tuple(Confidence)`.

    A vote is for the trade from 0.5 on, else against it.

    - VERY_HIGH: all votes are on one side, and the highest is at most 0.15 above the lowest.
    - HIGH: all votes are on one side.
    - MEDIUM: the side that weighs more holds at least 0.75 of the weight of the votes.
    - LOW: anything else; also a single vote, which has nobody to agree with.

    Parameters
    ----------
    votes : (members, n), NaN where a member did not answer
    weights : (members,)

    >>> confidence_codes(np.array([[0.55, 0.4], [0.65, 0.6]]), np.array([1.0, 1.0]))
    array([0, 3])
    """
    answered = np.isfinite(votes)
    share = np.where(answered, weights[:, None], 0.0)
    share_for = np.where(votes >= 0.5 - EPSILON, share, 0.0).sum(axis=0)
    majority = np.maximum(share_for, share.sum(axis=0) - share_for)
    highest = np.where(answered, votes, -np.inf).max(axis=0, initial=-np.inf)
    lowest = np.where(answered, votes, np.inf).min(axis=0, initial=np.inf)
    return np.select(
        [
            answered.sum(axis=0) < 2,
            majority < _CLEAR_MAJORITY * share.sum(axis=0) - EPSILON,
            majority < share.sum(axis=0) - EPSILON,
            highest - lowest > _UNANIMOUS_SPREAD + EPSILON,
        ],
        [3, 3, 2, 1],
        default=0,
    )
