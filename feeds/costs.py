"""What a fill costs: fee, half of the spread, slippage, and more slippage in wild bars."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from feeds.bars import FloatArray

Price = TypeVar("Price", float, FloatArray)


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What fills cost.

    A market or stop fill that aims at a price, on a bar from `low` to `high`, pays

        bought: price * (1 + half_spread + slippage) + range_slippage * (high - low)
        sold:   price * (1 - half_spread - slippage) - range_slippage * (high - low)

    and no sale brings less than nothing. A limit fill pays its price and nothing on top.

    Attributes
    ----------
    fee : fraction of the value, per side
    maker_fee : the same for limit orders that rest in the book before they fill; None: `fee`
    half_spread, slippage : fractions of the price aimed at
    range_slippage : fraction of the range of the bar that fills the order
    """

    fee: float = 0.001
    maker_fee: float | None = None
    half_spread: float = 0.0001
    slippage: float = 0.0001
    range_slippage: float = 0.02

    @property
    def limit_fee(self) -> float:
        """The fee of a limit order that rested before it filled."""
        return self.fee if self.maker_fee is None else self.maker_fee

    @property
    def market_penalty(self) -> float:
        """By how much a market or stop fill is worse than its aim, on a bar without range."""
        return self.half_spread + self.slippage

    def bought_at(self, price: Price, bar_range: Price) -> Price:
        """Return the fill prices of market or stop buys.

        Parameters
        ----------
        price : aimed at
        bar_range : high less low of the bar that fills, in quote currency
        """
        return price * (1.0 + self.market_penalty) + self.range_slippage * bar_range

    def sold_at(self, price: Price, bar_range: Price) -> Price:
        """Return the fill prices of market or stop sells; parameters as in `bought_at`."""
        received = price * (1.0 - self.market_penalty) - self.range_slippage * bar_range
        nothing_less: Price = np.maximum(received, 0.0)
        return nothing_less
