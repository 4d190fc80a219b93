"""What the loop is told of one symbol: its bars, and what is known at each candidate."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.rules import SymbolRules
from feeds.bars import Bars, BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SweepMarket:
    """One symbol, made once for all sets.

    Attributes
    ----------
    bars : the market, warm-up included
    first : position of the first bar of the run
    rows : (n,) positions of the candidate bars, ascending, from `first` on: real bars on which all
        mandatory rules hold
    holds : (rules, n) whether each rule speaks for an entry
    atr_fraction : (n,) ATR over the close
    probability : (n,) the ensemble's opinion; NaN for none
    floors : (4, n) thresholds that were fitted with the opinions, falling, NaN where those of the
        set apply; None where they apply to all
    rules : what the exchange asks of orders

    Raises
    ------
    ValueError
        if a column does not fit the candidates, or a candidate is no real bar of the run
    """

    bars: Bars
    first: int
    rows: IntArray
    holds: BoolArray
    atr_fraction: FloatArray
    probability: FloatArray
    floors: FloatArray | None = None
    rules: SymbolRules

    def __post_init__(self) -> None:
        count = len(self.rows)
        _check_length("holds", self.holds, (len(self.holds), count))
        _check_length("atr_fraction", self.atr_fraction, (count,))
        _check_length("probability", self.probability, (count,))
        if self.floors is not None:
            _check_length("floors", self.floors, (4, count))
        if not 0 <= self.first < len(self.bars):
            raise ValueError(
                f"first must be one of the {len(self.bars)} bars of {self.bars.symbol}, "
                f"found {self.first}"
            )
        _check_rows(self)


def check_together(markets: Sequence[SweepMarket]) -> None:
    """Raise ValueError unless one run can hold these markets."""
    if not markets:
        raise ValueError("a sweep must have a market, found none")
    symbols = [market.bars.symbol for market in markets]
    if len(set(symbols)) < len(symbols):
        raise ValueError(f"a sweep must have each symbol once, found {', '.join(symbols)}")
    frames = {str(market.bars.timeframe) for market in markets}
    if len(frames) > 1:
        raise ValueError(f"a sweep must have one timeframe, found {', '.join(sorted(frames))}")
    rules = {len(market.holds) for market in markets}
    if len(rules) > 1:
        raise ValueError(f"all markets must know the same rules, found {sorted(rules)} of them")


def _check_length(name: str, column: np.ndarray, shape: tuple[int, ...]) -> None:
    if column.shape != shape:
        raise ValueError(f"{name} must have the shape {shape}, found {column.shape}")


def _check_rows(market: SweepMarket) -> None:
    """Refuse what compiled code would read from beyond the arrays."""
    rows, bars = market.rows, market.bars
    if not len(rows):
        return
    ascending = bool((np.diff(rows) > 0).all())
    if not ascending or rows[0] < market.first or rows[-1] >= len(bars):
        raise ValueError(
            f"rows must ascend from {market.first} to at most {len(bars) - 1}, found {rows[0]} to "
            f"{rows[-1]}{'' if ascending else ', not ascending'}"
        )
    if bars.filled[rows].any():
        raise ValueError(f"a candidate of {bars.symbol} must be a real bar, found a filled one")
