"""Tests of rules: names, points, and comparisons that decide every tie alike."""

from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.errors import StrategyError
from strategies.rules import EPSILON, Rule, above, below

NUMBERS = st.floats(-1e6, 1e6).filter(lambda x: abs(x) > 1e-3)


@given(limit=NUMBERS, noise=st.floats(-0.1, 0.1))
def test_a_value_within_rounding_of_the_limit_is_neither_above_nor_below(
    limit: float, noise: float
) -> None:
    near = np.array([limit * (1 + noise * EPSILON)])
    assert not above(near, limit).any()
    assert not below(near, limit).any()


@given(limit=NUMBERS)
def test_a_value_beyond_rounding_is_above_or_below(limit: float) -> None:
    apart = 10 * EPSILON * abs(limit)
    assert above(np.array([limit + apart]), limit).all()
    assert below(np.array([limit - apart]), limit).all()


def test_what_is_not_known_is_neither() -> None:
    unknown = np.array([np.nan])
    assert not above(unknown, 1.0).any()
    assert not below(unknown, 1.0).any()


@pytest.mark.parametrize(
    ("name", "points", "message"),
    [
        ("Dip", 1.0, "lower case.*'Dip'"),
        ("ml_dip", 1.0, "not begin with ml_"),
        ("a dip", 1.0, "lower case"),
        ("dip", -1.0, "0 or more, found -1.0.*mandatory rule that says the opposite"),
        ("dip", float("nan"), "0 or more"),
    ],
)
def test_a_rule_has_a_name_and_points(name: str, points: float, message: str) -> None:
    with pytest.raises(StrategyError, match=message):
        Rule(name, lambda bars: bars.close > 0, points=points)


def test_a_rule_is_a_function() -> None:
    with pytest.raises(StrategyError, match="rule dip: holds and shows must be functions"):
        Rule("dip", cast("Any", True))
