"""Intervals of a run's figures: the figures are its metrics, the days those of a comparison."""

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from engine.equity import EquityCurve
from engine.metrics import daily_returns, max_drawdown, sharpe, total_return
from engine.statistics.account_days import AccountDays
from engine.statistics.blocks import drawn_days
from engine.statistics.drawdown_range import FEWEST_DAYS, deepest_falls
from engine.statistics.figures import FigureIntervals, figure_intervals
from engine.statistics.intervals import Interval, TradeReturns, calendar, joint_intervals
from feeds.bars import FloatArray

CASH = 1000.0
FIRST = np.datetime64("2024-01-01", "ms")
HOUR = np.timedelta64(3_600_000, "ms")
DAY = 24 * HOUR
NO_TRADES = TradeReturns(np.array([], "datetime64[ms]"), np.array([]))
OF_ACCOUNT = ("total_return", "sharpe", "max_drawdown")
OF_TRADES = ("expectancy", "win_rate", "profit_factor")


def account(returns: FloatArray, *, step: np.timedelta64 = HOUR, skip: int = 0) -> EquityCurve:
    """Return an account that makes these returns, a bar each; the first opens `skip` bars late."""
    equity = np.asarray(CASH * np.cumprod(1.0 + returns), np.float64)
    time = FIRST + (np.arange(len(returns)) + 1 + skip) * step
    return EquityCurve(time, equity, equity, np.zeros(len(equity)))


def some_account(days: int, seed: int, *, mean: float = 0.0) -> EquityCurve:
    rng = np.random.default_rng(seed)
    return account(mean / 24 + 0.004 * rng.standard_t(4, days * 24))


def some_trades(curve: EquityCurve, seed: int, count: int = 150) -> TradeReturns:
    rng = np.random.default_rng(seed)
    return TradeReturns(rng.choice(curve.time, count), 0.01 * rng.standard_t(4, count))


def found_for(
    curve: EquityCurve, trades: TradeReturns = NO_TRADES, **how: float
) -> FigureIntervals:
    given_or = {"seed": 1, "draws": 300, **how}
    return figure_intervals(trades, curve, CASH, **given_or)  # type: ignore[arg-type]  # of a test


def ends(interval: Interval) -> FloatArray:
    return np.array([interval.low, interval.value, interval.high], np.float64)


def test_the_values_are_the_metrics() -> None:
    curve = some_account(60, 1)
    found = found_for(curve)
    path = np.concatenate([[CASH], curve.equity])
    assert found.total_return.value == total_return(path)
    assert found.sharpe.value == sharpe(daily_returns(curve.time, curve.equity, CASH))
    assert found.max_drawdown.value == max_drawdown(path)


def test_the_figures_of_trades_are_those_of_a_comparison() -> None:
    curve = some_account(100, 1)
    on, off = some_trades(curve, 1, 80), some_trades(curve, 2, 200)
    compared = joint_intervals(
        {"on": [on], "off": [off]}, [], first=curve.time[0], last=curve.time[-1], seed=5, draws=300
    )
    for name, trades in (("on", on), ("off", off)):
        found = found_for(curve, trades, seed=5, block_days=compared.block_days)
        assert (found.days, found.level) == (compared.days, compared.level)
        for figure in OF_TRADES:
            same(getattr(found, figure), getattr(compared.runs[name], figure))
    # Blocks are as long as the first run asks for, so that it needs none told.
    same(found_for(curve, on, seed=5).expectancy, compared.runs["on"].expectancy)


def same(one: Interval, other: Interval) -> None:
    """Compare but for the last digit: how a sum is cut up depends on where its terms lie."""
    assert astuple(one) == pytest.approx(astuple(other), rel=1e-12)


