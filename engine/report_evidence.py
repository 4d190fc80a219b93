"""What a verdict rests on, as text: intervals, gates, holding, the Sharpe ratio's probability."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich.table import Table

from engine.labels import (
    FIGURES,
    HELD,
    MOST_SHUFFLES,
    OF_INTERVALS,
    RANDOM_MEAN,
    RANDOM_POOLED,
    VOLATILITY_GATE,
    ranking_words,
)
from engine.tables import UNDEFINED, run_name, table

_RUNS = {
    "off": run_name("off"),
    "on": run_name("on"),
    "random_gate": RANDOM_POOLED,
    "volatility_gate": VOLATILITY_GATE,
}
_PAIRS = {
    "on_less_off": "On less off",
    "on_less_random_gate": "On less random",
    "on_less_volatility_gate": "On less volatility",
}


class _Figure(NamedTuple):
    """What a figure is multiplied by, its decimals, and its unit."""

    factor: float = 1.0
    decimals: int = 0
    unit: str = ""

    def named(self, name: str) -> str:
        """Return the name with the unit."""
        return f"{name}, {self.unit}" if self.unit else name


_EXPECTANCY = _Figure(100.0, 3, "%")
_SHARE = _Figure(100.0, 1, "%")
_RATIO = _Figure(1.0, 2)
_SURE = {"expectancy": _EXPECTANCY, "win_rate": _SHARE, "profit_factor": _RATIO}
_BESIDE = {
    "trades": _Figure(),
    **_SURE,
    "total_return": _SHARE,
    "max_drawdown": _SHARE,
    "sharpe": _RATIO,
}
_PROBABILITY = _Figure(1.0, 3)


def intervals_table(comparison: Mapping[str, Any]) -> Table:
    """Return the runs and their differences, each figure as value [low, high]."""
    found = comparison["intervals"]
    titles = [how.named(OF_INTERVALS[name]) for name, how in _SURE.items()]
    shown = table(f"{found['level']:.0%} intervals", *titles)
    for names, rows in ((_RUNS, found["runs"]), (_PAIRS, found["pairs"])):
        for key, name in names.items():
            shown.add_row(name, *(_interval(rows[key][f], how) for f, how in _SURE.items()))
    return shown


def references_table(comparison: Mapping[str, Any]) -> Table:
    """Return the gates and holding as columns."""
    shuffles, calm = comparison["random_gate"], comparison["volatility_gate"]
    held = comparison["buy_and_hold"]
    random = f"{RANDOM_MEAN} [{MOST_SHUFFLES:.0%}]"
    shown = table("Beside", random, VOLATILITY_GATE, HELD)
    for key, how in _BESIDE.items():
        shown.add_row(
            how.named(FIGURES[key]),
            _spread(shuffles.get(key), how),
            _number(calm.get(key), how),
            _number(held.get(key), how),
        )
    return shown


def explained(comparison: Mapping[str, Any]) -> Sequence[str]:
    """Return lines that say how the intervals came to be, and how sure the Sharpe ratio is."""
    found, shuffles, sharpe = (comparison[key] for key in ("intervals", "random_gate", "sharpe"))
    below = shuffles["share_of_seeds_below_on"]
    beaten = UNDEFINED if below is None else f"{below:.0%}"
    return [
        f"intervals: from {found['draws']:,} draws of {found['days']:,} days, in blocks of "
        f"{found['block_days']:.1f} days on average; the same days for all",
        "profit factor: of money; of returns each trade weighs the same, whatever was put in",
        f"random gate: {shuffles['seeds']:,} shuffles of ML-on's opinions within each month; "
        "pooled are the trades of all, the mean is that of their figures, and "
        f"{MOST_SHUFFLES:.0%} of them lie between the ends beside it; "
        f"ML-on's expectancy per trade is above that of {beaten} of them",
        "volatility gate, the best of several with hindsight: "
        f"{ranking_words(comparison['volatility_gate']['ranking'])}",
        "Sharpe ratio: that ML-on's true one is above zero has a probability of "
        f"{_number(sharpe['probabilistic'], _PROBABILITY)}; allowing for "
        f"{_tried(sharpe['trials'])} on these bars, of {_number(sharpe['deflated'], _PROBABILITY)}",
    ]


def _tried(count: int) -> str:
    return f"{count:,} configurations tried" if count != 1 else "the one configuration tried"


def _interval(interval: Mapping[str, float | None], how: _Figure) -> str:
    value = _number(interval["value"], how)
    return value if interval["low"] is None else f"{value} {_band(interval, how)}"


def _spread(spread: Mapping[str, float | None] | None, how: _Figure) -> str:
    if not spread:
        return UNDEFINED
    return _interval({**spread, "value": spread["mean"]}, how)


def _band(ends: Mapping[str, float | None], how: _Figure) -> str:
    low, high = (_number(ends.get(end), how) for end in ("low", "high"))
    return UNDEFINED if low == UNDEFINED else f"[{low}, {high}]"


def _number(value: float | None, how: _Figure) -> str:
    return UNDEFINED if value is None else f"{value * how.factor:,.{how.decimals}f}"
