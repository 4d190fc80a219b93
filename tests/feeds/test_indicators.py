"""Indicators agree with TA-Lib, forget as promised, and say NaN where a window is degenerate."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds import indicators
from feeds.bars import Bars, FloatArray
from feeds.indicators import BULLISH_CANDLES, CANDLE_LOOKBACK, CANDLES, RECURSIVE_LOOKBACK
from tests.makers import make_bars

Indicator: TypeAlias = Callable[[Bars], FloatArray]

WINDOWED: Mapping[str, tuple[int, Indicator]] = {
    "highest": (19, lambda b: indicators.highest(b.high, 20)),
    "lowest": (19, lambda b: indicators.lowest(b.low, 20)),
    "support": (20, lambda b: indicators.support(b.high, b.low, 20)),
    "upper": (19, lambda b: indicators.bollinger(b.close, 20, 2.0).upper),
    "lower": (19, lambda b: indicators.bollinger(b.close, 20, 2.0).lower),
    "stochastic_k": (15, lambda b: indicators.stochastic(b.high, b.low, b.close).k),
    "stochastic_d": (17, lambda b: indicators.stochastic(b.high, b.low, b.close).d),
    "place": (19, lambda b: indicators.place_in_range(b.high, b.low, b.close, 20)),
    "aroon": (25, lambda b: indicators.aroon(b.high, b.low, 25)),
}
RECURSIVE: Mapping[str, Indicator] = {
    "rsi": lambda b: indicators.rsi(b.close, 14),
    "atr": lambda b: indicators.atr(b.high, b.low, b.close, 14),
    "ema": lambda b: indicators.ema(b.close, 21),
    "macd_line": lambda b: indicators.macd(b.close).line,
    "macd_signal": lambda b: indicators.macd(b.close).signal,
    "macd_histogram": lambda b: indicators.macd(b.close).histogram,
}
EVERY: Mapping[str, Indicator] = {**{k: f for k, (_, f) in WINDOWED.items()}, **RECURSIVE}
# Over a still market these have no answer; an average and an extreme still do.
WITHOUT_ANSWER = tuple(name for name in EVERY if name not in ("highest", "lowest", "ema"))


def pattern(bars: Bars, name: str) -> FloatArray:
    found = indicators.candle(name, bars.open, bars.high, bars.low, bars.close)
    return found.astype(np.float64)


def in_ticks(bars: Bars, tick: float) -> Bars:
    prices = ("open", "high", "low", "close")
    return replace(bars, **{p: np.round(getattr(bars, p) / tick) * tick for p in prices})


def still(price: float, n: int = 200) -> Bars:
    """Return a market that moves once and then stands still at `price` for 100 bars."""
    bars = make_bars(n)
    factor = price / bars.close[n - 100]
    prices = {}
    for name in ("open", "high", "low", "close"):
        prices[name] = getattr(bars, name) * factor
        prices[name][n - 100 :] = price
    return replace(bars, **prices)


# --- the same numbers as TA-Lib ---------------------------------------------------------------


def test_bollinger_bands_are_talibs() -> None:
    close = make_bars(500).close
    found = indicators.bollinger(close, 20, 2.0)
    np.testing.assert_allclose(found, talib.BBANDS(close, 20, 2.0, 2.0), rtol=1e-12)


def test_the_stochastic_is_talibs() -> None:
    bars = make_bars(500)
    expected = talib.STOCH(bars.high, bars.low, bars.close, 14, 3, 0, 3, 0)
    found = indicators.stochastic(bars.high, bars.low, bars.close)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours[17:], theirs[17:], atol=1e-9)


def test_rsi_atr_and_macd_are_talibs() -> None:
    bars = make_bars(500)
    prices = bars.high, bars.low, bars.close
    np.testing.assert_array_equal(indicators.rsi(bars.close, 14), talib.RSI(bars.close, 14))
    np.testing.assert_array_equal(indicators.atr(*prices, 14), talib.ATR(*prices, 14))
    np.testing.assert_array_equal(indicators.macd(bars.close), talib.MACD(bars.close))


def test_the_histogram_is_the_line_less_its_signal() -> None:
    found = indicators.macd(make_bars(500).close)
    np.testing.assert_allclose(found.histogram, found.line - found.signal, atol=1e-12)


def test_support_is_the_lowest_low_of_the_bars_before() -> None:
    low = np.array([5.0, 3.0, 4.0, 1.0, 6.0])
    found = indicators.support(low + 1.0, low, 2)
    np.testing.assert_array_equal(found, [np.nan, np.nan, 3.0, 3.0, 1.0])


# --- causal, and forgetful as promised --------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_an_indicator_does_not_change_when_later_bars_arrive(name: str) -> None:
    bars = make_bars(500)
    for cut in (1, 50, 399):
        np.testing.assert_array_equal(EVERY[name](bars[:cut]), EVERY[name](bars)[:cut])


@pytest.mark.parametrize("name", WINDOWED)
@given(seed=st.integers(0, 2**16), end=st.integers(60, 300))
@settings(max_examples=15)
def test_a_windowed_indicator_needs_its_window_to_the_last_bit(
    name: str, seed: int, end: int
) -> None:
    lookback, indicator = WINDOWED[name]
    bars = in_ticks(make_bars(300, seed=seed), 0.1)
    trailing = indicator(bars[end - 1 - lookback : end])[-1]
    np.testing.assert_array_equal(trailing, indicator(bars)[end - 1])


@pytest.mark.parametrize("name", RECURSIVE)
def test_a_recursive_indicator_forgets_its_seed(name: str) -> None:
    """Relative to the price for what is measured in prices, to 100 for the RSI."""
    bars = make_bars(2_000, seed=7)
    whole = RECURSIVE[name](bars)
    for end in range(400, 2_000, 50):
        trailing = RECURSIVE[name](bars[end - 1 - RECURSIVE_LOOKBACK : end])[-1]
        assert trailing == pytest.approx(whole[end - 1], abs=1e-8)


@pytest.mark.parametrize("name", CANDLES)
def test_a_pattern_does_not_depend_on_where_the_segment_began(name: str) -> None:
    """Coarse ticks make bodies equal to the mean of bodies; a tie must fall the same way."""
    bars = in_ticks(make_bars(1_500, seed=3, volatility=0.001), 0.1)
    whole = pattern(bars, name)
    for start in range(1, 400, 13):
        trailing = pattern(bars[start:], name)[CANDLE_LOOKBACK:]
        np.testing.assert_array_equal(trailing, whole[start + CANDLE_LOOKBACK :])


# --- degenerate windows -----------------------------------------------------------------------


@pytest.mark.parametrize("name", WITHOUT_ANSWER)
@pytest.mark.parametrize("price", [1e-8, 0.1, 60_000.1])
def test_a_still_market_has_no_answer(name: str, price: float) -> None:
    assert np.isnan(EVERY[name](still(price))[-60:]).all()


def test_a_level_needs_a_market_that_came_down_to_it() -> None:
    """Twenty bars of one price are no support, one tick above or below makes them one."""
    flat = np.full(21, 60_000.0)
    above, below = flat.copy(), flat.copy()
    above[7] += 0.01
    below[7] -= 0.01
    assert np.isnan(indicators.support(flat, flat, 20)[-1])
    assert indicators.support(above, flat, 20)[-1] == 60_000.0
    assert indicators.support(flat, below, 20)[-1] == 59_999.99


def test_a_flat_window_makes_no_level_wherever_the_bar_after_it_goes() -> None:
    high, low = np.full(21, 100.0), np.full(21, 100.0)
    high[-1], low[-1] = 101.0, 99.0
    assert np.isnan(indicators.support(high, low, 20)[-1])


def test_a_floor_that_holds_is_a_level_though_all_lows_are_equal() -> None:
    low = np.full(50, 100.0)
    found = indicators.support(make_bars(50).high + 10.0, low, 20)
    assert (found[20:] == 100.0).all()


@pytest.mark.parametrize("name", BULLISH_CANDLES)
def test_a_still_market_shows_no_bullish_pattern(name: str) -> None:
    assert not pattern(still(60_000.1), name)[-60:].any()


def test_one_tick_in_a_still_market_is_a_movement() -> None:
    bars = still(60_000.0)
    close = bars.close.copy()
    close[-1] += 0.01
    assert np.isfinite(indicators.rsi(close, 14)[-1])
    bands = indicators.bollinger(close, 20, 2.0)
    assert bands.lower[-1] < 60_000.0 < bands.upper[-1]


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("factor", [1e-14, 1e-7 / 3.0, 1e4])
def test_an_indicator_means_the_same_at_any_price(name: str, factor: float) -> None:
    """TA-Lib once took movements below 1e-14 for none; this guards the version we pin."""
    bars = make_bars(500, seed=2)
    prices = {p: getattr(bars, p) * factor for p in ("open", "high", "low", "close")}
    found, expected = EVERY[name](replace(bars, **prices)), EVERY[name](bars)
    without_unit = ("rsi", "stochastic_k", "stochastic_d", "place", "aroon")
    unit = 1.0 if name in without_unit else factor
    np.testing.assert_allclose(found / unit, expected, rtol=1e-7, atol=1e-9)


# --- shapes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("n", [0, 1, 2, 12])
def test_too_few_bars_give_nan_and_no_error(name: str, n: int) -> None:
    found = EVERY[name](make_bars(20)[:n])
    assert found.dtype == np.float64
    assert len(found) == n
    assert np.isnan(found).all()


@pytest.mark.parametrize("n", [0, 1, 2, 12])
def test_too_few_bars_show_no_pattern(n: int) -> None:
    assert not pattern(make_bars(20)[:n], "three_white_soldiers").any()


# --- candle patterns --------------------------------------------------------------------------


def test_an_engulfing_body_is_seen_and_its_side_told() -> None:
    """A small falling body, then a rising one that swallows it; and the mirror image."""
    fall, rise = (100.0, 100.5, 98.5, 99.0), (98.5, 102.0, 98.0, 101.5)
    bars = np.array([(100.0, 101.0, 99.0, 100.5)] * 12 + [fall, rise]).T
    assert indicators.candle("engulfing", *bars)[-1] == 100
    mirrored = 200.0 - bars[[0, 2, 1, 3]]
    assert indicators.candle("engulfing", *mirrored)[-1] == -100


def test_a_hammer_is_bullish_and_a_hanging_man_is_not() -> None:
    falling = [(p, p + 0.3, p - 1.3, p - 1.0) for p in np.linspace(120.0, 104.0, 14)]
    bars = np.array([*falling, (102.5, 102.9, 99.5, 102.8)]).T
    assert indicators.candle("hammer", *bars)[-1] == 100
    assert indicators.candle("hanging_man", *bars)[-1] == 0


def test_every_bullish_pattern_occurs_and_never_speaks_of_a_fall() -> None:
    bars = make_bars(100_000, seed=1)
    for name in BULLISH_CANDLES:
        found = pattern(bars, name)
        assert (found > 0).any(), name
    for name in set(BULLISH_CANDLES) - {"engulfing", "harami"}:
        assert not (pattern(bars, name) < 0).any(), name


def test_an_unknown_pattern_is_refused_by_name() -> None:
    x = np.ones(3)
    with pytest.raises(ValueError, match=r"must be one of three_white_soldiers, .* found 'hamer'"):
        indicators.candle("hamer", x, x, x, x)
