"""Sizes are what was asked for, rounded down, and never more than the cash can pay."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.rules import SymbolRules
from engine.sizing import Sized, Terms, Wallet, units_for_fraction, units_for_risk
from feeds.costs import Costs
from tests.engine.markets import FREE, Scripted, engine_of, order
from tests.makers import candles

MONEY = st.floats(1.0, 1e7)
PRICE = st.floats(1e-6, 1e6)
FRACTION = st.floats(0.0, 1.0)
COSTS = st.builds(
    Costs,
    fee=st.floats(0, 0.02),
    half_spread=st.floats(0, 0.01),
    slippage=st.floats(0, 0.01),
    range_slippage=st.floats(0, 0.5),
)
RULES = st.builds(
    SymbolRules,
    amount_step=st.sampled_from([0.0, 1e-15, 1e-8, 1e-5, 0.001, 0.1, 1.0, 0.3]),
    min_notional=st.sampled_from([0.0, 5.0, 10.0]),
)


RANGE = 0.02  # of the deciding bar, over its close
SHARE = st.floats(0.0, 1.0)
RESERVE = st.floats(0.0, 0.5)
PLAN = st.one_of(
    st.fixed_dictionaries({"fraction": FRACTION}),
    st.fixed_dictionaries({"risk_fraction": FRACTION, "stop_fraction": st.floats(0.0005, 0.5)}),
)
Plan = dict[str, float]


def size(wallet: Wallet, plan: Plan, price: float, costs: Costs, rules: SymbolRules) -> Sized:
    kind: Any = units_for_fraction if "fraction" in plan else units_for_risk
    terms = Terms(price=price, bar_range=RANGE * price, costs=costs, rules=rules)
    found = kind(wallet, terms, **plan)
    assert isinstance(found, Sized)
    return found


def wallet_of(equity: float, cash_share: float, reserve_share: float = 0.0) -> Wallet:
    return Wallet(equity=equity, cash=equity * cash_share, reserve=equity * reserve_share)


def spent(units: float, price: float, costs: Costs) -> float:
    paid = price * (1 + costs.market_penalty) + costs.range_slippage * RANGE * price
    return units * paid + units * costs.fee * paid


def lost_at_stop(units: float, price: float, costs: Costs, plan: Plan) -> float:
    wild = costs.range_slippage * RANGE * price
    paid = price * (1 + costs.market_penalty) + wild
    sold = max(0.0, paid * (1 - plan["stop_fraction"]) * (1 - costs.market_penalty) - wild)
    return spent(units, price, costs) - units * sold * (1 - costs.fee)


def planned(wallet: Wallet, plan: Plan, price: float, costs: Costs) -> float:
    """Tell anew how many units are wanted, before cash and steps."""
    if "fraction" in plan:
        money = min(wallet.equity * plan["fraction"], wallet.equity - wallet.reserve)
        return money / spent(1.0, price, costs)
    return wallet.equity * plan["risk_fraction"] / lost_at_stop(1.0, price, costs, plan)


@given(equity=MONEY, share=SHARE, kept=RESERVE, plan=PLAN, price=PRICE, costs=COSTS, rules=RULES)
def test_a_size_is_what_the_cash_pays_and_the_exchange_allows(  # noqa: PLR0913  all inputs
    *,
    equity: float,
    share: float,
    kept: float,
    plan: Plan,
    price: float,
    costs: Costs,
    rules: SymbolRules,
) -> None:
    wallet = wallet_of(equity, share, kept)
    units = size(wallet, plan, price, costs, rules).units
    assert spent(units, price, costs) <= max(0.0, wallet.cash - wallet.reserve)
    assert rules.allows_units(units)
    assert units == 0.0 or units * price >= max(rules.min_notional, 1e-6 * equity)
    assert units <= planned(wallet, plan, price, costs)


@given(equity=MONEY, share=SHARE, kept=RESERVE, plan=PLAN, price=PRICE, costs=COSTS, rules=RULES)
def test_a_size_says_what_is_missing_and_why(  # noqa: PLR0913  all inputs
    *,
    equity: float,
    share: float,
    kept: float,
    plan: Plan,
    price: float,
    costs: Costs,
    rules: SymbolRules,
) -> None:
    wallet = wallet_of(equity, share, kept)
    found = size(wallet, plan, price, costs, rules)
    rich = size(replace(wallet, cash=1e9 * equity), plan, price, costs, rules)
    whole = planned(wallet, plan, price, costs)
    match found.reason:
        case None:
            assert found.missing == 0.0 < found.units
            assert found.units + rules.amount_step >= whole * (1 - 1e-8)
        case "partial_cash":
            assert found.units > 0.0 < found.missing
            paid_for = spent(found.units + rules.amount_step, price, costs)
            assert paid_for >= (wallet.cash - wallet.reserve) * (1 - 1e-9)
            assert found.units + found.missing + rules.amount_step >= whole * (1 - 1e-8)
        case "no_cash":
            assert found.units == 0.0 < found.missing
            assert found.missing <= rich.units * (1 + 1e-9)
        case "amount_step":
            assert found.units == rich.units == 0.0
            assert found.missing == pytest.approx(whole, rel=1e-9)
            assert whole < rules.amount_step * (1 + 1e-9)
        case "min_notional":
            assert found.units == rich.units == 0.0
            least = max(rules.min_notional, 1e-6 * equity) + rules.amount_step * price
            assert whole * price < least * (1 + 1e-9)
        case _:
            raise AssertionError(found.reason)


@given(
    equity=MONEY,
    more=st.floats(1.0, 10.0),
    share=SHARE,
    kept=RESERVE,
    plan=PLAN,
    price=PRICE,
    costs=COSTS,
    rules=RULES,
)
def test_a_larger_account_never_buys_less(  # noqa: PLR0913  all inputs
    *,
    equity: float,
    more: float,
    share: float,
    kept: float,
    plan: Plan,
    price: float,
    costs: Costs,
    rules: SymbolRules,
) -> None:
    small = size(wallet_of(equity, share, kept), plan, price, costs, rules)
    large = size(wallet_of(equity * more, share, kept), plan, price, costs, rules)
    richer = size(wallet_of(equity, share * more, kept), plan, price, costs, rules)
    rounding = 1e-9 * small.units + rules.amount_step
    assert large.units >= small.units - rounding
    assert richer.units >= small.units


@given(equity=MONEY, share=SHARE, price=PRICE, costs=COSTS, fraction=st.floats(0.001, 1.0))
def test_a_fraction_is_what_the_entry_costs(
    equity: float, share: float, price: float, costs: Costs, fraction: float
) -> None:
    wallet = wallet_of(equity, share)
    found = size(wallet, {"fraction": fraction}, price, costs, SymbolRules())
    if found.units:
        cost = spent(found.units, price, costs)
        assert cost == pytest.approx(min(equity * fraction, wallet.cash), rel=1e-9)


@given(
    equity=MONEY,
    share=SHARE,
    price=PRICE,
    costs=COSTS,
    rules=RULES,
    risk=st.floats(0.0001, 1.0),
    stop=st.floats(0.0005, 0.5),
)
def test_the_loss_at_the_stop_is_never_more_than_the_risk(  # noqa: PLR0913  all inputs
    *,
    equity: float,
    share: float,
    price: float,
    costs: Costs,
    rules: SymbolRules,
    risk: float,
    stop: float,
) -> None:
    plan = {"risk_fraction": risk, "stop_fraction": stop}
    found = size(wallet_of(equity, share), plan, price, costs, rules)
    loss = lost_at_stop(found.units, price, costs, plan)
    assert loss <= equity * risk * (1 + 1e-9) + 1e-9 * equity
    if found.reason is None and not rules.amount_step:
        assert loss == pytest.approx(equity * risk, rel=1e-6)


@given(equity=MONEY, price=PRICE)
def test_what_rounding_left_in_the_cash_is_no_entry(equity: float, price: float) -> None:
    plan = {"fraction": 1.0}
    left = size(wallet_of(equity, 1e-7), plan, price, FREE, SymbolRules())
    assert (left.units, left.reason) == (0.0, "no_cash")
    assert size(wallet_of(equity, 1e-5), plan, price, FREE, SymbolRules()).units > 0.0


REASONS = [
    # what, wallet, fraction, rules, units, missing, reason
    ("all of the plan", (1000, 1000, 0), 0.22, {}, 4.4, 0, None),
    ("the plan in whole steps", (1000, 1000, 0), 0.22, {"amount_step": 1.0}, 4, 0, None),
    ("the reserve is part of the plan", (1000, 1000, 40), 1.0, {}, 19.2, 0, None),
    ("a part of the plan", (1000, 160, 0), 0.22, {}, 3.2, 1.2, "partial_cash"),
    ("whole steps are missing", (1000, 160, 0), 0.22, {"amount_step": 1.0}, 3, 1, "partial_cash"),
    ("the reserve is not paid with", (1000, 160, 40), 0.22, {}, 2.4, 2.0, "partial_cash"),
    ("no cash", (1000, 0, 0), 0.22, {}, 0, 4.4, "no_cash"),
    ("less than no cash", (1000, -5, 0), 0.22, {}, 0, 4.4, "no_cash"),
    ("cash below the reserve", (1000, 30, 40), 0.22, {}, 0, 4.4, "no_cash"),
    ("cash below a step", (1000, 40, 0), 0.22, {"amount_step": 1.0}, 0, 4, "no_cash"),
    ("cash below the least", (1000, 40, 0), 0.22, {"min_notional": 50.0}, 0, 4.4, "no_cash"),
    ("a plan below a step", (1000, 1000, 0), 0.04, {"amount_step": 1.0}, 0, 0.8, "amount_step"),
    ("a plan below the least", (1000, 1000, 0), 0.04, {"min_notional": 50.0}, 0, 0.8,
     "min_notional"),
    ("neither cash nor a plan", (1000, 0, 0), 0.04, {"min_notional": 50.0}, 0, 0.8,
     "min_notional"),
    ("a plan of dust", (1000, 1000, 0), 1e-7, {}, 0, 2e-6, "min_notional"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wallet", "fraction", "rules", "units", "missing", "reason"),
    [case[1:] for case in REASONS],
    ids=[case[0] for case in REASONS],
)
def test_the_reason_for_each_size(
    *,
    wallet: tuple[float, float, float],
    fraction: float,
    rules: dict[str, float],
    units: float,
    missing: float,
    reason: str | None,
) -> None:
    equity, cash, reserve = wallet
    terms = Terms(price=50.0, bar_range=1.0, costs=FREE, rules=SymbolRules(**rules))
    wallet_now = Wallet(equity=equity, cash=cash, reserve=reserve)
    found = units_for_fraction(wallet_now, terms, fraction=fraction)
    assert (found.units, found.missing) == pytest.approx((units, missing), rel=1e-9, abs=0)
    assert found.reason == reason


@pytest.mark.parametrize(
    "plan", [{"fraction": 0.5}, {"risk_fraction": 0.01, "stop_fraction": 0.02}]
)
def test_a_limit_below_the_first_tick_buys_nothing(plan: Plan) -> None:
    assert size(wallet_of(1000.0, 1.0), plan, 0.0, FREE, SymbolRules()).units == 0.0


def test_a_limit_order_is_sized_by_its_price_and_the_higher_fee() -> None:
    costs = Costs(fee=0.01, maker_fee=0.002, half_spread=0.1, slippage=0.1, range_slippage=0.5)
    terms = Terms(price=50.0, bar_range=5.0, costs=costs, by_limit=True)
    found = units_for_fraction(Wallet(equity=1010.0, cash=1010.0), terms, fraction=0.5)
    assert found.units == pytest.approx(10.0)


def test_without_a_loss_at_the_stop_the_cash_decides() -> None:
    plan = {"risk_fraction": 0.01, "stop_fraction": 0.0}
    found = size(wallet_of(1000.0, 0.1), plan, 50.0, FREE, SymbolRules())
    assert math.isclose(found.units, 2.0)
    assert found.reason is None


@pytest.mark.parametrize("step", [0.0, 0.001])
def test_the_broker_takes_a_size_for_all_the_cash(step: float) -> None:
    costs, rules = Costs(), SymbolRules(amount_step=step)
    wallet = Wallet(equity=1_234.56, cash=1_234.56)
    terms = Terms(price=100.0, bar_range=2.0, costs=costs, rules=rules)
    units = units_for_fraction(wallet, terms, fraction=1.0).units
    market = candles([(100, 101, 99, 100)] * 4)
    engine = engine_of([market], cash=1_234.56, costs=costs, rules={market.symbol: rules})
    ran = engine.execute(Scripted, script={(market.symbol, 0): order("buy", units)})
    assert ran.rejections == ()
    assert 0.0 <= ran.equity.cash[1] < 0.2
