"""The rules of a strategy of one's own, as a rule book."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from feeds import indicators
from feeds.bars import Bars, BoolArray, FloatArray
from feeds.python_file import line_in, said
from strategies.errors import StrategyError
from strategies.own_file import split
from strategies.rules import Fact, Rule, Seen

SHOWN = "found_"  # begins the name of the column that holds what a rule looked at


@dataclass(frozen=True, slots=True)
class OwnRules:
    """The rules in the file of a strategy: see `strategies.rules.RuleBook`.

    Attributes
    ----------
    of : the strategy as settings name it, PATH.py:ClassName, for errors
    """

    of: str
    rules: tuple[Rule, ...]

    @property
    def names(self) -> Sequence[str]:
        return tuple(rule.name for rule in self.rules)

    @property
    def mandatory(self) -> Sequence[str]:
        return tuple(rule.name for rule in self.rules if rule.mandatory)

    def look(self, bars: Bars) -> Seen:
        atr = indicators.atr(bars.high, bars.low, bars.close, 14)
        shown = {f"{SHOWN}{r.name}": self._shown(r, bars) for r in self.rules if r.shows}
        return Seen(
            values={"close": bars.close, **shown, "atr_fraction": atr / bars.close},
            holds={rule.name: self._holds(rule, bars) for rule in self.rules},
            pattern=np.full(len(bars), -1, np.int64),
        )

    def look_on(self, bars: Bars, _chunk: int) -> Iterator[Seen]:
        yield self.look(bars)  # nobody knows which of these rules remember

    def pass_last(self, window: Bars) -> bool:
        return not self._missing(window)

    def idle(self, window: Bars) -> str:
        missing = self._missing(window)
        return f"needs {', '.join(missing)}" if missing else "the mandatory rules hold"

    def facts(
        self, values: Mapping[str, float], holds: Mapping[str, bool], _pattern: str | None
    ) -> Sequence[Fact]:
        said = {name: "yes" if holds[name] else "no" for name in self.names}
        said |= {
            rule.name: f"{values[f'{SHOWN}{rule.name}']:.6g}" for rule in self.rules if rule.shows
        }
        return [Fact(name, name.replace("_", " "), value) for name, value in said.items()]

    def _missing(self, window: Bars) -> list[str]:
        """Return the mandatory rules that do not hold at the last bar."""
        needed = (rule for rule in self.rules if rule.mandatory)
        return [rule.name for rule in needed if not self._holds(rule, window)[-1]]

    def _holds(self, rule: Rule, bars: Bars) -> BoolArray:
        found = self._asked(rule, "holds", rule.holds, bars)
        if found.dtype != np.bool_ or found.shape != (len(bars),):
            raise StrategyError(
                f"{self.of}, rule {rule.name}: {_begins(rule.holds)}must return one True or False "
                f"for each of the {len(bars)} bars, found {found.dtype} of shape {found.shape}"
            )
        return found

    def _shown(self, rule: Rule, bars: Bars) -> FloatArray:
        found = self._asked(rule, "shows", rule.shows, bars)
        if found.dtype.kind not in "fiub" or found.shape != (len(bars),):
            raise StrategyError(
                f"{self.of}, rule {rule.name}: {_begins(rule.shows)}shows must return one number "
                f"for each of the {len(bars)} bars, found {found.dtype} of shape {found.shape}"
            )
        return found.astype(np.float64)

    def _asked(
        self, rule: Rule, what: str, function: Callable[[Bars], Any] | None, bars: Bars
    ) -> np.ndarray:
        try:
            return np.asarray(None if function is None else function(bars))
        except (Exception, SystemExit) as error:  # whatever the user's code does is told as its own
            where = line_in(split(self.of)[0], error) or _line_elsewhere(function, error)
            raise StrategyError(
                f"{self.of}, rule {rule.name}: {what} failed on {len(bars)} bars of {bars.symbol}: "
                f"{where}{said(error)}"
            ) from error


def _begins(function: Callable[..., Any] | None) -> str:
    """Return the line at which the function was written, as `line 9: `; nothing if nobody did."""
    code = getattr(function, "__code__", None)
    return "" if code is None else f"line {code.co_firstlineno}: "


def _line_elsewhere(function: Callable[..., Any] | None, error: BaseException) -> str:
    """Return the line of another file that holds the function; nothing if it was not written."""
    code = getattr(function, "__code__", None)
    file = "" if code is None else str(code.co_filename)
    line = line_in(file, error)
    return f"{file} {line}" if line else ""
