"""How many units to buy, and why not more."""

import math
from dataclasses import dataclass

from engine.records import PARTIAL_CASH
from engine.rules import SymbolRules
from feeds.costs import Costs

# Left unspent, so that rounding never asks for a hair more than there is.
SPARE = 1e-12
# Of the equity: less is what rounding left in the cash, and no entry.
DUST = 1e-6
# Of the units: what rounding takes away is not missing.
_ROUNDING = 1e-9
DECIMALS = 12  # more than an exchange has
_FREE = SymbolRules()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """What an entry is sized from and paid with, in quote currency.

    Attributes
    ----------
    equity : what the account is worth
    cash : what nothing else has spoken for
    reserve : of the cash, never asked for
    """

    equity: float
    cash: float
    reserve: float = 0.0

    @property
    def payable(self) -> float:
        """What an entry may cost."""
        return max(0.0, self.cash - self.reserve)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On what terms a symbol is expected to be bought, and sold at a stop.

    Attributes
    ----------
    price : the close at the decision, before spread and slippage, or the limit
    bar_range : high less low of the deciding bar, which stands for the bars that will fill: wild
        bars follow each other
    costs, rules : of the broker and the exchange
    by_limit : whether the entry is a limit order: it pays its price, and the higher of both fees
        must be at hand, since it may find the price beyond it
    """

    price: float
    bar_range: float
    costs: Costs
    rules: SymbolRules = _FREE
    by_limit: bool = False

    @property
    def bought(self) -> float:
        """The expected price of the entry, spread and slippage included."""
        return self.price if self.by_limit else self.costs.bought_at(self.price, self.bar_range)

    @property
    def paid(self) -> float:
        """What a unit takes from the cash, fee included."""
        fee = max(self.costs.fee, self.costs.limit_fee) if self.by_limit else self.costs.fee
        return self.bought * (1.0 + fee)

    def received(self, stop: float) -> float:
        """Return what a unit brings that a stop sells, fee included."""
        return float(self.costs.sold_at(stop, self.bar_range)) * (1.0 - self.costs.fee)


@dataclass(frozen=True, slots=True)
class Sized:
    """The size of an entry.

    Attributes
    ----------
    units : to buy, a multiple of the amount step that the cash can pay; 0 for no entry
    missing : units that the plan asks for and that are not bought
    reason : why they are missing; None if nothing is. `partial_cash` if the cash pays for a part
        of the plan, `no_cash` if for nothing of it. If the plan itself is too small: `amount_step`
        below one step, `min_notional` below the least notional or a millionth of the equity
    """

    units: float
    missing: float = 0.0
    reason: str | None = None


def units_for_fraction(wallet: Wallet, terms: Terms, *, fraction: float) -> Sized:
    """Return the units whose cost, fee included, is `fraction` of the equity.

    A fraction that reaches into the reserve stops there, and nothing is missing: both are wanted.

    Parameters
    ----------
    wallet : what they are paid with
    terms : on which they are bought
    fraction : of the equity, 0 to 1

    Examples
    --------
    >>> free = Costs(fee=0.0, half_spread=0.0, slippage=0.0, range_slippage=0.0)
    >>> def terms(step):
    ...     rules = SymbolRules(amount_step=step)
    ...     return Terms(price=50.0, bar_range=1.0, costs=free, rules=rules)
    >>> units_for_fraction(Wallet(equity=1000.0, cash=1000.0), terms(0.3), fraction=0.2)
    Sized(units=3.9, missing=0.0, reason=None)
    >>> units_for_fraction(Wallet(equity=1050.0, cash=160.0), terms(1.0), fraction=0.2)
    Sized(units=3.0, missing=1.0, reason='partial_cash')
    """
    planned = min(wallet.equity * fraction, wallet.equity - wallet.reserve)
    return _sized(_units(planned, terms.paid), wallet, terms)


def units_for_risk(
    wallet: Wallet, terms: Terms, *, risk_fraction: float, stop_fraction: float
) -> Sized:
    """Return the units whose loss at the stop, costs included, is `risk_fraction` of the equity.

    Parameters
    ----------
    stop_fraction : how far the stop is below the price paid, 0 to 1; where nothing is lost there
        the cash is the plan

    Others as in `units_for_fraction`.

    Examples
    --------
    >>> free = Costs(fee=0.0, half_spread=0.0, slippage=0.0, range_slippage=0.0)
    >>> terms = Terms(price=50.0, bar_range=1.0, costs=free)
    >>> wallet = Wallet(equity=10_000.0, cash=10_000.0)
    >>> units_for_risk(wallet, terms, risk_fraction=0.01, stop_fraction=0.04).units
    50.0
    """
    paid = terms.paid
    loss = paid - terms.received(terms.bought * (1.0 - stop_fraction))
    risked = wallet.equity * risk_fraction
    planned = risked / loss if loss > SPARE * paid else _units(wallet.payable, paid)
    return _sized(planned, wallet, terms)


def _sized(planned: float, wallet: Wallet, terms: Terms) -> Sized:
    """Return what of the plan the exchange allows and the cash pays."""
    price, paid, rules = terms.price, terms.paid, terms.rules
    least = max(rules.min_notional, DUST * wallet.equity)
    whole = _in_steps(planned, rules)
    if not whole or whole * price < least:
        below_a_step = rules.amount_step and not whole
        return Sized(0.0, planned, "amount_step" if below_a_step else "min_notional")
    units = _in_steps(min(planned, wallet.payable / paid), rules)
    if not units or units * price < least:
        return Sized(0.0, whole, "no_cash")
    if units < whole * (1.0 - _ROUNDING):
        return Sized(units, whole - units, PARTIAL_CASH)
    return Sized(units)


def _units(money: float, paid: float) -> float:
    """Return the units that the money pays; a limit rounded down to nothing buys nothing."""
    return money / paid if paid > 0.0 else 0.0


def _in_steps(units: float, rules: SymbolRules) -> float:
    """Return the units rounded down to the amount step."""
    units = max(0.0, units * (1.0 - SPARE))
    if rules.amount_step:
        units = math.floor(units / rules.amount_step) * rules.amount_step
        # Exchanges count in decimals, and 3 * 0.1 is not quite 0.3.
        units = round(units, DECIMALS) if rules.amount_step >= 10.0**-DECIMALS else units
    return units
