"""What a fill costs: `feeds.costs.Costs`, compiled."""

from engine.sweep.compiling import part
from engine.sweep.terms import Charges


@part
def bought_at(price: float, bar_range: float, charges: Charges) -> float:
    """Return the price of a market buy."""
    return price * (1.0 + charges.penalty) + charges.range_slippage * bar_range


@part
def sold_at(price: float, bar_range: float, charges: Charges) -> float:
    """Return the price of a market or stop sale."""
    return max(price * (1.0 - charges.penalty) - charges.range_slippage * bar_range, 0.0)
