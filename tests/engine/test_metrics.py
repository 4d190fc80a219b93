import itertools
import math
import warnings
from typing import Any

import empyrical
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine import metrics as m
from engine.equity import EquityCurve
from engine.metrics import Metrics, compute_metrics
from feeds.bars import FloatArray
from tests.engine.run_makers import BAR, START, make_curve, make_fill, make_trade
from tests.makers import make_bars

DAY = np.timedelta64(1, "D")
INITIAL = 1000.0

seeds = st.integers(0, 2**32 - 1)
equities = arrays(np.float64, st.integers(1, 80), elements=st.floats(0.01, 1e6))
pnls = st.lists(st.floats(-50.0, 50.0), max_size=20)


def daily_walk(days: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Return daily returns and the equity at each day's end."""
    returns = np.maximum(np.random.default_rng(seed).normal(0.001, 0.03, days), -0.9)
    return returns, np.multiply(np.cumprod(1.0 + returns), INITIAL, dtype=np.float64)


def metrics_of(curve: EquityCurve, pnl: list[float] | None = None) -> Metrics:
    trades = [make_trade(p, bar=3 * i) for i, p in enumerate(pnl or [])]
    return compute_metrics(trades, curve, fills=[], initial_cash=INITIAL, markets=[])


REFERENCE = {
    "total_return": empyrical.cum_returns_final,
    "cagr": lambda r: empyrical.annual_return(r, annualization=365),
    "volatility": lambda r: empyrical.annual_volatility(r, annualization=365),
    "sharpe": lambda r: empyrical.sharpe_ratio(r, annualization=365),
    "sortino": lambda r: empyrical.sortino_ratio(r, annualization=365),
    "calmar": lambda r: empyrical.calmar_ratio(r, annualization=365),
    "max_drawdown": lambda r: -empyrical.max_drawdown(r),
}


@pytest.mark.parametrize("name", REFERENCE)
@given(days=st.integers(30, 800), seed=seeds)
def test_ratios_agree_with_an_independent_library(name: str, days: int, seed: int) -> None:
    returns, equity = daily_walk(days, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the other library divides by zero now and then
        expected = REFERENCE[name](pd.Series(returns))
    ours = metrics_of(make_curve(equity.tolist(), step=DAY)).to_dict()[name]
    assert ours == pytest.approx(expected, rel=1e-7)


@given(equity=equities, pnl=pnls)
def test_every_figure_is_finite_or_none(equity: FloatArray, pnl: list[float]) -> None:
    figures = metrics_of(make_curve(equity.tolist(), step=DAY), pnl).to_dict()
    assert [n for n, v in figures.items() if v is not None and not math.isfinite(v)] == []


@given(equity=equities, factor=st.floats(0.01, 100.0))
def test_the_size_of_the_account_changes_no_ratio(equity: FloatArray, factor: float) -> None:
    returns = m.daily_returns(make_curve(equity.tolist(), step=DAY).time, equity, INITIAL)
    curve = make_curve((equity * factor).tolist(), step=DAY)
    scaled = m.daily_returns(curve.time, curve.equity, INITIAL * factor)
    np.testing.assert_allclose(scaled, returns, rtol=1e-9, atol=1e-12)
    assert m.max_drawdown(curve.equity) == pytest.approx(m.max_drawdown(equity))


@given(equity=equities)
def test_daily_returns_compound_to_the_total_return(equity: FloatArray) -> None:
    curve = make_curve(equity.tolist(), step=np.timedelta64(7, "h"))
    returns = m.daily_returns(curve.time, curve.equity, INITIAL)
    assert np.prod(1.0 + returns) == pytest.approx(equity[-1] / INITIAL, rel=1e-6)


@given(equity=equities)
def test_the_drawdown_is_the_worst_over_all_pairs_of_moments(equity: FloatArray) -> None:
    pairs = itertools.combinations_with_replacement(equity.tolist(), 2)
    worst = max(1.0 - late / early for early, late in pairs)
    assert m.max_drawdown(equity) == pytest.approx(worst, abs=1e-12)


def test_equity_at_midnight_belongs_to_the_day_that_ends_there() -> None:
    time = np.array(["2024-01-01T12:00", "2024-01-02T00:00", "2024-01-02T12:00"], "datetime64[ms]")
    returns = m.daily_returns(time, np.array([110.0, 120.0, 60.0]), 100.0)
    np.testing.assert_allclose(returns, [0.2, -0.5])


def test_days_without_bars_return_nothing() -> None:
    time = np.array(["2024-01-01T12:00", "2024-01-04T12:00"], "datetime64[ms]")
    returns = m.daily_returns(time, np.array([110.0, 121.0]), 100.0)
    np.testing.assert_allclose(returns, [0.1, 0.0, 0.0, 0.1])


def test_a_ruined_account_returns_nothing_more() -> None:
    curve = make_curve([0.0, 0.0, 0.0], step=DAY)
    figures = metrics_of(curve)
    assert (figures.total_return, figures.cagr, figures.max_drawdown) == (-1.0, -1.0, 1.0)
    np.testing.assert_array_equal(m.daily_returns(curve.time, curve.equity, INITIAL), [-1, 0, 0])


@pytest.mark.parametrize("name", ["cagr", "volatility", "sharpe", "sortino", "calmar"])
def test_a_run_below_two_days_has_no_figures_per_year(name: str) -> None:
    assert metrics_of(make_curve([1010.0, 990.0, 1005.0])).to_dict()[name] is None


@pytest.mark.parametrize("equity", [[1000.0] * 5, [1000.0 * 1.01**day for day in range(1, 6)]])
def test_without_variance_there_is_no_sharpe(equity: list[float]) -> None:
    figures = metrics_of(make_curve(equity, step=DAY))
    assert (figures.sharpe, figures.sortino, figures.calmar) == (None, None, None)


def test_a_rate_beyond_every_float_is_none() -> None:
    assert m.cagr(1e6, 2.0) is None


@pytest.mark.parametrize(
    ("path", "days"),
    [
        ([100, 110, 120], 0.0),
        ([100, 120, 90, 110, 120, 130], 3.0),  # back at the peak after three days
        ([100, 120, 120, 90, 120], 2.0),  # from the last day at the peak
        ([100, 120, 90, 110], 2.0),  # never back: to the end
        ([100, 99, 98, 97, 100, 50, 100], 2.0),  # the deepest, not the longest
    ],
)
def test_the_length_of_the_deepest_drawdown(path: list[float], days: float) -> None:
    time = START + np.arange(len(path)) * DAY
    assert m.max_drawdown_days(time, np.array(path, np.float64)) == days


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("win_rate", 0.5),
        ("profit_factor", 6.0 / 4.0),
        ("expectancy", 0.02 / 4),
        ("expectancy_quote", 0.5),
        ("average_win", 0.03),
        ("average_loss", -0.02),
        ("longest_losing_streak", 2),
        ("sqn", 2.0 * 0.5 / np.std([4.0, -1.0, -3.0, 2.0], ddof=1)),
    ],
)
def test_figures_of_four_trades(name: str, expected: float) -> None:
    figures = metrics_of(make_curve([INITIAL] * 20), [4.0, -1.0, -3.0, 2.0])
    assert figures.to_dict()[name] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("pnl", "undefined"),
    [
        ([], {"win_rate", "profit_factor", "expectancy", "expectancy_quote", "sqn"}),
        ([1.0], {"profit_factor", "average_loss", "sqn"}),
        ([-1.0], {"average_win", "sqn"}),
        ([1.0, 1.0], {"profit_factor", "average_loss", "sqn"}),
    ],
)
def test_what_the_trades_leave_undefined_is_none(pnl: list[float], undefined: set[str]) -> None:
    figures = metrics_of(make_curve([INITIAL] * 9), pnl).to_dict()
    names = {"win_rate", "profit_factor", "expectancy", "expectancy_quote", "sqn"}
    names |= {"average_win", "average_loss"}
    wanted = undefined if pnl else names
    assert {name for name in names if figures[name] is None} == wanted


