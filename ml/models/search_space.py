"""Where the parameters of a model may be looked for: plain data that knows no search."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Span:
    """The values of one parameter, both ends included; whole numbers where both ends are.

    Attributes
    ----------
    log : whether a doubling counts as much at the low end as at the high one

    >>> Span(2, 10).whole, Span(0.01, 0.3, log=True).whole
    (True, False)
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"a span must rise, found {self.low} to {self.high}")
        if self.log and not self.low > 0:
            raise ValueError(f"a span on a scale of logarithms starts above 0, found {self.low}")

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)


SearchSpace: TypeAlias = Mapping[str, Span]


def search_space(model: object) -> SearchSpace:
    """Return what the model declares as its `search_space`; one without is not tuned."""
    space: SearchSpace = getattr(model, "search_space", {})
    return space
