"""Areas and shares with intervals, where rows of the same days share their fate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from engine.statistics.clustered import (
    FEWEST_DAYS,
    Rows,
    area,
    area_interval,
    difference_interval,
    share_interval,
)
from feeds.bars import BoolArray, FloatArray, IntArray

DAY = np.timedelta64(1, "D")


def rows_of(came: BoolArray, day: IntArray, weight: FloatArray | None = None) -> Rows:
    return Rows.of(came, (np.datetime64("2024-01-01") + day * DAY).astype("datetime64[ms]"), weight)


def world(
    rng: np.random.Generator, *, days: int, skill: float, alike: float
) -> tuple[Rows, FloatArray]:
    """Return rows and what was said of them; days differ by `alike` in score and outcome."""
    count = rng.poisson(20.0 * np.exp(rng.normal(-0.3, 0.8, days)))
    day = np.repeat(np.arange(days), count)
    of_day = alike * rng.normal(size=(2, days))
    said = rng.normal(size=len(day)) + of_day[0, day]
    odds = -1.0 + skill * said + of_day[1, day]
    return rows_of(rng.random(len(day)) < 1.0 / (1.0 + np.exp(-odds)), day), said


@given(st.integers(0, 2**16), st.booleans(), st.integers(2, 40))
def test_an_area_is_that_of_scikit_learn_with_ties_and_weights(
    seed: int, weighted: bool, distinct: int
) -> None:
    rng = np.random.default_rng(seed)
    came = rng.random(80) < 0.4
    came[:2] = True, False
    said = rng.integers(0, distinct, 80) / distinct
    weight = rng.random(80) + 0.01 if weighted else None
    found = area(rows_of(came, np.arange(80), weight), said)
    assert found is not None
    assert found.value == pytest.approx(roc_auc_score(came, said, sample_weight=weight), abs=1e-12)
    assert found.adds.sum() == pytest.approx(0.0, abs=1e-12)


def test_rows_of_a_single_outcome_have_no_area() -> None:
    nothing = rows_of(np.zeros(0, np.bool_), np.zeros(0, np.int64))
    assert area(nothing, np.zeros(0)) is None
    assert share_interval(nothing).value is None
    assert area(rows_of(np.ones(5, np.bool_), np.arange(5)), np.arange(5.0)) is None


def test_few_days_say_no_interval() -> None:
    came, said = np.arange(100) % 2 == 0, np.arange(100.0)
    few = rows_of(came, np.arange(100) % (FEWEST_DAYS - 1))
    found = area(few, said)
    assert found is not None
    assert area_interval(few, found).low is None
    enough = rows_of(came, np.arange(100) % FEWEST_DAYS)
    assert area_interval(enough, found).low is not None


def test_intervals_cover_the_truth_where_rows_of_a_day_are_alike() -> None:
    """Rows taken as independent would miss it in every fifth sample."""
    whole, said = world(np.random.default_rng(9), days=20_000, skill=0.3, alike=0.7)
    truth, share = roc_auc_score(whole.came, said), whole.came.mean()
    held, held_share, naive = [], [], []
    for seed in range(300):
        rows, said = world(np.random.default_rng(seed), days=60, skill=0.3, alike=0.7)
        found = area(rows, said)
        assert found is not None
        interval, shared = area_interval(rows, found), share_interval(rows)
        assert interval.low is not None
        assert interval.high is not None
        assert shared.low is not None
        assert shared.high is not None
        held.append(interval.low <= truth <= interval.high)
        held_share.append(shared.low <= share <= shared.high)
        alone = 1.96 * np.sqrt(np.sum(found.adds**2))
        naive.append(abs(found.value - truth) <= alone)
    assert 0.91 <= np.mean(held) <= 0.985
    assert 0.91 <= np.mean(held_share) <= 0.985
    assert np.mean(naive) < 0.87


def test_the_difference_of_two_areas_is_surer_than_either() -> None:
    rng = np.random.default_rng(3)
    rows, said = world(rng, days=90, skill=0.5, alike=0.7)
    worse = said + rng.normal(0.0, 0.3, len(said))
    one, other = area(rows, said), area(rows, worse)
    assert one is not None
    assert other is not None
    alone, both = area_interval(rows, one), difference_interval(rows, one, other)
    assert both.value == pytest.approx(one.value - other.value)
    assert alone.high is not None
    assert alone.low is not None
    assert both.high is not None
    assert both.low is not None
    assert both.high - both.low < 0.5 * (alone.high - alone.low)


def test_a_share_of_days_that_all_came_alike_is_as_sure_as_so_many_days() -> None:
    """A hundred rows of one bad day are one bad day."""
    never = np.zeros(100, np.bool_)
    one, many = rows_of(never, np.zeros(100, np.int64)), rows_of(never, np.arange(100))
    found, sure = share_interval(one), share_interval(many)
    assert (found.value, sure.value) == (0.0, 0.0)
    assert found.high is not None
    assert found.high > 0.7
    assert sure.high is not None
    assert sure.high < 0.06


def test_a_share_goes_by_weight() -> None:
    rows = rows_of(np.array([True, False]), np.array([0, 1]), np.array([3.0, 1.0]))
    assert share_interval(rows).value == 0.75
