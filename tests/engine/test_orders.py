"""Orders are what backtrader would have made, and their copies stay as they were."""

from copy import copy
from typing import Any

import backtrader as bt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.orders import PlainBuy, PlainSell, new_order
from tests.engine.markets import random_market, run_script

Order = bt.Order
PRICES = st.none() | st.floats(1.0, 200.0)
GIVEN = st.fixed_dictionaries(
    {"size": st.floats(0.001, 100.0), "price": PRICES, "pricelimit": PRICES},
    optional={
        "exectype": st.sampled_from([None, Order.Market, Order.Limit, Order.Stop, Order.StopLimit]),
        "tradeid": st.integers(0, 3),
        "transmit": st.booleans(),
    },
)
# What has another form: an order's number, its parameters, the end of a session.
OTHERWISE = {"ref", "p", "params", "dteos", "created", "executed"}


# The feed of a run that is over, standing at its last bar.
DATA = run_script(random_market(3), {}).strategy.data


def facts(order: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(order).items() if name not in OTHERWISE}


@pytest.mark.parametrize(
    ("plain", "stock"), [(PlainBuy, bt.BuyOrder), (PlainSell, bt.SellOrder)], ids=["buy", "sell"]
)
@given(asked=GIVEN)
def test_an_order_is_what_backtrader_makes(plain: Any, stock: Any, asked: dict[str, Any]) -> None:
    ours, theirs = new_order(plain, data=DATA, **asked), stock(data=DATA, **asked)
    assert facts(ours).items() >= facts(theirs).items()
    assert vars(ours.created) == vars(theirs.created)
    assert vars(ours.executed) == vars(theirs.executed)
    assert ours.ref < theirs.ref
    assert isinstance(ours, stock)
    for name in ("valid", "oco", "parent", "simulated", "histnotify", "trailpercent"):
        assert getattr(ours, name) == getattr(theirs, name) == getattr(ours.p, name)


@pytest.mark.parametrize(
    "asked",
    [
        {"exectype": Order.StopTrail, "trailamount": 1.0},
        {"exectype": Order.Close},
        {"exectype": Order.Limit, "price": 90.0, "valid": 3.0},
    ],
)
def test_an_order_that_needs_more_is_backtraders_own(asked: dict[str, Any]) -> None:
    assert type(new_order(PlainSell, data=DATA, size=1.0, **asked)) is bt.SellOrder


def test_a_copy_stays_as_it_was_and_shares_the_executions() -> None:
    order = new_order(PlainBuy, data=DATA, size=2.0)
    before = order.clone()
    order.execute(1.0, 2.0, 100.0, 0, 0.0, 0.0, 2.0, 200.0, 0.2, None, 0.0, 2.0, 100.0)
    after = order.clone()
    assert (before.status, after.status) == (Order.Created, Order.Completed)
    assert (before.executed.size, after.executed.size) == (0, 2.0)
    assert list(before.executed.iterpending()) == []
    assert [bit.size for bit in after.executed.iterpending()] == [2.0]
    assert after == order
    assert vars(copy(after)) == vars(after)


def test_an_order_says_what_it_lacks() -> None:
    with pytest.raises(AttributeError, match="an order has no colour"):
        _ = new_order(PlainBuy, data=DATA, size=1.0).colour
