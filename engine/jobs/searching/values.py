"""What one key of a space may be."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Value: TypeAlias = bool | int | float | str
Choice: TypeAlias = Value | None
"""A value of a key; None leaves it out."""

_ROUNDING = 1e-9  # of a step: 0.3 is three steps of 0.1


@dataclass(frozen=True, slots=True)
class Span:
    """All numbers between two, both included.

    Attributes
    ----------
    step : between neighbours, from `low` on; None for any number
    log : whether as many are tried between 1 and 2 as between 2 and 4
    whole : whether the numbers are whole
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False
    whole: bool = False

    def holds(self, value: Any) -> bool:
        """Return whether the value can be drawn."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if not self.low <= value <= self.high:
            return False
        return self.step is None or abs(math.remainder(value - self.low, self.step)) <= (
            _ROUNDING * self.step
        )

    def values(self) -> "Sequence[Choice] | None":
        """Return all of them; None if there is no end of them."""
        if self.step is None and not self.whole:
            return None
        step = 1 if self.step is None else self.step
        count = math.floor((self.high - self.low) / step + _ROUNDING) + 1
        return [self.low + number * step for number in range(count)]

    def to_json(self) -> dict[str, Any]:
        """Return it as the file says it."""
        found: dict[str, Any] = {"low": self.low, "high": self.high}
        if self.log:
            return {**found, "log": True}
        return found if self.step is None else {**found, "step": self.step}


@dataclass(frozen=True, slots=True)
class Choices:
    """Some values; None among them leaves the key out."""

    choices: tuple[Choice, ...]

    def holds(self, value: Any) -> bool:
        """Return whether the value can be drawn."""
        return value in self.choices

    def values(self) -> Sequence[Choice]:
        """Return all of them."""
        return self.choices

    def to_json(self) -> dict[str, Any]:
        """Return it in JSON's own types."""
        return {"choices": list(self.choices)}


Given: TypeAlias = Span | Choices


def nested(values: Mapping[str, Choice]) -> dict[str, Any]:
    """Return values by dotted key as sections.

    >>> nested({"strategy.exits.max_bars": 9})
    {'strategy': {'exits': {'max_bars': 9}}}
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        *sections, name = key.split(".")
        section = found
        for each in sections:
            section = section.setdefault(each, {})
        section[name] = value
    return found
