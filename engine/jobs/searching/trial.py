"""One trial of a search: its values, and what they came to."""

import base64
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

import numpy as np

from engine.jobs.searching.values import Choice
from feeds.bars import FloatArray


class Objective(StrEnum):
    """By which figure sets are compared; more is better."""

    EXPECTANCY = "expectancy"
    SHARPE = "sharpe"
    PROFIT_FACTOR = "profit_factor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a set came to, as `engine.metrics` defines it; None where a figure is undefined."""

    trades: int
    expectancy: float | None
    profit_factor: float | None
    sharpe: float | None
    total_return: float | None
    max_drawdown: float | None
    win_rate: float | None

    def score(self, objective: Objective, fewest_trades: int) -> float | None:
        """Return what the set is compared by; None if it is not compared."""
        value: float | None = getattr(self, objective.value)
        if self.trades < fewest_trades or value is None or not math.isfinite(value):
            return None
        return value


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """The figures of a set and its return of each UTC day of the run."""

    figures: Figures
    daily: FloatArray

    def to_json(self) -> dict[str, Any]:
        """Return it in JSON's own types; the days packed, to the last bit."""
        packed = zlib.compress(np.ascontiguousarray(self.daily, "<f8").tobytes(), 1)
        return {**asdict(self.figures), "daily": base64.b64encode(packed).decode("ascii")}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """Return what `to_json` has written; a ValueError or LookupError if it is damaged."""
        figures = {name: found[name] for name in Figures.__dataclass_fields__}
        try:
            daily = np.frombuffer(zlib.decompress(base64.b64decode(found["daily"])), "<f8")
        except zlib.error as error:
            raise ValueError(str(error)) from error
        return cls(Figures(**figures), daily.astype(np.float64))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """A set that was tried.

    Attributes
    ----------
    number : from 0 on, in the order in which sets were chosen
    score : what sets are compared by; None if this one is not compared
    outcome : None if the settings refuse the values
    refused : why they do, or empty
    """

    number: int
    values: Mapping[str, Choice]
    score: float | None
    outcome: Outcome | None
    refused: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it in JSON's own types, without its days."""
        figures = None if self.outcome is None else asdict(self.outcome.figures)
        found = {"number": self.number, "values": dict(self.values), "score": self.score}
        return {**found, "figures": figures, **({"refused": self.refused} if self.refused else {})}


def best_of(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials that are compared, the best first; of equals the earlier."""
    compared = [trial for trial in trials if trial.score is not None]
    return sorted(compared, key=lambda trial: (-(trial.score or 0.0), trial.number))
