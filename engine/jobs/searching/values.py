"""What one key of a space may be."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
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

    @property
    def count(self) -> int | None:
        """How many there are; None if there is no end of them."""
        if self.step is None and not self.whole:
            return None
        width = (self.high - self.low) / (1 if self.step is None else self.step)
        return math.floor(width + _ROUNDING) + 1

    def at(self, place: int) -> float:
        """Return the one at a place, from 0 on, if there is an end of them."""
        if self.whole:
            return int(self.low) + place * int(self.step or 1)
        # As it is written: three steps of 0.1 are 0.3.
        return float(Decimal(repr(self.low)) + place * Decimal(repr(self.step)))

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

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.choices)

    def at(self, place: int) -> Choice:
        """Return the one at a place, from 0 on."""
        return self.choices[place]

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
