"""The simulated market moves like one, repeats itself exactly, and pays nobody."""

import re
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import market_facts
from benchmarks.market_facts import DAY, HOUR, returns
from feeds import synthetic
from feeds.bars import Bars
from feeds.costs import Costs
from feeds.errors import BadBarsError, BadSymbolError
from feeds.quality import inspect_rows
from feeds.synthetic import synthetic_bars
from feeds.timeframe import Timeframe
from tests.test_layout import ROOT

FIVE_MINUTES = Timeframe.parse("5m")
each_market = pytest.mark.parametrize(
    ("symbol", "seed"), [("BTC/USDT", 1), ("ETH/USDT", 2), ("DOGE/USDT", 3), ("ETH/BTC", 4)]
)


@cache
def market(symbol: str = "BTC/USDT", seed: int = 1) -> Bars:
    return synthetic_bars(symbol, FIVE_MINUTES, days=250, seed=seed)


@given(
    symbol=st.sampled_from(["BTC/USDT", "PEPE/USDT", "BTC/EUR", "ETH/BTC", "NEW/USD"]),
    timeframe=st.sampled_from(["1m", "5m", "1h", "4h", "1d"]),
    days=st.integers(1, 12),
    seed=st.integers(0, 2**40),
)
@settings(max_examples=30)
def test_every_simulated_market_is_sound(symbol: str, timeframe: str, days: int, seed: int) -> None:
    frame = Timeframe.parse(timeframe)
    bars = synthetic_bars(symbol, frame, days=days, seed=seed)
    rows = bars.frame().assign(timestamp=bars.time)
    assert inspect_rows(rows, frame) == ()
    assert bars.synthetic
    assert len(bars) == days * 86_400_000 // frame.ms
    assert len(list(bars.segments())) == 1
    assert (bars.volume > 0).all()


def test_the_same_seed_gives_the_same_bars() -> None:
    again = synthetic_bars("BTC/USDT", FIVE_MINUTES, days=250, seed=1)
    assert again.digest() == market().digest()


def test_the_bars_of_a_seed_do_not_change_from_one_version_to_the_next() -> None:
    bars = synthetic_bars("BTC/USDT", FIVE_MINUTES, days=1, seed=7)
    assert bars.close[[0, 1, 2, -1]].tolist() == [30006.2, 29990.7, 30001.3, 29245.1]
    assert bars.volume[[0, -1]].tolist() == [74.38153, 37.80668]


def test_more_days_go_on_where_fewer_days_stop() -> None:
    short, long = (synthetic_bars("BTC/USDT", FIVE_MINUTES, days=d, seed=5) for d in (3, 9))
    assert long[: len(short)].digest() == short.digest()


@pytest.mark.parametrize("other", [("ETH/USDT", 1), ("BTC/USDC", 1), ("BTC/USDT", 2)])
def test_another_symbol_or_seed_has_nothing_to_do_with_this_one(other: tuple[str, int]) -> None:
    here, there = (returns(bars).rank() for bars in (market(), market(*other)))
    assert abs(here.corr(there)) < 0.015


def test_the_spelling_of_a_symbol_does_not_matter() -> None:
    assert synthetic_bars("btc-usdt", FIVE_MINUTES, days=1, seed=1).symbol == "BTC/USDT"
    assert synthetic_bars("btc-usdt", FIVE_MINUTES, days=250, seed=1).digest() == market().digest()


@each_market
def test_returns_have_fat_tails(symbol: str, seed: int) -> None:
    assert market_facts.excess_kurtosis(market(symbol, seed)) > 5


@each_market
def test_volatility_comes_in_clusters(symbol: str, seed: int) -> None:
    bars = market(symbol, seed)
    assert market_facts.size_memory(bars) > 0.15
    assert market_facts.size_memory(bars, HOUR) > 0.12
    assert market_facts.size_memory(bars, DAY) > 0.03


@each_market
def test_the_direction_does_not_come_in_clusters(symbol: str, seed: int) -> None:
    signs = np.sign(returns(market(symbol, seed)))
    assert all(abs(signs.autocorr(lag)) < 0.02 for lag in (1, 2, 3, 6, 12, 48))


@each_market
def test_hours_and_weekends_differ(symbol: str, seed: int) -> None:
    bars = market(symbol, seed)
    opened = pd.DatetimeIndex(bars.time)
    size = returns(bars).abs()
    by_hour = size.groupby(opened.hour).mean()
    by_day = size.groupby(opened.day_of_week).mean()
    assert by_hour[14] > 1.4 * by_hour[4]
    assert by_day[:5].min() > 1.1 * by_day[5:].max()
    volume = pd.Series(bars.volume).groupby(opened.hour).mean()
    assert volume[14] > 1.3 * volume[4]


