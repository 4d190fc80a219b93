"""Days drawn in blocks: those that `arch` draws, in blocks as long as `arch` asks for."""

import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap, optimal_block_length
from hypothesis import given
from hypothesis import strategies as st

from engine.statistics.blocks import block_length, counts_of, drawn_days


@pytest.mark.parametrize("days", [1, 2, 5, 85, 400])
@pytest.mark.parametrize("block", [1.0, 2.0, 7.3])
def test_the_days_are_those_of_another_library(days: int, block: float) -> None:
    theirs = StationaryBootstrap(block, np.arange(days), seed=np.random.default_rng(7))
    expected = [index for ((index,), _) in theirs.bootstrap(50)]
    np.testing.assert_array_equal(drawn_days(days, block, seed=7, draws=50), expected)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(11, 800), memory=st.floats(0.0, 0.97))
def test_the_length_is_that_of_another_library(seed: int, n: int, memory: float) -> None:
    """Of series that remember, of such with many zeros, and of a slow wave."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_t(3, n) * (rng.random(n) < rng.choice([0.05, 0.5, 1.0]))
    values = np.convolve(noise, memory ** np.arange(60))[:n] + np.sin(np.arange(n) / 20.0) * (
        rng.random() < 0.3
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = float(optimal_block_length(values)["stationary"].iloc[0])
    assert block_length(values) == pytest.approx(expected, rel=1e-9, nan_ok=True)


def test_every_draw_counts_as_many_days_as_there_are() -> None:
    drawn = drawn_days(30, 3.0, seed=1, draws=40)
    counts = counts_of(drawn)
    assert counts.shape == (40, 30)
    assert (counts.sum(axis=1) == 30).all()
    np.testing.assert_array_equal(counts[3], np.bincount(drawn[3], minlength=30))


def test_blocks_last_as_long_as_asked_and_every_day_comes_as_often() -> None:
    drawn = drawn_days(100, 5.0, seed=2, draws=2000)
    goes_on = (drawn[:, 1:] == (drawn[:, :-1] + 1) % 100).mean()
    assert goes_on == pytest.approx(1.0 - 0.2 * 0.99, abs=0.005)
    assert counts_of(drawn).mean(axis=0) == pytest.approx(np.ones(100), abs=0.15)


def test_drawn_days_cannot_be_changed_for_the_next_who_asks() -> None:
    with pytest.raises(ValueError, match="read-only"):
        drawn_days(10, 2.0, seed=1, draws=3)[0, 0] = 5
