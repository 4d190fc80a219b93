"""The probability of backtest overfitting: by the steps of the paper, and where truth is known."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, rankdata

from engine.statistics.overfitting import BLOCKS, FEWEST_DAYS, overfitting
from feeds.bars import FloatArray


def by_the_paper(returns: FloatArray, blocks: int) -> tuple[float, int]:
    """Return the probability as section 3 of the paper tells it, split by split, and the splits."""
    parts = np.array_split(np.arange(returns.shape[1]), blocks)
    logits = []
    for chosen in combinations(range(blocks), blocks // 2):
        taken = np.concatenate([parts[place] for place in chosen])
        other = np.setdiff1d(np.arange(returns.shape[1]), taken)
        before, after = (
            returns[:, days].mean(axis=1) / returns[:, days].std(axis=1, ddof=1)
            for days in (taken, other)
        )
        omega = rankdata(after)[np.argmax(before)] / (len(returns) + 1)
        logits.append(math.log(omega / (1.0 - omega)))
    found = np.array(logits)
    return float(np.mean(found < -1e-12) + 0.5 * np.mean(np.abs(found) <= 1e-12)), len(found)


def noise(seed: int, trials: int, days: int) -> FloatArray:
    return np.random.default_rng(seed).normal(0.0, 0.01, (trials, days))


@given(
    seed=st.integers(0, 10_000),
    trials=st.integers(2, 12),
    days=st.integers(20, 60),
    edge=st.sampled_from([0.0, 0.002, 0.01]),
)
def test_it_is_what_the_steps_of_the_paper_come_to(
    seed: int, trials: int, days: int, edge: float
) -> None:
    returns = noise(seed, trials, days)
    returns[0] += edge
    found = overfitting(returns)
    assert found is not None
    assert found.blocks == min(BLOCKS, days // FEWEST_DAYS // 2 * 2)
    expected, splits = by_the_paper(returns, found.blocks)
    assert found.probability == pytest.approx(expected, abs=1e-9)
    assert found.splits == splits


def test_the_usual_number_of_splits_is_that_of_the_paper() -> None:
    found = overfitting(noise(1, 3, 160))
    assert found is not None
    assert (found.blocks, found.splits) == (16, 12_870)


def test_without_any_edge_it_is_a_half_on_average_and_above_as_often_as_below() -> None:
    seeds = 300
    found = [overfitting(noise(seed, 20, 60)) for seed in range(seeds)]
    each = np.array([one.probability for one in found if one is not None])
    assert len(each) == seeds
    assert abs(each.mean() - 0.5) < 3.3 * each.std(ddof=1) / math.sqrt(seeds)
    fewest, most = binom.ppf([0.0005, 0.9995], seeds, 0.5)
    assert fewest <= np.sum(each > 0.5) <= most


def test_with_a_planted_edge_it_is_small() -> None:
    for seed in range(20):
        returns = noise(seed, 30, 120)
        returns[7] += 0.006
        found = overfitting(returns)
        assert found is not None
        assert found.probability < 0.05
        assert found.loss < 0.05


def test_a_trick_that_works_in_one_half_alone_is_found_out() -> None:
    returns = noise(3, 40, 160)
    # Each set earns in one block of days and gives it back in the others: fitted to chance.
    for trial in range(40):
        returns[trial] -= 0.002
        returns[trial, trial * 4 : trial * 4 + 4] += 0.08
    found = overfitting(returns)
    assert found is not None
    assert found.probability > 0.6
    assert found.degradation < 0.0


def test_sets_that_trade_alike_are_one() -> None:
    returns = noise(4, 6, 80)
    once, again = overfitting(returns), overfitting(np.repeat(returns, 5, axis=0))
    assert once == again
    assert once is not None
    assert once.series == 6


@pytest.mark.parametrize(
    ("trials", "days"), [(1, 200), (10, 4 * FEWEST_DAYS - 1), (0, 100), (3, 0)]
)
def test_too_little_to_tell_is_none(trials: int, days: int) -> None:
    assert overfitting(noise(1, trials, days)) is None


def test_equal_sets_have_nothing_to_choose_among() -> None:
    assert overfitting(np.zeros((5, 100))) is None


def test_who_does_nothing_neither_wins_nor_loses() -> None:
    returns = np.concatenate([noise(5, 4, 80) - 0.01, np.zeros((1, 80))])
    found = overfitting(returns)
    assert found is not None
    assert (found.probability, found.loss) == (0.0, 0.0)


def test_thousands_of_sets_are_told_piece_by_piece_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    returns = noise(6, 25, 64)
    whole = overfitting(returns)
    monkeypatch.setattr("engine.statistics.overfitting._AT_ONCE", 100)
    assert overfitting(returns) == whole