@each_market
def test_volume_remembers_and_rises_with_the_move(symbol: str, seed: int) -> None:
    bars = market(symbol, seed)
    assert market_facts.volume_memory(bars) > 0.6
    assert market_facts.volume_and_size(bars) > 0.3


@each_market
def test_highs_and_lows_are_those_of_a_walk(symbol: str, seed: int) -> None:
    reach = market_facts.reach(market(symbol, seed))
    assert 1.7 < reach < 2.0  # 2 for a path without steps


@each_market
def test_yearly_volatility_is_plausible(symbol: str, seed: int) -> None:
    assert 0.4 < market_facts.yearly_volatility(market(symbol, seed)) < 1.3


@each_market
def test_an_oversold_market_is_neither_rare_nor_common(symbol: str, seed: int) -> None:
    assert 0.04 < market_facts.oversold(market(symbol, seed)) < 0.10


@pytest.mark.slow
def test_the_document_tells_the_facts_of_the_simulated_market() -> None:
    page = (ROOT / "docs" / "synthetic-market.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| (.+?) \| (-?[\d.e-]+) \| -?[\d.e-]+ \|$", page, re.MULTILINE))
    found = market_facts.simulated()
    assert {name: float(text) for name, text in told.items()} == pytest.approx(found, rel=0.05)


def test_prices_start_near_a_plausible_level() -> None:
    assert market().open[0] == pytest.approx(30_000, rel=0.01)
    assert market("ETH/BTC", 4).open[0] == pytest.approx(2 / 30, rel=0.01)


def test_prices_lie_on_a_tick() -> None:
    bars = market()
    for price in (bars.open, bars.high, bars.low, bars.close):
        np.testing.assert_array_equal(price, np.round(price, 1))


def test_who_is_told_where_trends_begin_does_not_earn_a_round_trip() -> None:
    regime, drift = synthetic._regimes(400_000, 5 / 60, np.random.default_rng(0))
    assert set(np.unique(regime)) == {0, 1, 2}
    assert abs(drift.mean()) < 0.1 * drift.max()
    falls = np.flatnonzero((regime[1:] == 2) & (regime[:-1] != 2)) + 1
    held = np.split(drift, falls)
    earned = np.mean([rows.clip(min=0).sum() for rows in held if (rows > 0).any()])
    costs = Costs()
    round_trip = 2 * costs.fee + costs.market_penalty  # an entry at market, a target as a limit
    assert earned == pytest.approx(4 / 3 * synthetic._WHOLE_TREND, rel=0.1)
    assert earned < round_trip


def test_neither_followers_nor_faders_of_the_last_hours_earn_a_round_trip() -> None:
    gains = []
    for seed in range(8):
        price = np.log(market("BTC/USDT", seed).close[::48])  # every four hours
        move = np.diff(price)
        gains.append(np.sign(move[:-1]) * move[1:])
    mean = float(np.concatenate(gains).mean())
    assert abs(mean) < 2 * Costs().fee


@pytest.mark.parametrize(
    ("days", "seed", "start", "timeframe", "message"),
    [
        (0, 0, "2022-01-01", "5m", "1 to 3650 days, found 0"),
        (3651, 0, "2022-01-01", "5m", "1 to 3650 days, found 3651"),
        (1, -1, "2022-01-01", "5m", "0 or more, found -1"),
        (1, 0, "soon", "5m", "start: a moment must be like 2024-01-31 .*, found 'soon'"),
        (1, 0, "now", "5m", "start: a moment must be like 2024-01-31 .*, found 'now'"),
        (1, 0, "", "5m", "start: a moment must be like 2024-01-31 .*, found ''"),
        (1, 0, "2022-01-01", "2d", "1 days hold no bar of 2d"),
    ],
)
def test_a_market_that_cannot_be_is_refused(
    days: int, seed: int, start: str, timeframe: str, message: str
) -> None:
    with pytest.raises(BadBarsError, match=message):
        synthetic_bars("BTC/USDT", Timeframe.parse(timeframe), days=days, seed=seed, start=start)


def test_a_symbol_that_is_none_is_refused() -> None:
    with pytest.raises(BadSymbolError):
        synthetic_bars("BTC", FIVE_MINUTES, days=1, seed=0)


@pytest.mark.parametrize(
    "start", ["2024-03-01T10:07", "2024-03-01T10:07:30Z", "2024-03-01T12:05+02:00"]
)
def test_the_first_bar_opens_on_the_grid_at_or_before_the_start(start: str) -> None:
    bars = synthetic_bars("BTC/USDT", FIVE_MINUTES, days=1, seed=0, start=start)
    assert bars.time[0] == np.datetime64("2024-03-01T10:05")
