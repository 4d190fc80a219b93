"""Spread and slippage always work against the trader, the more so the wilder the bar."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.costs import Costs


def test_by_default_a_taker_pays_a_tenth_of_a_percent_and_a_calm_fill_two_basis_points() -> None:
    costs = Costs()
    assert costs.fee == 0.001
    assert costs.market_penalty == pytest.approx(0.0002)


def test_buys_fill_above_and_sells_below_the_price_aimed_at() -> None:
    costs = Costs(half_spread=0.001, slippage=0.002, range_slippage=0.05)
    assert costs.bought_at(100.0, 0.0) == pytest.approx(100.3)
    assert costs.bought_at(100.0, 4.0) == pytest.approx(100.5)
    assert costs.sold_at(100.0, 0.0) == pytest.approx(99.7)
    assert costs.sold_at(100.0, 4.0) == pytest.approx(99.5)
    prices, ranges = np.array([100.0, 200.0]), np.array([4.0, 0.0])
    np.testing.assert_allclose(costs.bought_at(prices, ranges), [100.5, 200.6])


def test_without_spread_and_slippage_the_price_is_the_price() -> None:
    free = Costs(fee=0.0, half_spread=0.0, slippage=0.0, range_slippage=0.0)
    assert free.bought_at(100.0, 7.0) == free.sold_at(100.0, 7.0) == 100.0


@given(
    price=st.floats(1e-6, 1e6),
    bar_range=st.floats(0, 1e6),
    slippage=st.floats(0, 0.02),
    range_slippage=st.floats(0, 0.5),
)
def test_a_column_costs_what_each_fill_costs_and_nothing_is_sold_below_zero(
    price: float, bar_range: float, slippage: float, range_slippage: float
) -> None:
    costs = Costs(slippage=slippage, range_slippage=range_slippage)
    bought, sold = costs.bought_at(price, bar_range), costs.sold_at(price, bar_range)
    assert 0.0 <= sold <= price <= bought
    column, ranges = np.full(9, price), np.full(9, bar_range)
    assert costs.bought_at(column, ranges).tolist() == [bought] * 9
    assert costs.sold_at(column, ranges).tolist() == [sold] * 9
