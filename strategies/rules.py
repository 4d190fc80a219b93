"""Rules: what a hybrid strategy asks of a bar."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from feeds.bars import Bars, BoolArray, FloatArray, IntArray
from strategies.errors import StrategyError

# Indicators computed on a trailing window differ from those on the whole history in the last
# digits; a value this close (relative) to its threshold is a tie, and every tie is decided alike.
EPSILON = 1e-7

Columns: TypeAlias = Mapping[str, FloatArray]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
_OF_THE_ENSEMBLE = "ml_"  # `points.ml_strong` and its like


def below(values: FloatArray, limit: FloatArray | float) -> BoolArray:
    """Return True where a value is below the limit; a tie is not, nor is NaN.

    Write thresholds with it, not with `<`: live, indicators are computed on a trailing window, and
    their last digits are others than in a backtest.

    >>> below(np.array([29.0, 30.0, 30.0 - 1e-12, np.nan]), 30.0)
    array([ True, False, False, False])
    """
    return np.asarray(values < limit - _tie(values, limit))


def above(values: FloatArray, limit: FloatArray | float) -> BoolArray:
    """Return True where a value is above the limit; a tie is not, nor is NaN: see `below`.

    >>> above(np.array([1.5, 1.0, np.nan]), 1.0)
    array([ True, False, False])
    """
    return np.asarray(values > limit + _tie(values, limit))


def _tie(values: FloatArray, limit: FloatArray | float) -> FloatArray:
    return np.asarray(EPSILON * np.maximum(np.abs(values), np.abs(limit)))


def _is_name(name: object) -> bool:
    fits = isinstance(name, str) and _NAME.fullmatch(name) is not None
    return fits and not str(name).startswith(_OF_THE_ENSEMBLE)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a strategy of one's own.

    Attributes
    ----------
    name : lower case; names its points in settings, journal and log
    holds : function of `Bars` that returns (n,) True where the rule speaks for an entry. It is
        given one segment at a time, in a backtest all of it, live the last `warmup_bars` + 1 bars;
        what it says of a bar must rest on that bar and those before it, and on no more of them
    points : what it is worth where it holds
    mandatory : whether no score replaces it; bars on which all such rules hold are candidates
    shows : function of `Bars` that returns (n,) what the rule looked at, for journal and `--why`
    """

    name: str
    holds: Callable[[Bars], BoolArray]
    points: float = 1.0
    mandatory: bool = False
    shows: Callable[[Bars], FloatArray] | None = None

    def __post_init__(self) -> None:
        if not _is_name(self.name):
            raise StrategyError(
                f"a rule's name must be lower case, of letters, digits and _, and not begin with "
                f"{_OF_THE_ENSEMBLE}, found {self.name!r}"
            )
        if not callable(self.holds) or not (self.shows is None or callable(self.shows)):
            raise StrategyError(f"rule {self.name}: holds and shows must be functions of Bars")
        if not isinstance(self.points, int | float) or not 0.0 <= self.points < np.inf:
            raise StrategyError(
                f"rule {self.name}: points must be a number, 0 or more, found {self.points!r}; "
                "what speaks against an entry is a mandatory rule that says the opposite"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the rules make of the bars of one segment, (n,) each.

    Attributes
    ----------
    values : what they looked at, by name; `close` and `atr_fraction`, ATR(14) over the close,
        always
    holds : for each rule, where it speaks for an entry; in the order in which points are added
    pattern : position in `feeds.indicators.BULLISH_CANDLES` of the strongest candlestick pattern,
        -1 for none
    """

    values: Columns
    holds: Mapping[str, BoolArray]
    pattern: IntArray


@dataclass(frozen=True, slots=True)
class Fact:
    """What one rule looked at, in words.

    Attributes
    ----------
    label : of the value, for the log
    """

    rule: str
    label: str
    value: str


class RuleBook(Protocol):
    """All rules of one strategy."""

    @property
    def names(self) -> Sequence[str]:
        """Every rule, in the order in which points are added."""

    @property
    def mandatory(self) -> Sequence[str]:
        """The rules that no score replaces."""

    def look(self, bars: Bars) -> Seen:
        """Return what the rules make of the bars of one segment."""

    def look_on(self, bars: Bars, chunk: int) -> Iterator[Seen]:
        """Yield the same a stretch of bars at a time, the oldest first, about `chunk` bars each."""

    def pass_last(self, window: Bars) -> bool:
        """Return whether the mandatory rules hold at the last bar; quicker than `look`."""

    def idle(self, window: Bars) -> str:
        """Return in a few words where the mandatory rules stand at the last bar."""

    def facts(
        self, values: Mapping[str, float], holds: Mapping[str, bool], pattern: str | None
    ) -> Sequence[Fact]:
        """Return what each rule looked at at one bar."""
