"""What the compiled loop would read wrongly is refused before."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.rules import SymbolRules
from engine.sweep.market import SweepMarket, check_together
from tests.makers import make_bars


def market(symbol: str = "BTC/USDT", timeframe: str = "5m", **changed: Any) -> SweepMarket:
    bars = make_bars(50, symbol=symbol, timeframe=timeframe)
    filled = np.arange(50) == 30
    given: dict[str, Any] = {
        "bars": replace(bars, filled=filled),
        "first": 10,
        "rows": np.array([10, 20, 49]),
        "holds": np.ones((2, 3), np.bool_),
        "atr_fraction": np.full(3, 0.01),
        "probability": np.full(3, np.nan),
        "rules": SymbolRules(),
    }
    return SweepMarket(**given | changed)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rows": np.array([10, 20, 50])}, "ascend from 10 to at most 49, found 10 to 50"),
        ({"rows": np.array([9, 20, 49])}, "ascend from 10 to at most 49, found 9 to 49"),
        ({"rows": np.array([10, 10, 49])}, "not ascending"),
        ({"rows": np.array([10, 30, 49])}, "must be a real bar, found a filled one"),
        ({"first": 50}, "one of the 50 bars of BTC/USDT, found 50"),
        ({"holds": np.ones((2, 4), np.bool_)}, r"holds must have the shape \(2, 3\)"),
        ({"atr_fraction": np.zeros(2)}, r"atr_fraction must have the shape \(3,\)"),
        ({"probability": np.zeros(2)}, r"probability must have the shape \(3,\)"),
        ({"floors": np.zeros((3, 4))}, r"floors must have the shape \(4, 3\)"),
    ],
)
def test_a_market_that_does_not_fit_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        market(**changed)


def test_markets_of_a_run_must_go_together() -> None:
    check_together([market(), market("ETH/USDT")])
    with pytest.raises(ValueError, match="found none"):
        check_together([])
    with pytest.raises(ValueError, match="each symbol once, found BTC/USDT, BTC/USDT"):
        check_together([market(), market()])
    with pytest.raises(ValueError, match="one timeframe, found 1m, 5m"):
        check_together([market(), market("ETH/USDT", "1m")])
    fewer = market("ETH/USDT", holds=np.ones((1, 3), np.bool_))
    with pytest.raises(ValueError, match=r"the same rules, found \[1, 2\] of them"):
        check_together([market(), fewer])