@given(
    seed=st.integers(0, 2**32 - 1),
    bars=st.integers(1, 200),
    minutes=st.sampled_from([5, 60, 240, 1440]),
    skip=st.integers(0, 30),
)
def test_days_in_their_own_order_fall_as_the_account_did(
    seed: int, bars: int, minutes: int, skip: int
) -> None:
    """Falls within a day, over days, over days without bars, and from the cash it began with."""
    rng = np.random.default_rng(seed)
    step = np.timedelta64(minutes * 60_000, "ms")
    curve = account(rng.normal(0.0, 0.02, bars), step=step, skip=skip)
    kept = np.sort(rng.choice(bars, int(rng.integers(1, bars + 1)), replace=False))
    curve = EquityCurve(curve.time[kept], curve.equity[kept], curve.cash[kept], curve.cash[kept])
    days = calendar(curve.time[0], curve.time[-1])
    made = AccountDays.of(curve, CASH, days)
    own = np.arange(len(days))[None]
    path = np.concatenate([[CASH], curve.equity])
    assert deepest_falls(made, own)[0] == pytest.approx(max_drawdown(path), abs=1e-12)
    assert np.prod(made.growth) == pytest.approx(path[-1] / CASH)
    returns = daily_returns(curve.time, curve.equity, CASH)
    assert len(returns) - made.marked.sum() in {0, 1}  # a first close at midnight goes with its day
    if len(returns) == made.marked.sum():
        np.testing.assert_allclose(made.growth[made.marked > 0] - 1.0, returns, atol=1e-12)


def test_drawn_accounts_go_through_whole_days_in_the_drawn_order() -> None:
    """The long way round: the bars of the drawn days are put together one draw at a time."""
    curve = some_account(20, 3)
    days = calendar(curve.time[0], curve.time[-1])
    drawn = drawn_days(len(days), 2.0, seed=1, draws=30)
    steps = np.diff(np.concatenate([[0.0], np.log(curve.equity / CASH)]))
    bars = [*steps.reshape(20, 24), np.array([])]  # nothing is marked on the day after the last
    expected = [
        max_drawdown(np.exp(np.cumsum(np.concatenate([[0.0], *(bars[day] for day in row)]))))
        for row in drawn
    ]
    falls = deepest_falls(AccountDays.of(curve, CASH, days), drawn)
    np.testing.assert_allclose(falls, expected, atol=1e-12)


def test_the_sharpe_ratio_reaches_as_far_as_the_studentised_draws_say() -> None:
    curve = some_account(40, 4)
    found = found_for(curve)
    returns = daily_returns(curve.time, curve.equity, CASH)
    drawn = drawn_days(41, found.block_days, seed=1, draws=300)

    def studentised(sample: FloatArray) -> tuple[float, float]:
        """Return the ratio and its standard error, from what each day adds to it."""
        z = (sample - sample.mean()) / sample.std()
        ratio = sample.mean() / sample.std(ddof=1)
        return ratio, np.sqrt(np.sum((z - ratio / 2 * (z**2 - 1)) ** 2)) / len(sample)

    ratio, error = studentised(returns)
    draws = [studentised(returns[row[row < 40]]) for row in drawn]
    reach = np.quantile([abs(r - ratio) / e for r, e in draws], 0.95, method="higher") * error
    year = np.sqrt(365.0)
    assert ends(found.sharpe) == pytest.approx(
        np.array([ratio - reach, ratio, ratio + reach]) * year
    )


def test_growth_is_that_of_the_mean_day_over_as_many_days() -> None:
    """Less cash to begin with, or another order of the days, changes nothing of it."""
    curve = some_account(50, 5, mean=0.002)
    low, value, high = np.log1p(ends(found_for(curve).total_return))
    assert value - low == pytest.approx(high - value)
    daily = np.log1p(daily_returns(curve.time, curve.equity, CASH))
    assert high - low == pytest.approx(2 * 2.1 * daily.std() * np.sqrt(50), rel=0.2)


def test_one_seed_gives_the_same_and_another_nearly_the_same() -> None:
    curve = some_account(200, 6)
    one, same, other = (found_for(curve, seed=seed, draws=2000) for seed in (1, 1, 2))
    assert one == same
    assert one != other
    for name in OF_ACCOUNT:
        np.testing.assert_allclose(
            ends(getattr(other, name)), ends(getattr(one, name)), rtol=0.15, atol=0.02
        )


