"""Intervals: days are drawn as they should be, the sums are right, what is undefined is None."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap
from hypothesis import given
from hypothesis import strategies as st

from engine.plain import plain
from engine.statistics.intervals import (
    FEWEST_BLOCKS,
    SHORTEST_BLOCK_DAYS,
    Interval,
    Intervals,
    TradeReturns,
    joint_intervals,
    pair_name,
    smallest_difference,
)
from feeds.bars import FloatArray

FIRST = np.datetime64("2024-01-01", "ms")
DAY = np.timedelta64(86_400_000, "ms")
MINUTE = np.timedelta64(60_000, "ms")
FIGURES = ("expectancy", "win_rate", "profit_factor")
NOTHING = Interval(value=None, low=None, high=None)


def trades_on(days: list[int], returns: list[float]) -> TradeReturns:
    return TradeReturns(FIRST + np.array(days, np.int64) * DAY, np.array(returns, np.float64))


def some_trades(n: int, seed: int, *, days: int = 200, mean: float = 0.0) -> TradeReturns:
    rng = np.random.default_rng(seed)
    return trades_on(
        rng.integers(0, days, n).tolist(), (mean + 0.01 * rng.standard_t(4, n)).tolist()
    )


def intervals(*, days: int = 200, draws: int = 500, seed: int = 1, **runs: Any) -> Intervals:
    """Return the intervals of the runs, and of the first less each other."""
    sets = {name: run if isinstance(run, list) else [run] for name, run in runs.items()}
    first, *others = sets
    pairs = [(first, other) for other in others]
    last = FIRST + (days - 1) * DAY
    return joint_intervals(sets, pairs, first=FIRST, last=last, seed=seed, draws=draws)


def test_values_are_the_ratios_of_the_trades() -> None:
    on = trades_on([0, 0, 3, 9], [0.02, -0.01, 0.03, -0.01])
    off = trades_on([0, 3, 4], [0.02, -0.01, -0.02])
    found = intervals(days=10, on=on, off=off)
    assert found.days == 10
    assert found.runs["on"].trades == 4
    assert found.runs["on"].expectancy.value == pytest.approx(0.03 / 4)
    assert found.runs["on"].win_rate.value == 0.5
    assert found.runs["on"].profit_factor.value == pytest.approx(2.5)
    pair = found.pair("on", "off")
    assert pair.expectancy.value == pytest.approx(0.03 / 4 + 0.01 / 3)
    assert pair.win_rate.value == pytest.approx(0.5 - 1 / 3)
    assert pair.profit_factor.value == pytest.approx(2.5 - 2 / 3)


def test_the_standard_error_is_that_of_drawing_the_trades_of_whole_days() -> None:
    """The long way round: the drawn days' trades are gathered and averaged one draw at a time."""
    on, off = some_trades(150, 1), some_trades(400, 2)
    found = intervals(on=on, off=off)
    place = [((t.decided_at - FIRST) // DAY).astype(int) for t in (on, off)]
    generator = np.random.default_rng(1)
    drawn = StationaryBootstrap(found.block_days, np.arange(200), seed=generator)
    differences = []
    for (days,), _ in drawn.bootstrap(500):
        means = [
            np.concatenate([t.returns[at == day] for day in days]).mean()
            for t, at in zip((on, off), place, strict=True)
        ]
        differences.append(means[0] - means[1])
    expected = (1.96 + 0.84) * np.std(differences, ddof=1)
    assert found.pair("on", "off").smallest_difference == pytest.approx(expected)


def test_the_interval_reaches_as_far_as_the_studentised_draws_say() -> None:
    on = some_trades(150, 1)
    found = intervals(on=on).runs["on"].expectancy
    place = ((on.decided_at - FIRST) // DAY).astype(int)
    block = intervals(on=on).block_days
    drawn = StationaryBootstrap(block, np.arange(200), seed=np.random.default_rng(1))
    every = np.arange(200)

    def studentised(days: np.ndarray) -> tuple[float, float]:
        """Return the mean return and its standard error, days being independent."""
        sums = np.array([on.returns[place == day].sum() for day in days])
        counts = np.array([(place == day).sum() for day in days])
        mean = sums.sum() / counts.sum()
        return mean, np.sqrt(((sums - mean * counts) ** 2).sum()) / counts.sum()

    mean, error = studentised(every)
    draws = [studentised(days) for (days,), _ in drawn.bootstrap(500)]
    ratios = [abs(drawn_mean - mean) / drawn_error for drawn_mean, drawn_error in draws]
    reach = np.quantile(ratios, 0.95, method="higher") * error
    assert (found.low, found.high) == pytest.approx((mean - reach, mean + reach))


def test_a_run_less_itself_is_nothing_and_has_no_interval() -> None:
    on = some_trades(100, 1)
    pair = intervals(on=on, off=on).pair("on", "off")
    assert pair.expectancy == Interval(value=0.0, low=None, high=None)
    assert pair.smallest_difference is None


def test_the_same_days_are_drawn_for_all_runs() -> None:
    """A run that earns a little more on every trade is known to be better, whatever the days."""
    off = some_trades(300, 1)
    better = TradeReturns(off.decided_at, off.returns + 0.0001)
    rng = np.random.default_rng(3)
    jittered = TradeReturns(off.decided_at, better.returns + rng.normal(0.0, 0.0001, 300))
    low = intervals(on=jittered, off=off).pair("on", "off").expectancy.low
    assert low is not None
    assert low > 0.0


def test_sets_are_pooled_as_their_mean() -> None:
    sets = [some_trades(n, seed) for seed, n in enumerate((50, 80, 110))]
    found = intervals(on=some_trades(100, 9), random_gate=sets).runs["random_gate"]
    returns = np.concatenate([each.returns for each in sets])
    assert found.trades == pytest.approx(80.0)
    assert found.expectancy.value == pytest.approx(returns.mean())
    assert found.win_rate.value == pytest.approx((returns > 0).mean())


@given(seed=st.integers(0, 2**16), factor=st.floats(0.01, 100.0))
def test_the_unit_of_returns_scales_expectancies_and_nothing_else(seed: int, factor: float) -> None:
    on = some_trades(80, seed)
    one = intervals(on=on, draws=100).runs["on"]
    other = intervals(on=TradeReturns(on.decided_at, on.returns * factor), draws=100).runs["on"]
    assert values(other.expectancy) == pytest.approx(values(one.expectancy) * factor)
    assert values(other.win_rate) == pytest.approx(values(one.win_rate))
    assert values(other.profit_factor) == pytest.approx(values(one.profit_factor))


def values(interval: Interval) -> FloatArray:
    return np.array([interval.low, interval.value, interval.high], np.float64)


def test_the_order_of_trades_does_not_matter_nor_does_a_run_beside() -> None:
    on, off = some_trades(90, 1), some_trades(200, 2)
    order = np.random.default_rng(0).permutation(90)
    shuffled = TradeReturns(on.decided_at[order], on.returns[order])
    one, other = intervals(on=on), intervals(on=shuffled, off=off)
    np.testing.assert_allclose(
        values(one.runs["on"].expectancy), values(other.runs["on"].expectancy)
    )


def test_the_same_seed_gives_the_same_and_another_nearly_the_same() -> None:
    on = some_trades(300, 1)
    one, same, other = (intervals(on=on, seed=s, draws=2000).runs["on"] for s in (1, 1, 2))
    assert one == same
    assert one != other
    np.testing.assert_allclose(values(other.expectancy), values(one.expectancy), atol=2e-4)


def test_a_profit_factor_is_as_often_halved_as_doubled() -> None:
    factor = intervals(on=some_trades(200, 1)).runs["on"].profit_factor
    low, value, high = values(factor)
    assert low > 0.0
    assert value / low == pytest.approx(high / value)


@pytest.mark.parametrize(
    ("run", "trades"),
    [
        pytest.param(trades_on([], []), 0.0, id="no trades"),
        pytest.param([], 0.0, id="no sets"),
        pytest.param([trades_on([], []), trades_on([], [])], 0.0, id="empty sets"),
    ],
)
def test_a_run_without_trades_has_no_figures(run: Any, trades: float) -> None:
    found = intervals(off=some_trades(100, 1), on=run)
    assert found.runs["on"].trades == trades
    for name in FIGURES:
        assert getattr(found.runs["on"], name) == NOTHING
        assert getattr(found.pair("off", "on"), name) == NOTHING
    assert found.pair("off", "on").smallest_difference is None
    assert found.runs["off"].expectancy.low is not None


def test_nothing_at_all_has_no_figures() -> None:
    found = intervals(on=trades_on([], []), off=trades_on([], []))
    assert found.runs["on"].expectancy == NOTHING
    assert found.block_days == SHORTEST_BLOCK_DAYS


def test_one_day_has_values_without_intervals() -> None:
    found = intervals(days=1, on=trades_on([0, 0, 0], [0.01, -0.02, 0.03]))
    for name in FIGURES:
        interval = getattr(found.runs["on"], name)
        assert interval.value is not None
        assert (interval.low, interval.high) == (None, None)


def test_where_a_draw_can_miss_all_trades_there_is_no_interval() -> None:
    """Two days with trades among a hundred: now and then neither is drawn."""
    found = intervals(days=100, on=trades_on([3, 50], [0.01, -0.02]))
    expectancy = found.runs["on"].expectancy
    assert expectancy.value == pytest.approx(-0.005)
    assert (expectancy.low, expectancy.high) == (None, None)


@pytest.mark.parametrize(
    ("returns", "factor"),
    [
        pytest.param([0.01] * 50, None, id="no loss"),
        pytest.param([-0.01] * 50, 0.0, id="no profit"),
        pytest.param([0.0] * 50, None, id="neither"),
    ],
)
def test_without_losses_or_profits_there_is_no_interval_of_the_factor(
    returns: list[float], factor: float | None
) -> None:
    found = intervals(on=trades_on(list(range(0, 200, 4)), returns)).runs["on"]
    assert found.profit_factor == Interval(value=factor, low=None, high=None)
    assert found.expectancy.value == pytest.approx(returns[0])
    assert found.win_rate == Interval(value=float(returns[0] > 0), low=None, high=None)


def test_a_day_begins_at_midnight_and_the_last_moment_is_within() -> None:
    edges = FIRST + np.array([0, 1439, 1440, 2879]) * MINUTE
    run = [TradeReturns(edges, np.array([0.01, -0.01, 0.02, 0.01]))]
    found = joint_intervals({"on": run}, [], first=FIRST, last=edges[-1], seed=0, draws=10)
    assert (found.days, found.runs["on"].trades) == (2, 4)


@pytest.mark.parametrize("day", [-1, 200])
def test_trades_outside_the_days_are_refused(day: int) -> None:
    with pytest.raises(ValueError, match="from 2024-01-01 to 2024-07-18, found"):
        intervals(on=trades_on([day, 5], [0.01, 0.01]))


def test_trades_need_a_moment_and_a_return_each() -> None:
    with pytest.raises(ValueError, match=r"found \(1,\) moments and \(2,\) returns"):
        TradeReturns(np.array([FIRST]), np.array([0.1, 0.2]))


def test_blocks_grow_with_what_hangs_together_and_stay_many() -> None:
    """Returns that follow a slow wave ask for long blocks; independent ones for the shortest."""
    days = list(range(400))
    wave = np.sin(np.arange(400) / 15.0) * 0.01
    noise = np.random.default_rng(0).normal(0.0, 0.001, 400)
    long = intervals(days=400, on=trades_on(days, (wave + noise).tolist()))
    short = intervals(days=400, on=trades_on(days, noise.tolist()))
    assert long.block_days == 400 / FEWEST_BLOCKS
    assert SHORTEST_BLOCK_DAYS <= short.block_days < 5.0
    one, other = (values(i.runs["on"].expectancy) for i in (long, short))
    assert np.ptp(one) > np.ptp(other)


@pytest.mark.parametrize("days", [1, 2, 9, 11, 12, 40])
def test_short_runs_are_drawn_without_complaint(days: int) -> None:
    on = some_trades(60, 1, days=days)
    assert intervals(days=days, on=on).days == days


def test_intervals_are_made_of_what_json_knows() -> None:
    found = intervals(on=some_trades(50, 1), off=some_trades(50, 2))
    text = json.dumps(asdict(found), allow_nan=False)
    assert json.loads(text) == plain(asdict(found))
    assert list(json.loads(text)["pairs"]) == [pair_name("on", "off")]


def test_the_smallest_difference_is_found_in_four_of_five_samples() -> None:
    """A difference of that size, measured with normal error, is so often 1.96 errors above 0."""
    error = 0.003
    rng = np.random.default_rng(0)
    measured = smallest_difference(error) + rng.normal(0.0, error, 200_000)
    assert np.mean(measured > 1.96 * error) == pytest.approx(0.80, abs=0.005)


@given(seed=st.integers(0, 2**32 - 1))
def test_whatever_the_trades_an_interval_holds_its_figure_or_is_not_said(seed: int) -> None:
    """Few days, trades on the first ones only, returns of one value or of any size."""
    rng = np.random.default_rng(seed)
    days = int(rng.integers(1, 120))

    def drawn() -> TradeReturns:
        count = int(rng.choice([0, 1, 2, 5, 30, 100]))
        at = rng.integers(0, max(1, int(days * rng.random())), count).tolist()
        alike = rng.choice([0.0, 0.01, -0.01, 1e-13, -1.0, 5.0], count)
        wild = rng.standard_t(2, count) * 10.0 ** rng.integers(-12, 1)
        return trades_on(at, (alike if rng.random() < 0.4 else wild).tolist())

    found = intervals(days=days, draws=50, on=drawn(), off=[drawn() for _ in range(3)])
    for figures in (*found.runs.values(), found.pair("on", "off")):
        for name in FIGURES:
            interval = getattr(figures, name)
            said = [end for end in (interval.low, interval.value, interval.high) if end is not None]
            assert said == sorted(said)
            assert len(said) in {0, 1, 3}
