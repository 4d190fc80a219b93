"""Spread and slippage always work against the trader."""

import numpy as np
import pytest

from feeds.costs import Costs


def test_by_default_a_taker_pays_a_tenth_of_a_percent_and_a_market_fill_two_basis_points() -> None:
    costs = Costs()
    assert costs.fee == 0.001
    assert costs.market_penalty == pytest.approx(0.0002)


def test_buys_fill_above_and_sells_below_the_price_aimed_at() -> None:
    costs = Costs(half_spread=0.001, slippage=0.002)
    assert costs.bought_at(100.0) == pytest.approx(100.3)
    assert costs.sold_at(100.0) == pytest.approx(99.7)
    np.testing.assert_allclose(costs.bought_at(np.array([100.0, 200.0])), [100.3, 200.6])


def test_without_spread_and_slippage_the_price_is_the_price() -> None:
    free = Costs(fee=0.0, half_spread=0.0, slippage=0.0)
    assert free.bought_at(100.0) == free.sold_at(100.0) == 100.0
