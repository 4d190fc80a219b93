"""How many units to buy."""

import math

from engine.rules import SymbolRules
from feeds.costs import Costs

# Left unspent, so that rounding never asks for a hair more than there is.
_SPARE = 1e-12
# Of the equity: less is what rounding left in the cash, and no entry.
_DUST = 1e-6


def units_for_fraction(
    *, equity: float, cash: float, price: float, fraction: float, costs: Costs, rules: SymbolRules
) -> float:
    """Return the units whose cost, fee included, is `fraction` of the equity.

    Parameters
    ----------
    equity, cash : what the account is worth and what it can pay, in quote currency
    price : the expected price, before spread and slippage
    fraction : of the equity, 0 to 1
    costs, rules : the terms of trade

    Returns
    -------
    float
        a multiple of the amount step that the cash can pay; 0 if below the least notional or a
        millionth of the equity

    Examples
    --------
    >>> free = Costs(fee=0.0, half_spread=0.0, slippage=0.0)
    >>> account = {"equity": 1000.0, "cash": 1000.0, "price": 50.0}
    >>> units_for_fraction(**account, fraction=0.2, costs=free, rules=SymbolRules(amount_step=0.3))
    3.9
    """
    paid = costs.bought_at(price) * (1.0 + costs.fee)
    return _allowed(min(equity * fraction, cash) / paid, price, equity, rules)


def units_for_risk(  # noqa: PLR0913  the account, the price, the plan, the terms
    *,
    equity: float,
    cash: float,
    price: float,
    risk_fraction: float,
    stop_fraction: float,
    costs: Costs,
    rules: SymbolRules,
) -> float:
    """Return the units whose loss at the stop, costs included, is `risk_fraction` of the equity.

    Parameters
    ----------
    stop_fraction : how far the stop is below the price paid, 0 to 1

    Others and the result as in `units_for_fraction`.

    Examples
    --------
    >>> free = Costs(fee=0.0, half_spread=0.0, slippage=0.0)
    >>> account = {"equity": 10_000.0, "cash": 10_000.0, "price": 50.0}
    >>> units_for_risk(
    ...     **account, risk_fraction=0.01, stop_fraction=0.04, costs=free, rules=SymbolRules()
    ... )
    50.0
    """
    bought = costs.bought_at(price)
    sold = costs.sold_at(bought * (1.0 - stop_fraction))
    loss = bought * (1.0 + costs.fee) - sold * (1.0 - costs.fee)
    wanted = equity * risk_fraction / loss if loss > 0 else math.inf
    affordable = cash / (bought * (1.0 + costs.fee))
    return _allowed(min(wanted, affordable), price, equity, rules)


def _allowed(units: float, price: float, equity: float, rules: SymbolRules) -> float:
    units = max(0.0, units * (1.0 - _SPARE))
    if rules.amount_step:
        units = round(math.floor(units / rules.amount_step) * rules.amount_step, 12)
    least = max(rules.min_notional, _DUST * equity)
    return units if units * price >= least else 0.0
