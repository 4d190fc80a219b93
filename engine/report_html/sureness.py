"""How sure a comparison is: intervals of differences, gates without skill, the Sharpe ratio."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from engine.labels import FIGURES, OF_INTERVALS, RANDOM_POOLED, VOLATILITY_GATE
from engine.report_html.words import DASH, NBSP, fraction, from_to, number
from engine.tables import run_name
from feeds.messages import counted

Ends = Mapping[str, float | None]

# Names of the document's pairs and runs, for people.
PAIRS: Mapping[str, str] = {
    "on_less_off": run_name("off"),
    "on_less_random_gate": RANDOM_POOLED,
    "on_less_volatility_gate": VOLATILITY_GATE,
}


def points(value: float | None, digits: int) -> str:
    r"""Return a difference of fractions in percentage points, with its sign.

    >>> points(0.00021, 3)
    '+0.021\xa0pp'
    """
    return DASH if value is None else f"{_plus(value)}{number(value * 100.0, digits)}{NBSP}pp"


def _ratio(value: float | None, digits: int) -> str:
    return DASH if value is None else f"{_plus(value)}{number(value, digits)}"


def _plus(value: float) -> str:
    return "+" if value > 0 else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A difference: what ML-on is compared with, in words, and what the interval says."""

    than: str
    value: str
    interval: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """The differences of one figure, for a table and for a chart around zero.

    Attributes
    ----------
    decides : whether the verdict rests on it
    drawn : label, value and ends of each difference; in percentage points if `unit` says so
    """

    name: str
    title: str
    unit: str
    decides: bool
    rows: list[Row]
    drawn: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Figure:
    show: Callable[[float | None], str]
    factor: float
    unit: str


_DECIDES = "expectancy"  # the verdict rests on it alone
_FIGURES: Mapping[str, _Figure] = {
    "expectancy": _Figure(partial(points, digits=3), 100.0, "pp"),
    "win_rate": _Figure(partial(points, digits=1), 100.0, "pp"),
    "profit_factor": _Figure(partial(_ratio, digits=2), 1.0, ""),
}


def forests(compared: Mapping[str, Any]) -> list[Forest]:
    """Return what ML-on has above ML-off and above the gates, by figure."""
    pairs = compared["intervals"]["pairs"]
    return [
        Forest(
            name=name,
            title=OF_INTERVALS[name],
            unit=figure.unit,
            decides=name == _DECIDES,
            rows=[
                _row(than, pairs[key][name], figure, _says if name == _DECIDES else _lies)
                for key, than in PAIRS.items()
            ],
            drawn=[_drawn(than, pairs[key][name], figure) for key, than in PAIRS.items()],
        )
        for name, figure in _FIGURES.items()
    ]


def _row(than: str, ends: Ends, figure: _Figure, says: Callable[[Ends], str]) -> Row:
    low, high = ends["low"], ends["high"]
    known = low is not None and high is not None
    ends_shown = from_to(figure.show(low), figure.show(high)) if known else "too few trades or days"
    return Row(than=than, value=figure.show(ends["value"]), interval=ends_shown, says=says(ends))


def _lies(ends: Ends) -> str:
    """Return where the interval lies: of a figure that is only looked at, among many."""
    low, high = ends["low"], ends["high"]
    if low is None or high is None:
        return "unknown"
    if low > 0:
        return "lies above zero"
    return "lies below zero" if high < 0 else "includes zero"


def _says(ends: Ends) -> str:
    """Return what the interval of the figure that decides allows to say."""
    low, high = ends["low"], ends["high"]
    if low is None or high is None:
        return "unknown"
    if low > 0:
        return "ML-on is above"
    return "ML-on is below" if high < 0 else "no difference shown"


def _drawn(than: str, ends: Ends, figure: _Figure) -> dict[str, Any]:
    times = {k: None if v is None else v * figure.factor for k, v in ends.items()}
    return {"label": than, **times}


def beside(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each figure: ML-off, ML-on, the gates, who buys and holds."""
    compared = document["comparison"]
    off, on = ({"trades": run["trades"], **run["metrics"]} for run in document["runs"])
    return [
        {
            "name": name,
            "title": FIGURES[name],
            "cells": [
                show(off[name]),
                show(on[name]),
                show((compared["random_gate"].get(name) or {}).get("mean")),
                _band(compared["random_gate"].get(name), show),
                show(compared["volatility_gate"].get(name)),
                show(compared["buy_and_hold"].get(name)),
            ],
        }
        for name, show in _BESIDE.items()
    ]


_BESIDE: Mapping[str, Callable[[float | None], str]] = {
    "trades": partial(number, digits=0),
    "expectancy": partial(fraction, digits=3),
    "win_rate": partial(fraction, digits=1),
    "profit_factor": partial(number, digits=2),
    "total_return": partial(fraction, digits=1),
    "max_drawdown": partial(fraction, digits=1),
    "sharpe": partial(number, digits=2),
}


def _band(spread: Ends | None, show: Callable[[float | None], str]) -> str:
    if not spread or spread["low"] is None:
        return DASH
    return from_to(show(spread["low"]), show(spread["high"]))


def wins_over_chance(compared: Mapping[str, Any]) -> str:
    """Return how many shuffled ensembles ML-on beats."""
    seeds = compared["random_gate"]
    share = seeds["share_of_seeds_below_on"]
    if share is None:
        return f"None of {seeds['seeds']:,} shuffles traded, or ML-on did not."
    return (
        f"ML-on's expectancy per trade is above that of {fraction(share, 0)} of "
        f"{seeds['seeds']:,} shuffles."
    )


def sharpe_words(sharpe: Mapping[str, Any]) -> str:
    """Return how likely it is that ML-on's Sharpe ratio is above zero."""
    alone, allowing = sharpe["probabilistic"], sharpe["deflated"]
    if alone is None:
        return "There are too few days to say how likely ML-on's Sharpe ratio is above zero."
    trials = f"{counted(sharpe['trials'], 'configuration')}"
    picked = (
        "too little is known to allow for it"
        if allowing is None
        else f"allowing for that, the probability is {_probability(allowing)}"
    )
    return (
        f"Going by its daily returns, ML-on's true Sharpe ratio is above zero with a probability "
        f"of {_probability(alone)}. So far {trials} in this folder of runs tried these bars, and "
        f"the best of many shines by luck: {picked}."
    )


def _probability(value: float) -> str:
    """Return a probability; one that rounds to none or to certainty is neither."""
    if value < 0.001:
        return f"less than 0.1{NBSP}%"
    return f"more than 99.9{NBSP}%" if value > 0.999 else fraction(value, 1)
