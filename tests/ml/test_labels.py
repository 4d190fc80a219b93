"""Labels: planted examples by hand, and causality over random markets."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.bars import Bars
from feeds.costs import Costs
from feeds.errors import BadBarsError
from feeds.exits import ExitFractions
from ml.labels import Labels, barrier_labels, horizon_labels
from tests.makers import Candle, candles, make_bars, scaled, with_hole

FREE = Costs(fee=0.0, half_spread=0.0, slippage=0.0, range_slippage=0.0)
Labeller = Callable[[Bars], Labels]


def minutes(*rows: Candle, filled: tuple[int, ...] = ()) -> Bars:
    """Return bars of one minute."""
    return candles(rows, filled=filled, timeframe="1m")


def barrier(
    bars: Bars,
    away: ExitFractions | None = None,
    *,
    max_bars: int = 3,
    costs: Costs = FREE,
    tick: float = 0.0,
) -> Labels:
    """Return barrier labels; 1 % to stop and target if nothing else is said."""
    return barrier_labels(
        bars, away or ExitFractions(0.01, 0.01), max_bars=max_bars, costs=costs, tick=tick
    )


FLAT = (100.0, 100.0, 100.0, 100.0)
BOTH: list[Labeller] = [
    lambda bars: horizon_labels(bars, lookahead=3, profit_threshold=0.002),
    lambda bars: barrier_labels(
        bars, ExitFractions(stop=0.003, target=0.002, trail=0.002), max_bars=6, costs=Costs()
    ),
]
both = pytest.mark.parametrize("labeller", BOTH, ids=["horizon", "barrier"])


def test_a_high_that_reaches_the_threshold_inside_the_window_is_a_one() -> None:
    bars = minutes(FLAT, FLAT, (100.0, 100.5, 100.0, 100.0), FLAT, FLAT)
    labels = horizon_labels(bars, lookahead=2, profit_threshold=0.005)
    assert labels.value.tolist() == [1, 1, 0, 0, 0]
    assert labels.valid.tolist() == [True, True, True, False, False]
    assert labels.entry.tolist() == [1, 2, 3, 4, -1]
    assert labels.known_at[0] == np.datetime64("2024-01-01T00:03")
    assert np.isnat(labels.known_at[3:]).all()


def test_the_threshold_is_counted_from_the_open_of_the_entry_bar() -> None:
    bars = minutes(FLAT, (101.0, 101.4, 101.0, 101.0), FLAT)
    assert horizon_labels(bars, lookahead=1, profit_threshold=0.005).value.tolist() == [0, 0, 0]
    assert horizon_labels(bars, lookahead=1, profit_threshold=0.003).value.tolist() == [1, 0, 0]


def test_a_high_exactly_at_the_threshold_reaches_it_at_any_price() -> None:
    for price in np.random.default_rng(0).uniform(0.001, 70_000, 300):
        high = price * (1 + 0.005)
        bars = minutes((price,) * 4, (price, high, price, price))
        assert horizon_labels(bars, lookahead=1, profit_threshold=0.005).value[0] == 1


def test_a_filled_bar_decides_nothing_and_is_no_entry() -> None:
    bars = minutes(FLAT, FLAT, FLAT, FLAT, FLAT, filled=(1,))
    for labels in (horizon_labels(bars, lookahead=1), barrier(bars, max_bars=1)):
        assert labels.valid.tolist()[:3] == [True, False, True]
        assert labels.entry.tolist()[:3] == [2, -1, 3]


@both
def test_no_label_reaches_across_a_hole(labeller: Labeller) -> None:
    bars = with_hole(make_bars(60, seed=3, timeframe="1m"), at=30, missing=10)
    labels, before = labeller(bars), labeller(bars[:30])
    np.testing.assert_array_equal(labels.valid[:30], before.valid)
    np.testing.assert_array_equal(labels.value[:30], before.value)
    assert not labels.valid[29]


@pytest.mark.parametrize(
    ("second", "value", "known"),
    [
        ((100.0, 101.0, 100.0, 100.5), 1, 2),  # the target, on the entry bar
        ((100.0, 100.0, 99.0, 99.5), 0, 2),  # the stop, on the entry bar
        ((100.0, 101.0, 99.0, 100.0), 0, 2),  # both: the stop comes first
        (FLAT, 0, 4),  # neither: the time limit, at no profit
    ],
)
def test_the_exit_decides_the_label_and_when_it_is_known(
    second: tuple[float, float, float, float], value: int, known: int
) -> None:
    labels = barrier(minutes(FLAT, second, FLAT, FLAT, FLAT), max_bars=2)
    assert labels.valid[0]
    assert labels.value[0] == value
    assert labels.known_at[0] == np.datetime64("2024-01-01T00:00") + np.timedelta64(known, "m")


def test_a_time_limit_in_profit_is_a_one_unless_costs_eat_it() -> None:
    rise = (100.2, 100.2, 100.2, 100.2)
    bars = minutes(FLAT, FLAT, rise, rise)
    assert barrier(bars, max_bars=1).value[0] == 1
    assert barrier(bars, max_bars=1, costs=Costs()).value[0] == 0


def test_both_fees_and_the_entry_costs_count_against_a_target() -> None:
    # Bought at 100.02, the target 0.2 % above: 100.22004. Two fees of 0.1 % take 0.20024.
    costs = Costs(fee=0.001, half_spread=0.0001, slippage=0.0001, range_slippage=0.0)
    bars = minutes(FLAT, (100.0, 101.0, 100.0, 100.0), FLAT)
    assert barrier(bars, ExitFractions(0.01, 0.0020), costs=costs).value[0] == 0
    assert barrier(bars, ExitFractions(0.01, 0.0021), costs=costs).value[0] == 1


def test_targets_are_aimed_from_the_fill_not_from_the_open() -> None:
    costs = Costs(fee=0.0, half_spread=0.005, slippage=0.005, range_slippage=0.0)
    bars = minutes(FLAT, (100.0, 101.5, 100.0, 100.0), FLAT, FLAT)
    labels = barrier(bars, costs=costs, max_bars=1)  # filled at 101, target 102.01: not touched
    assert labels.value[0] == 0
    assert labels.known_at[0] == np.datetime64("2024-01-01T00:03")


def test_barriers_can_differ_from_bar_to_bar_and_nan_decides_nothing() -> None:
    bars = minutes(*[FLAT, (100.0, 100.6, 100.0, 100.0)] * 3, FLAT)
    widths = np.array([0.005, 0.005, 0.01, 0.005, np.nan, 0.005, 0.005])
    labels = barrier(bars, ExitFractions(0.01, widths), max_bars=1)
    assert labels.value.tolist()[:5] == [1, 0, 0, 0, 0]
    assert labels.valid.tolist()[:5] == [True, True, True, True, False]


def test_a_trailing_stop_can_end_in_profit() -> None:
    bars = minutes(FLAT, (100.0, 103.0, 100.0, 103.0), (103.0, 103.0, 101.0, 101.0), FLAT)
    labels = barrier(bars, ExitFractions(0.01, 0.1, trail=0.01))
    assert labels.value[0] == 1
    assert labels.known_at[0] == np.datetime64("2024-01-01T00:03")


@both
def test_too_few_bars_have_no_label(labeller: Labeller) -> None:
    for n in range(3):
        assert not labeller(make_bars(5)[:n]).valid.any()


def test_columns_of_labels_are_equally_long() -> None:
    labels = horizon_labels(make_bars(20))
    with pytest.raises(BadBarsError, match="equally long"):
        replace(labels, value=labels.value[1:])


@both
@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**16), cut=st.integers(5, 70))
def test_a_label_is_settled_by_the_bars_known_at_its_moment(
    labeller: Labeller, seed: int, cut: int
) -> None:
    bars = make_bars(80, seed=seed)
    labels = labeller(bars)
    moment = bars.closed_at[cut - 1]
    known = labels.valid & (labels.known_at <= moment)
    early = labeller(_shaken_after(bars, cut, seed))
    np.testing.assert_array_equal(early.value[known], labels.value[known])
    np.testing.assert_array_equal(early.known_at[known], labels.known_at[known])
    assert early.valid[known].all()
    cut_off = labeller(bars.known_at(moment))
    np.testing.assert_array_equal(cut_off.valid, known[:cut])


@both
@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**16), at=st.integers(0, 60))
def test_a_label_depends_on_nothing_before_its_entry_bar(
    labeller: Labeller, seed: int, at: int
) -> None:
    bars = make_bars(80, seed=seed)
    whole, tail = labeller(bars), labeller(_halved_before(bars, int(labeller(bars).entry[at])))
    assert whole.value[at] == tail.value[at]
    assert whole.valid[at] == tail.valid[at]
    np.testing.assert_array_equal(whole.known_at[at], tail.known_at[at])


@both
@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**16))
def test_a_valid_label_is_known_after_its_entry_bar_has_closed(
    labeller: Labeller, seed: int
) -> None:
    bars = make_bars(80, seed=seed)
    labels = labeller(bars)
    entry = labels.entry[labels.valid]
    assert (labels.known_at[labels.valid] >= bars.closed_at[entry]).all()
    assert (labels.known_at[labels.valid] > bars.closed_at[labels.valid]).all()


def _shaken_after(bars: Bars, cut: int, seed: int) -> Bars:
    factor = np.exp(np.random.default_rng(seed).normal(0.0, 0.05, len(bars)))
    return scaled(bars, np.where(np.arange(len(bars)) < cut, 1.0, factor))


def _halved_before(bars: Bars, entry: int) -> Bars:
    return scaled(bars, np.where(np.arange(len(bars)) < entry, 0.5, 1.0))
