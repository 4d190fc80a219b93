"""Sizes are what was asked for, rounded down, and never more than the cash can pay."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.rules import SymbolRules
from engine.sizing import units_for_fraction, units_for_risk
from feeds.costs import Costs
from tests.engine.markets import FREE, Scripted, engine_of, order
from tests.makers import candles

MONEY = st.floats(1.0, 1e7)
PRICE = st.floats(1e-6, 1e6)
FRACTION = st.floats(0.0, 1.0)
COSTS = st.builds(
    Costs, fee=st.floats(0, 0.02), half_spread=st.floats(0, 0.01), slippage=st.floats(0, 0.01)
)
RULES = st.builds(
    SymbolRules,
    amount_step=st.sampled_from([0.0, 1e-8, 1e-5, 0.001, 0.1, 1.0, 0.3]),
    min_notional=st.sampled_from([0.0, 5.0, 10.0]),
)


def spent(units: float, price: float, costs: Costs) -> float:
    paid = price * (1 + costs.market_penalty)
    return units * paid + units * costs.fee * paid


@given(equity=MONEY, cash=MONEY, price=PRICE, fraction=FRACTION, costs=COSTS, rules=RULES)
def test_a_fraction_is_never_exceeded_and_missed_by_less_than_a_step(
    equity: float, cash: float, price: float, fraction: float, costs: Costs, rules: SymbolRules
) -> None:
    units = units_for_fraction(
        equity=equity, cash=cash, price=price, fraction=fraction, costs=costs, rules=rules
    )
    allowed = min(cash, equity * fraction)
    assert spent(units, price, costs) <= allowed
    assert rules.allows_units(units)
    wanted = allowed > 1e-5 * equity  # less may be what rounding left
    if units or (wanted and not rules.min_notional):
        assert spent(units + rules.amount_step, price, costs) >= allowed * (1 - 1e-9)


@given(
    equity=MONEY,
    cash=MONEY,
    price=PRICE,
    risk=FRACTION,
    stop=st.floats(0.0005, 0.5),
    costs=COSTS,
    rules=RULES,
)
def test_the_loss_at_the_stop_is_never_more_than_the_risk(  # noqa: PLR0913
    *,
    equity: float,
    cash: float,
    price: float,
    risk: float,
    stop: float,
    costs: Costs,
    rules: SymbolRules,
) -> None:
    units = units_for_risk(
        equity=equity,
        cash=cash,
        price=price,
        risk_fraction=risk,
        stop_fraction=stop,
        costs=costs,
        rules=rules,
    )
    paid = price * (1 + costs.market_penalty)
    back = units * paid * (1 - stop) * (1 - costs.market_penalty) * (1 - costs.fee)
    assert spent(units, price, costs) <= cash
    assert spent(units, price, costs) - back <= equity * risk * (1 + 1e-9) + 1e-9 * cash
    limited = units * paid * (1 + costs.fee) >= cash * (1 - 1e-9)
    if units and rules == SymbolRules() and not limited:
        assert spent(units, price, costs) - back == pytest.approx(equity * risk, rel=1e-6)


@given(equity=MONEY, price=PRICE)
def test_what_rounding_left_in_the_cash_is_no_entry(equity: float, price: float) -> None:
    terms: dict[str, Any] = {"equity": equity, "price": price, "fraction": 1.0, "costs": FREE}
    assert units_for_fraction(cash=1e-7 * equity, rules=SymbolRules(), **terms) == 0.0
    assert units_for_fraction(cash=1e-5 * equity, rules=SymbolRules(), **terms) > 0.0


def test_a_size_below_the_least_notional_is_none() -> None:
    rules = SymbolRules(min_notional=10.0)
    terms: dict[str, Any] = {
        "equity": 1000.0,
        "cash": 1000.0,
        "price": 50.0,
        "costs": FREE,
        "rules": rules,
    }
    assert units_for_fraction(fraction=0.009, **terms) == 0.0
    assert units_for_fraction(fraction=0.011, **terms) > 0.0


def test_nothing_is_bought_without_cash() -> None:
    terms: dict[str, Any] = {"equity": 1000.0, "price": 50.0, "costs": FREE, "rules": SymbolRules()}
    assert units_for_fraction(fraction=1.0, cash=0.0, **terms) == 0.0
    assert units_for_fraction(fraction=1.0, cash=-5.0, **terms) == 0.0


def test_without_a_loss_at_the_stop_the_cash_decides() -> None:
    terms: dict[str, Any] = {
        "equity": 1000.0,
        "cash": 100.0,
        "price": 50.0,
        "costs": FREE,
        "rules": SymbolRules(),
    }
    units = units_for_risk(risk_fraction=0.01, stop_fraction=0.0, **terms)
    assert math.isclose(units, 2.0)


@pytest.mark.parametrize("step", [0.0, 0.001])
def test_the_broker_takes_a_size_for_all_the_cash(step: float) -> None:
    costs, rules = Costs(), SymbolRules(amount_step=step)
    units = units_for_fraction(
        equity=1_234.56, cash=1_234.56, price=100.0, fraction=1.0, costs=costs, rules=rules
    )
    market = candles([(100, 101, 99, 100)] * 4)
    engine = engine_of([market], cash=1_234.56, costs=costs, rules={market.symbol: rules})
    ran = engine.execute(Scripted, script={(market.symbol, 0): order("buy", units)})
    assert ran.rejections == ()
    assert 0.0 <= ran.equity.cash[1] < 0.2
