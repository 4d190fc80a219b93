"""What a fill costs: fee, half of the spread, slippage."""

from dataclasses import dataclass
from typing import TypeVar

from feeds.bars import FloatArray

Price = TypeVar("Price", float, FloatArray)


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Costs as fractions of the price; `fee` per side, the others on market and stop fills."""

    fee: float = 0.001
    half_spread: float = 0.0001
    slippage: float = 0.0001

    @property
    def market_penalty(self) -> float:
        """By how much a market or stop fill is worse than the price it aimed at."""
        return self.half_spread + self.slippage

    def bought_at(self, price: Price) -> Price:
        """Return the fill prices of market buys aimed at `price`."""
        return price * (1.0 + self.market_penalty)

    def sold_at(self, price: Price) -> Price:
        """Return the fill prices of market or stop sells aimed at `price`."""
        return price * (1.0 - self.market_penalty)
