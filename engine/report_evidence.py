"""What a verdict rests on, as text: intervals, gates, holding, the Sharpe ratio's probability."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich.table import Table

from engine.tables import UNDEFINED, table

_RUNS = {
    "off": "ML-off",
    "on": "ML-on",
    "random_gate": "Random gate",
    "volatility_gate": "Volatility gate",
}
_PAIRS = {
    "on_less_off": "On less off",
    "on_less_random_gate": "On less random",
    "on_less_volatility_gate": "On less volatility",
}


class _Figure(NamedTuple):
    """How a figure is called, what it is multiplied by, and its decimals."""

    title: str
    factor: float = 1.0
    decimals: int = 0


_SURE = {
    "expectancy": _Figure("Expectancy, %", 100.0, 3),
    "win_rate": _Figure("Win rate, %", 100.0, 1),
    "profit_factor": _Figure("Profit factor", 1.0, 2),
}
_BESIDE = {
    "trades": _Figure("Trades"),
    **_SURE,
    "total_return": _Figure("Total return, %", 100.0, 1),
    "max_drawdown": _Figure("Max drawdown, %", 100.0, 1),
    "sharpe": _Figure("Sharpe", 1.0, 2),
}
_SHARE = _Figure("share", 100.0)
_PROBABILITY = _Figure("probability", 1.0, 3)


def intervals_table(comparison: Mapping[str, Any]) -> Table:
    """Return the runs and their differences, each figure as value [low, high]."""
    found = comparison["intervals"]
    shown = table(
        f"{found['level']:.0%} intervals", "Trades", *(figure.title for figure in _SURE.values())
    )
    for names, rows in ((_RUNS, found["runs"]), (_PAIRS, found["pairs"])):
        for key, name in names.items():
            trades = _number(rows[key].get("trades"), _BESIDE["trades"])
            figures = (_interval(rows[key][f], how) for f, how in _SURE.items())
            shown.add_row(name, trades, *figures)
    return shown


def references_table(comparison: Mapping[str, Any]) -> Table:
    """Return the gates and holding as columns."""
    seeds, calm = comparison["random_gate"], comparison["volatility_gate"]
    held = comparison["buy_and_hold"]
    shown = table("Beside", "Random, mean", "5 to 95 % of seeds", "Volatility gate", "Buy and hold")
    for key, how in _BESIDE.items():
        spread = seeds.get(key) or {}
        shown.add_row(
            how.title,
            _number(spread.get("mean"), how),
            _band(spread, how),
            _number(calm.get(key), how),
            _number(held.get(key), how),
        )
    return shown


def explained(comparison: Mapping[str, Any]) -> Sequence[str]:
    """Return lines that say how the intervals came to be, and how sure the Sharpe ratio is."""
    found, seeds, sharpe = (comparison[key] for key in ("intervals", "random_gate", "sharpe"))
    trials = f"{sharpe['trials']:,} trial{'s' if sharpe['trials'] != 1 else ''}"
    return [
        f"intervals: {found['draws']:,} draws of {found['days']:,} days in blocks of "
        f"{found['block_days']:.1f} on average, the same for all",
        "profit factors with an interval: of returns, each trade weighing the same",
        f"random gate: ML-on's expectancy is above that of "
        f"{_number(seeds['share_of_seeds_below_on'], _SHARE)} % of {seeds['seeds']:,} shuffles",
        "volatility gate, the best of several with hindsight: "
        f"{comparison['volatility_gate']['ranking']}",
        "ML-on's Sharpe ratio is above zero with probability "
        f"{_number(sharpe['probabilistic'], _PROBABILITY)}, and "
        f"{_number(sharpe['deflated'], _PROBABILITY)} allowing for {trials}",
    ]


def _interval(interval: Mapping[str, float | None], how: _Figure) -> str:
    value = _number(interval["value"], how)
    return value if interval["low"] is None else f"{value} {_band(interval, how)}"


def _band(ends: Mapping[str, float | None], how: _Figure) -> str:
    low, high = (_number(ends.get(end), how) for end in ("low", "high"))
    return UNDEFINED if low == UNDEFINED else f"[{low}, {high}]"


def _number(value: float | None, how: _Figure) -> str:
    return UNDEFINED if value is None else f"{value * how.factor:,.{how.decimals}f}"
