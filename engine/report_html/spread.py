"""How the returns of trades are spread: a histogram that all runs share, and quantiles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.report_html.trade_columns import TradeColumns
from engine.report_html.words import NBSP, fraction
from feeds.bars import FloatArray, IntArray

_BARS = 50  # about so many
_NICE = np.array([1.0, 2.0, 2.5, 5.0, 10.0])
_SHOWN = (0.005, 0.995)  # quantiles between which bars are drawn; what lies beyond joins the last
_QUANTILES = {
    "Worst": 0.0,
    f"1{NBSP}% are below": 0.01,
    f"5{NBSP}% are below": 0.05,
    f"25{NBSP}% are below": 0.25,
    "Half are below": 0.5,
    f"75{NBSP}% are below": 0.75,
    f"95{NBSP}% are below": 0.95,
    f"99{NBSP}% are below": 0.99,
    "Best": 1.0,
}


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """The spread of the returns of all runs.

    Attributes
    ----------
    edges : of the bars, fractions; zero is one of them
    open : whether trades beyond the first and the last edge are counted with the bar there
    counts : of the trades in each bar, by run
    means : by run
    quantiles : what each is called, and what it is by run
    """

    edges: FloatArray
    open: tuple[bool, bool]
    counts: Mapping[str, IntArray]
    means: Mapping[str, float]
    quantiles: Sequence[tuple[str, Mapping[str, str]]]


def spread(runs: Sequence[TradeColumns]) -> Spread | None:
    """Return how the returns of the runs are spread; None if nobody traded."""
    returns = {run.label: run.returns for run in runs if len(run)}
    if not returns:
        return None
    every = np.concatenate(list(returns.values()))
    edges = _edges(every)
    within = {label: np.clip(own, edges[0], edges[-1]) for label, own in returns.items()}
    return Spread(
        edges=edges,
        open=(bool(every.min() < edges[0]), bool(every.max() > edges[-1])),
        counts={label: np.histogram(own, edges)[0] for label, own in within.items()},
        means={label: float(own.mean()) for label, own in returns.items()},
        quantiles=[
            (title, {lb: fraction(float(np.quantile(own, at)), 3) for lb, own in returns.items()})
            for title, at in _QUANTILES.items()
        ],
    )


def _edges(returns: FloatArray) -> FloatArray:
    """Return edges of bars of a round width, such that zero is one of them."""
    low, high = np.quantile(returns, _SHOWN)
    low, high = min(low, 0.0), max(high, 0.0)
    width = _round_width((high - low) / _BARS) if high > low else 1e-4
    first, last = np.floor(low / width), max(np.ceil(high / width), np.floor(low / width) + 1)
    return np.arange(first, last + 1) * width


def _round_width(width: float) -> float:
    scale = 10.0 ** np.floor(np.log10(width))
    return float(_NICE[np.searchsorted(_NICE, width / scale)] * scale)
