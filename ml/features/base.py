"""What a feature is."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Literal, ParamSpec, TypeAlias, cast

from feeds.bars import Bars, FloatArray

Family: TypeAlias = Literal[
    "price", "technical", "candles", "volume", "time", "volatility", "context"
]
Compute: TypeAlias = Callable[[Bars], FloatArray]

_Asked = ParamSpec("_Asked")


def shared(compute: Callable[_Asked, FloatArray]) -> Callable[_Asked, FloatArray]:
    """Return `compute` with its latest answer remembered, for neighbours made of the same values.

    Bars never change and are told apart by identity, and the answer is read-only: remembering
    saves time and changes nothing else.
    """

    @wraps(compute)
    def read_only(*args: _Asked.args, **kwargs: _Asked.kwargs) -> FloatArray:
        values = compute(*args, **kwargs)
        values.flags.writeable = False
        return values

    return cast("Callable[_Asked, FloatArray]", lru_cache(maxsize=1)(read_only))


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
