"""What a feature is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from feeds.bars import Bars, FloatArray

Family: TypeAlias = Literal[
    "price", "technical", "candles", "volume", "time", "volatility", "context"
]
Compute: TypeAlias = Callable[[Bars], FloatArray]


@dataclass(frozen=True, slots=True)
class Feature:
    """A named causal function of bars.

    Attributes
    ----------
    lookback : bars of the same segment that must lie before a bar for its value to be good: the
        trailing window of `lookback` + 1 bars gives the value that the whole segment gives
    compute : takes the bars of ONE segment, returns float64 as long; NaN in degenerate windows
    neutral : stands for the value of a degenerate window (no range, no deviation, no volume)
    meaning : one line for docs/features.md
    """

    name: str
    family: Family
    lookback: int
    compute: Compute
    neutral: float = 0.0
    meaning: str = ""


def feature(
    family: Family,
    name: str,
    lookback: int,
    compute: Compute,
    meaning: str,
    neutral: float = 0.0,
) -> Feature:
    """Return a feature, written as one row of its family's table."""
    return Feature(name, family, lookback, compute, neutral, meaning)
