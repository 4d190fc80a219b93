"""How many units are bought: `engine.sizing`, compiled."""

from typing import NamedTuple

import numpy as np

from engine.sizing import DECIMALS, DUST, SPARE
from engine.sweep.arithmetic import rounded
from engine.sweep.charges import bought_at, sold_at
from engine.sweep.compiling import part
from engine.sweep.terms import Charges, Sizing

_LEAST_DECIMAL = 10.0**-DECIMALS


class Offer(NamedTuple):
    """On what terms a symbol can be bought, as `engine.sizing.Terms` has it.

    Attributes
    ----------
    price : the close at the decision, or the limit
    bar_range : high less low of the deciding bar
    bought, paid : what a unit is expected to cost, without and with the fee
    """

    price: float
    bar_range: float
    bought: float
    paid: float
    amount_step: float
    min_notional: float


@part
def expected(
    price: float, bar_range: float, by_limit: bool, charges: Charges
) -> tuple[float, float]:
    """Return what a unit is expected to cost, without and with the fee."""
    if by_limit:
        return price, price * (1.0 + max(charges.fee, charges.limit_fee))
    bought = bought_at(price, bar_range, charges)
    return bought, bought * (1.0 + charges.fee)


@part
def units_to_buy(
    offer: Offer, charges: Charges, sizing: Sizing, stop: float, money: tuple[float, float]
) -> float:
    """Return the units that are bought; 0 for no entry.

    Parameters
    ----------
    stop : how far it is below the price paid, as a fraction
    money : the equity, and the cash that nothing else has spoken for
    """
    equity, cash = money
    reserve = equity * sizing.reserve_percent / 100.0
    payable = max(0.0, cash - reserve)
    if sizing.by_risk:
        planned = _units_at_risk(offer, charges, stop, equity * sizing.risk, payable)
    else:
        planned = _units(min(equity * sizing.fraction, equity - reserve), offer.paid)
    least = max(offer.min_notional, DUST * equity)
    whole = _in_steps(planned, offer.amount_step)
    if whole == 0.0 or whole * offer.price < least:
        return 0.0
    units = _in_steps(min(planned, payable / offer.paid), offer.amount_step)
    return 0.0 if units * offer.price < least else units


@part
def _units_at_risk(
    offer: Offer, charges: Charges, stop: float, risked: float, payable: float
) -> float:
    """Return the units whose loss at the stop, costs included, is what may be lost."""
    received = sold_at(offer.bought * (1.0 - stop), offer.bar_range, charges)
    loss = offer.paid - received * (1.0 - charges.fee)
    return risked / loss if loss > SPARE * offer.paid else _units(payable, offer.paid)


@part
def _units(money: float, paid: float) -> float:
    return money / paid if paid > 0.0 else 0.0


@part
def _in_steps(units: float, step: float) -> float:
    units = max(0.0, units * (1.0 - SPARE))
    if step > 0.0:
        units = np.floor(units / step) * step
        return rounded(units) if step >= _LEAST_DECIMAL else units
    return units