def test_a_measured_fall_beyond_all_drawn_ones_is_held() -> None:
    """Three months down, then three months up: in no order of days does it fall so deep."""
    wave = np.concatenate([np.full(90, -0.01), np.full(90, 0.01)])
    noise = np.random.default_rng(7).normal(0.0, 0.001, 180)
    curve = account(wave + noise, step=DAY)
    fall = found_for(curve, block_days=2.0).max_drawdown
    assert fall.value == fall.high == max_drawdown(np.concatenate([[CASH], curve.equity]))
    assert fall.low is not None
    assert fall.low < 0.4 < fall.high


@pytest.mark.parametrize(
    ("returns", "why"),
    [
        (np.zeros(24 * 30), "nothing happens"),
        (np.array([0.01, -0.02, 0.01]), "one day"),
        (np.concatenate([np.full(48, 0.001), [-1.2], np.zeros(48)]), "ruined"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_where_there_is_too_little_no_interval_is_said(returns: FloatArray, why: str) -> None:
    found = found_for(account(returns))
    for name in (*OF_ACCOUNT, *OF_TRADES):
        interval = getattr(found, name)
        assert (interval.low, interval.high) == (None, None), (why, name)
    assert found.total_return.value is not None


@pytest.mark.parametrize(("days", "said"), [(FEWEST_DAYS - 1, False), (FEWEST_DAYS, True)])
def test_of_few_days_no_other_drawdown_is_said(days: int, said: bool) -> None:
    found = found_for(some_account(days, 8))
    assert (found.max_drawdown.low is not None) is said
    assert found.total_return.low is not None


@given(seed=st.integers(0, 2**32 - 1))
def test_whatever_the_account_an_interval_holds_its_figure_or_is_not_said(seed: int) -> None:
    rng = np.random.default_rng(seed)
    bars = int(rng.integers(1, 24 * 60))
    size = 10.0 ** rng.integers(-12, 0)
    busy = rng.random(bars) < rng.choice([0.0, 0.01, 1.0])
    curve = account(np.maximum(rng.standard_t(2, bars) * size, -0.9) * busy)
    found = found_for(curve, some_trades(curve, seed, int(rng.integers(0, 40))), draws=50)
    for name in (*OF_ACCOUNT, *OF_TRADES):
        interval = getattr(found, name)
        said = [end for end in (interval.low, interval.value, interval.high) if end is not None]
        assert said == sorted(said)
        assert len(said) in {0, 1, 3}


@pytest.mark.slow
@pytest.mark.parametrize("mean", [-0.003, 0.0, 0.002])
@pytest.mark.parametrize("days", [90, 365])
def test_the_true_figures_are_covered_nearly_as_often_as_said(days: int, mean: float) -> None:
    """Accounts whose volatility comes in clusters; the truth is that of many of them."""
    seeds = 200
    worlds = [clustered(days, 10_000 + seed, mean=mean) for seed in range(600)]
    daily = np.concatenate([daily_returns(c.time, c.equity, CASH) for c in worlds])
    truth = {
        "total_return": np.expm1(days * np.log1p(daily).mean()),
        "sharpe": sharpe(daily),
        "max_drawdown": np.median(
            [max_drawdown(np.concatenate([[CASH], c.equity])) for c in worlds]
        ),
    }
    found = [found_for(clustered(days, seed, mean=mean), seed=seed) for seed in range(seeds)]
    for name, true in truth.items():
        said = [ends(getattr(each, name)) for each in found]
        covered = sum(low <= true <= high for low, _, high in said)
        assert covered >= binom.ppf(0.001, seeds, 0.90), (name, covered)


def clustered(days: int, seed: int, *, mean: float) -> EquityCurve:
    """Return an account whose days of great moves come together."""
    rng = np.random.default_rng(seed)
    log_size = np.zeros(days)
    for day in range(1, days):
        log_size[day] = 0.9 * log_size[day - 1] + 0.2 * rng.normal()
    moves = 0.003 * np.exp(log_size)[:, None] * rng.standard_t(4, (days, 24))
    return account(mean / 24 + moves.ravel())
