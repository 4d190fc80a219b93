"""The same trades at other fees."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cost_sweep import FALLBACK_FEE, CostSweep, cost_sweep
from engine.records import Fill, trades_of
from feeds.costs import Costs
from tests.engine.run_makers import make_fill

prices = st.floats(50.0, 200.0)
round_trips = st.lists(
    st.tuples(prices, prices, st.floats(0.01, 10.0), st.sampled_from([1.0, -1.0])),
    min_size=1,
    max_size=30,
)


def fills_of(trips: list[tuple[float, float, float, float]], fee: float) -> list[Fill]:
    """Return the fills of positions entered at one price and left at another."""
    costs = Costs(fee=fee, half_spread=0.0002, slippage=0.0001)
    made = []
    for entry, leave, units, side in trips:
        for aimed, signed in ((entry, side * units), (leave, -side * units)):
            price = costs.bought_at(aimed, 0.0) if signed > 0 else costs.sold_at(aimed, 0.0)
            paid = fee * units * price
            fill = make_fill(units=signed, price=float(price), fee=float(paid))
            made.append(replace(fill, aimed_price=aimed))
    return made


def swept(trips: list[tuple[float, float, float, float]], fee: float) -> CostSweep:
    fills = fills_of(trips, fee)
    return cost_sweep(trades_of(fills), fills, fee)


@given(round_trips, st.floats(0.0, 0.01))
def test_at_the_fee_of_the_run_the_sweep_says_what_the_run_says(
    trips: list[tuple[float, float, float, float]], fee: float
) -> None:
    fills = fills_of(trips, fee)
    trades = trades_of(fills)
    steps = {step.fee: step for step in cost_sweep(trades, fills, fee).steps}
    assert fee in steps
    step = steps[fee]
    assert step.pnl == pytest.approx(sum(t.pnl for t in trades), abs=1e-8)
    assert step.expectancy == pytest.approx(np.mean([t.return_fraction for t in trades]), abs=1e-12)


@given(round_trips, st.floats(0.0001, 0.01))
def test_at_the_break_even_fee_nothing_is_left(
    trips: list[tuple[float, float, float, float]], fee: float
) -> None:
    even = swept(trips, fee).break_even_fee
    if even is None:
        free = trades_of(fills_of(trips, 0.0))
        assert np.mean([t.return_fraction for t in free]) <= 0.0
        return
    again = trades_of(fills_of(trips, even))
    assert np.mean([t.return_fraction for t in again]) == pytest.approx(0.0, abs=1e-12)


@given(round_trips, st.floats(0.0001, 0.01))
def test_a_higher_fee_is_never_better(
    trips: list[tuple[float, float, float, float]], fee: float
) -> None:
    found = swept(trips, fee)
    assert [s.fee for s in found.steps] == sorted(s.fee for s in found.steps)
    for low, high in zip(found.steps, found.steps[1:], strict=False):
        assert low.pnl > high.pnl
        assert (low.expectancy or 0.0) > (high.expectancy or 0.0)
        assert (low.win_rate or 0.0) >= (high.win_rate or 0.0)
    assert found.before_fees == found.steps[0].expectancy


def test_costs_break_even_between_the_prices_that_were_aimed_at() -> None:
    found = swept([(100.0, 101.0, 1.0, 1.0), (100.0, 100.5, 1.0, 1.0)], 0.001)
    assert found.before_costs == found.break_even_cost == pytest.approx(0.0075)
    assert found.before_fees == pytest.approx(0.0075 - 2 * 0.0003, abs=1e-5)


def test_trades_that_lose_without_fees_break_even_at_none() -> None:
    found = swept([(100.0, 99.0, 1.0, 1.0)], 0.001)
    assert (found.break_even_fee, found.break_even_cost) == (None, None)
    assert found.before_costs == pytest.approx(-0.01)
    assert (found.before_fees or 0.0) < -0.01


def test_a_run_without_a_fee_is_swept_up_to_the_stated_one() -> None:
    fees = [step.fee for step in swept([(100.0, 101.0, 1.0, 1.0)], 0.0).steps]
    assert (fees[0], fees[-1]) == (0.0, FALLBACK_FEE)


def test_a_maker_fee_keeps_its_proportion() -> None:
    fills = fills_of([(100.0, 101.0, 1.0, 1.0)], 0.001)
    half = [fills[0], replace(fills[1], fee=fills[1].fee / 2)]
    trades = trades_of(half)
    found = cost_sweep(trades, half, 0.001)
    assert found.steps[2].pnl == pytest.approx(trades[0].pnl)
    assert found.steps[0].pnl - found.steps[4].pnl == pytest.approx(2 * trades[0].fees)
    alike = swept([(100.0, 101.0, 1.0, 1.0)], 0.001)
    assert (found.break_even_fee or 0.0) > (alike.break_even_fee or 0.0)


def test_a_run_without_trades_has_nothing_to_sweep() -> None:
    found = cost_sweep([], [], 0.001)
    assert [(s.expectancy, s.win_rate, s.profit_factor, s.pnl) for s in found.steps] == [
        (None, None, None, 0.0)
    ] * 5
    assert found.to_json()["break_even_fee"] is None
