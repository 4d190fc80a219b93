"""The probability of a Sharpe ratio: as published, and as an independent library has it."""

import math
import warnings

import numpy as np
import purgedcv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.statistics.sharpe import (
    Moments,
    chance_variance,
    deflated_sharpe,
    expected_max_sharpe,
    probabilistic_sharpe,
    trial_variance,
)
from feeds.bars import FloatArray

SEEDS = st.integers(0, 2**16)


def daily(seed: int, days: int, *, mean: float = 0.0005) -> FloatArray:
    """Return daily returns with fat tails and some skew."""
    rng = np.random.default_rng(seed)
    return mean + 0.01 * rng.standard_t(5, days) - 0.004 * (rng.exponential(1.0, days) - 1.0)


def test_the_published_example() -> None:
    """Bailey & López de Prado (2014): 2.5 a year over 1250 days, the best of 100 trials: 0.90."""
    found = Moments(observations=1250, sharpe=2.5 / math.sqrt(250), skew=-3.0, kurtosis=10.0)
    benchmark = expected_max_sharpe(100, 0.5 / 250)
    assert benchmark == pytest.approx(0.1132, abs=5e-5)
    assert found.probability_above(benchmark) == pytest.approx(0.9004, abs=5e-5)


def test_the_published_example_with_fewer_trials() -> None:
    """The same paper: with 46 trials the same strategy reaches 0.95."""
    found = Moments(observations=1250, sharpe=2.5 / math.sqrt(250), skew=-3.0, kurtosis=10.0)
    assert found.probability_above(expected_max_sharpe(46, 0.5 / 250)) == pytest.approx(
        0.9505, abs=5e-4
    )


@given(seed=SEEDS, days=st.integers(4, 800), benchmark=st.floats(-0.2, 0.2))
def test_the_probability_is_that_of_an_independent_library(
    seed: int, days: int, benchmark: float
) -> None:
    returns = daily(seed, days)
    ours = probabilistic_sharpe(returns, benchmark)
    try:
        theirs = purgedcv.probabilistic_sharpe_ratio(returns, benchmark)
    except ValueError:  # no root can be taken
        assert ours is None
        return
    assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-12)


@given(seed=SEEDS, count=st.integers(1, 500), deviation=st.floats(0.0, 0.2))
def test_the_deflated_ratio_is_that_of_an_independent_library(
    seed: int, count: int, deviation: float
) -> None:
    returns = daily(seed, 400)
    sharpes = (deviation * np.random.default_rng(seed).normal(size=count)).tolist()
    ours = deflated_sharpe(returns, sharpes)
    theirs = purgedcv.deflated_sharpe_ratio(returns, count, trial_variance(sharpes))
    assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-12)


def test_trials_without_a_ratio_count_all_the_same() -> None:
    returns, sharpes = daily(1, 400), [0.01, 0.05, -0.02]
    more = deflated_sharpe(returns, sharpes, count=50)
    theirs = purgedcv.deflated_sharpe_ratio(returns, 50, float(np.var(sharpes, ddof=1)))
    assert more == pytest.approx(theirs)
    fewer = deflated_sharpe(returns, sharpes)
    assert fewer is not None
    assert more is not None
    assert more < fewer


@pytest.mark.parametrize("sharpes", [[], [0.3]])
def test_one_trial_leaves_nothing_to_deflate(sharpes: list[float]) -> None:
    returns = daily(2, 300)
    assert deflated_sharpe(returns, sharpes) == probabilistic_sharpe(returns)


def test_trials_that_are_much_alike_count_at_least_as_chance_spreads_them() -> None:
    returns = daily(3, 500)
    alike = [0.05, 0.05 + 1e-6]
    few = deflated_sharpe(returns, alike, least_variance=chance_variance(500))
    theirs = purgedcv.deflated_sharpe_ratio(returns, 2, 1 / 499)
    assert few == pytest.approx(theirs)
    plain = deflated_sharpe(returns, alike)
    assert few is not None
    assert plain is not None
    assert few < plain
    found = [np.mean(r) / np.std(r) for r in np.random.default_rng(0).normal(size=(4000, 500))]
    assert np.var(found) == pytest.approx(chance_variance(500), rel=0.1)


@pytest.mark.parametrize("count", [2, 10, 100, 1000])
def test_the_best_of_trials_without_skill_is_as_good_as_expected(count: int) -> None:
    best = np.random.default_rng(0).normal(0.0, 0.05, (4000, count)).max(axis=1)
    # The formula is an approximation, good to some percent and for two trials somewhat low.
    assert expected_max_sharpe(count, 0.05**2) == pytest.approx(best.mean(), rel=0.1)


def test_without_skill_the_probability_is_uniform() -> None:
    found = np.array([probabilistic_sharpe(daily(seed, 500, mean=0.0)) for seed in range(400)])
    shares = np.array([np.mean(found < level) for level in (0.1, 0.5, 0.9)])
    np.testing.assert_allclose(shares, [0.1, 0.5, 0.9], atol=4 * 0.5 / math.sqrt(400))


@pytest.mark.parametrize("returns", [[], [0.1], [0.1, 0.2, -0.1], [0.01] * 50, [0.0] * 50])
def test_too_few_or_equal_returns_have_no_probability(returns: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert probabilistic_sharpe(np.array(returns)) is None
        assert deflated_sharpe(np.array(returns), [0.1, 0.2]) is None


def test_where_no_root_can_be_taken_there_is_no_probability() -> None:
    assert Moments(observations=9, sharpe=2.0, skew=3.0, kurtosis=2.0).probability_above(0) is None