def test_a_trade_without_profit_is_not_a_win() -> None:
    figures = metrics_of(make_curve([INITIAL] * 9), [0.0, 1.0])
    assert (figures.win_rate, figures.longest_losing_streak) == (0.5, 1)


def test_exposure_counts_the_bars_from_entry_to_exit() -> None:
    trades = [
        make_trade(bar=1, held=2),  # bars 1, 2, 3
        make_trade(bar=3, held=1, symbol="ETH/USDT"),  # bars 3, 4
        make_trade(bar=9, held=0),  # entered and left within bar 9, the last
    ]
    assert m.exposure(make_curve([INITIAL] * 10), trades) == pytest.approx(0.5)


def test_exposure_counts_a_position_that_is_still_open() -> None:
    flat = make_curve([INITIAL] * 4)
    value = np.array([0.0, 1e-13, 5.0, 6.0])  # units add up to zero, but for rounding
    held = EquityCurve(flat.time, flat.equity, flat.cash, value)
    assert m.exposure(held, []) == 0.5


def test_turnover_and_fees_count_every_fill() -> None:
    fills = [make_fill(price=100.0, fee=0.1), make_fill(units=-1.0, price=150.0, fee=0.2)]
    curve = make_curve([400.0, 600.0])
    figures = compute_metrics([], curve, fills=fills, initial_cash=500.0, markets=[])
    assert figures.turnover == pytest.approx(250.0 / 500.0)
    assert figures.fees_paid == pytest.approx(0.3)


def test_buy_and_hold_is_the_mean_over_the_symbols_within_the_run() -> None:
    btc, eth = make_bars(50, seed=1), make_bars(50, seed=2, symbol="ETH/USDT")
    late = make_bars(5, seed=3, symbol="SOL/USDT", start="2025-01-01")
    time = btc.closed_at[10:40]
    expected = np.mean([bars.close[39] / bars.open[10] - 1.0 for bars in (btc, eth)])
    assert m.buy_and_hold([btc, eth, late], time) == pytest.approx(expected)
    assert m.buy_and_hold([late], time) is None


@given(seed=seeds)
def test_the_order_of_trades_given_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    trades = [make_trade(float(p), bar=2 * i) for i, p in enumerate(rng.normal(size=8))]
    shuffled = [trades[i] for i in rng.permutation(8)]
    curve = make_curve([INITIAL] * 20)
    given_: dict[str, Any] = {"fills": [], "initial_cash": INITIAL, "markets": []}
    one = compute_metrics(trades, curve, **given_).to_dict()
    other = compute_metrics(shuffled, curve, **given_).to_dict()
    assert one == pytest.approx(other)


def test_the_run_starts_when_its_first_bar_opens() -> None:
    # Two days of bars, 1.21-fold: the first bar's own time counts.
    bars = int(2 * DAY / BAR)
    growth = metrics_of(make_curve(np.linspace(1000.0, 1210.0, bars).tolist())).cagr
    assert growth == pytest.approx(1.21 ** (365 / 2) - 1)
