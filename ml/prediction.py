"""What the ensemble says about a bar, or why it says nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

EPSILON = 1e-9  # a probability this close below a threshold counts as reaching it


class Signal(StrEnum):
    """The probability in words."""

    STRONG_BUY = "STRONG_BUY"
    BUY = "BUY"
    WEAK_BUY = "WEAK_BUY"
    NEUTRAL = "NEUTRAL"
    AVOID = "AVOID"


class Confidence(StrEnum):
    """How far the members' votes agree (docs/glossary.md)."""

    VERY_HIGH = "VERY_HIGH"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


@dataclass(frozen=True, slots=True)
class Prediction:
    """The ensemble's opinion of one bar.

    Attributes
    ----------
    probability : in [0, 1], at a prior of 0.5: above 0.5 is better than even if both outcomes
        were equally common
    votes : each answering member's probability, by name
    left_out : the reason for each member that did not answer, by name
    """

    probability: float
    signal: Signal
    confidence: Confidence
    votes: Mapping[str, float]
    left_out: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The ensemble has no opinion, and why."""

    reason: str
