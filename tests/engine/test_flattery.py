"""Each sentence of the flattery list stands where it applies, with figures of the run."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.flattery import USUAL, Circumstances, flattery
from engine.records import Fill
from engine.rules import SymbolRules
from feeds.bars import Bars
from feeds.costs import Costs
from tests.engine.run_makers import make_fill
from tests.makers import candles, make_bars, with_hole

RULES = SymbolRules(tick=0.01, amount_step=1e-5, min_notional=5.0)
# A calm bar, a wild one and one whose high is a hair above 101.
BARS = candles(
    [(100.0, 100.5, 99.5, 100.0), (100.0, 110.0, 90.0, 100.0), (100.0, 101.001, 99.0, 100.0)]
)


def under(bars: Bars = BARS, **changed: Any) -> Circumstances:
    given: dict[str, Any] = {
        "costs": USUAL,
        "rules": {bars.symbol: RULES},
        "markets": {bars.symbol: bars},
        "in_sample": False,
    }
    return Circumstances(**{**given, **changed})


def at(bar: int, reason: str, **changed: Any) -> Fill:
    fill = make_fill(units=0.25 if reason == "entry" else -0.25)
    limit = changed.get("price", fill.price)
    slipped = {"aimed_price": limit if reason == "take_profit" else 99.9}
    return replace(fill, **{"bar": bar, "reason": reason, **slipped, **changed})


def about(word: str, found: tuple[str, ...]) -> list[str]:
    return [sentence for sentence in found if word in sentence]


def test_what_holds_for_every_run_is_always_said() -> None:
    found = flattery([at(0, "entry")], under())
    assert len(found) == 4
    assert about("today's knowledge", found)
    assert about("no order is late", found)
    assert about("configurations were tried", found)
    assert not about("no order is late", flattery([], under()))


def test_on_paper_orders_may_be_late_and_live_symbols_were_chosen_before() -> None:
    rehearsed = flattery([at(0, "entry")], under(on_paper=True))
    assert about("no order takes time", rehearsed)
    assert about("today's knowledge", rehearsed)
    live = flattery([at(0, "entry")], under(on_paper=True, live=True))
    assert not about("today's knowledge", live)
    assert not about("no order is late", live)


def test_the_order_of_the_sentences_is_stable() -> None:
    fills = [at(0, "entry"), at(1, "stop_loss")]
    assert flattery(fills, under()) == flattery(list(fills), under())


@pytest.mark.parametrize(
    ("cost", "words"),
    [("fee", "a fee of"), ("half_spread", "a half spread of"), ("slippage", "a slippage of")],
)
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_costs_below_the_usual_are_named(cost: str, words: str, share: float) -> None:
    low: Mapping[str, float] = {cost: getattr(USUAL, cost) * share}
    (sentence,) = about(words, flattery([], under(costs=replace(USUAL, **low))))
    assert ("of nothing" in sentence) == (share == 0.0)
    assert not about(words, flattery([], under()))


def test_even_slippage_is_said_with_the_ranges_that_were_traded() -> None:
    fills = [at(0, "entry"), at(1, "stop_loss"), at(2, "take_profit", price=101.0)]
    even = replace(USUAL, range_slippage=0.0)
    (sentence,) = about("calm and wild", flattery(fills, under(costs=even)))
    assert "10.50% of the price on average" in sentence
    assert "up to 20.00%" in sentence
    assert not about("calm and wild", flattery(fills, under()))


def test_targets_that_were_barely_touched_are_counted() -> None:
    fills = [at(2, "take_profit", price=101.0), at(1, "take_profit", price=101.0)]
    (sentence,) = about("targets", flattery(fills, under()))
    assert "in 1 of 2 it went less than 0.01% beyond" in sentence
    assert not about("targets", flattery([at(0, "entry")], under()))


def test_the_largest_order_is_named_with_its_share_of_the_volume() -> None:
    fills = [at(0, "entry"), at(1, "stop_loss", units=-0.5)]
    (sentence,) = about("do not move the price", flattery(fills, under()))
    assert "50.00% of the volume of its bar (BTC/USDT, 2024-01-01 00:05Z)" in sentence


def test_an_order_in_a_bar_without_trade_took_more_than_there_was() -> None:
    dry = replace(BARS, volume=np.array([1.0, 0.0, 1.0]))
    (sentence,) = about("do not move", flattery([at(1, "entry"), at(0, "entry")], under(dry)))
    assert "more than all" in sentence


def test_positions_closed_before_a_hole_are_counted_and_the_end_of_the_data_is_none() -> None:
    bars = with_hole(make_bars(100), 50, 20)
    fills = [at(49, "segment_end"), at(79, "segment_end")]
    (sentence,) = about("hole", flattery(fills, under(bars)))
    assert sentence.startswith("1 position was closed")
    assert not about("hole", flattery(fills[1:], under(bars)))


def test_rules_that_are_not_set_are_named_with_the_symbols_that_lack_them() -> None:
    markets = {"BTC/USDT": BARS, "ETH/USDT": replace(BARS, symbol="ETH/USDT")}
    some = {"BTC/USDT": RULES, "ETH/USDT": SymbolRules(tick=0.01)}
    (sentence,) = about("is set for", flattery([], under(markets=markets, rules=some)))
    assert sentence.startswith("no amount step or least order value is set for ETH/USDT")
    (all_,) = about("is set for", flattery([], under(markets=markets, rules={})))
    assert all_.startswith("no tick, amount step or least order value is set for BTC/USDT, ETH")


def test_simulated_bars_and_seen_bars_are_said() -> None:
    simulated = replace(BARS, synthetic=True)
    found = flattery([], under(simulated, in_sample=True))
    assert about("in-sample", found)
    assert about("synthetic", found)
    assert not about("today's knowledge", found)


def test_the_usual_costs_flatter_nobody() -> None:
    assert not about("usual", flattery([], under(costs=USUAL)))
    assert Costs() == USUAL


def test_a_maker_fee_and_a_little_range_slippage_are_named() -> None:
    costs = replace(USUAL, maker_fee=0.0002, range_slippage=0.01)
    found = flattery([], under(costs=costs))
    assert about("a maker fee of 0.0200%", found)
    assert about("slippage of 1.00% of a bar's range; 2.00% is usual", found)


def test_limit_entries_that_were_barely_traded_through_are_counted() -> None:
    near, far = (at(bar, "entry", price=p, aimed_price=p) for bar, p in ((0, 99.501), (1, 99.0)))
    (sentence,) = about("limit entries", flattery([near, far], under(limit_entries=True)))
    assert "in 1 of 2 it went less than 0.01% beyond" in sentence
    assert not about("limit entries", flattery([at(0, "entry")], under()))


def test_without_any_cost_a_market_order_is_still_none_by_limit() -> None:
    free = Costs(fee=0.0, half_spread=0.0, slippage=0.0, range_slippage=0.0)
    market = at(1, "entry", price=100.0, aimed_price=100.0)
    found = flattery([market], under(costs=free))
    assert not about("limit entries", found)
    assert about("in calm and wild bars alike", found)
