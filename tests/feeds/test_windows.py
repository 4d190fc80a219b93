"""Windows agree with the definition, forget what lies before them, and know when they are flat."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds import windows
from feeds.bars import FloatArray

LONGER_THAN_A_BLOCK = 1_200


def walk(n: int, seed: int = 0, price: float = 100.0) -> FloatArray:
    rng = np.random.default_rng(seed)
    return np.asarray(price * np.exp(np.cumsum(rng.normal(0.0, 0.002, n))))


def rolling(x: FloatArray, period: int, of: Callable[[FloatArray], float]) -> FloatArray:
    """Return `of` the last `period` values, straight from the definition."""
    values = [of(x[i + 1 - period : i + 1]) for i in range(period - 1, len(x))]
    return np.array([np.nan] * (period - 1) + values)


@pytest.mark.parametrize("price", [1e-8, 1e-5, 100.0, 60_000.0])
@pytest.mark.parametrize("period", [2, 7, 20, 240])
def test_mean_and_deviation_are_what_they_say_at_any_price(price: float, period: int) -> None:
    x = walk(LONGER_THAN_A_BLOCK, price=price)
    np.testing.assert_allclose(windows.mean(x, period), rolling(x, period, np.mean), rtol=1e-13)
    np.testing.assert_allclose(windows.deviation(x, period), rolling(x, period, np.std), rtol=1e-9)


@pytest.mark.parametrize("period", [3, 20, 60])
def test_correlation_is_pearsons(period: int) -> None:
    x, y = walk(LONGER_THAN_A_BLOCK, seed=1), walk(LONGER_THAN_A_BLOCK, seed=2, price=1e-5)
    last = slice(-period, None)
    expected = np.corrcoef(x[last], y[last])[0, 1]
    assert windows.correlation(x, y, period)[-1] == pytest.approx(expected, abs=1e-9)


@given(
    seed=st.integers(0, 2**16),
    start=st.integers(0, 1_100),
    period=st.sampled_from([2, 5, 20, 60]),
)
@settings(max_examples=50)
def test_a_window_gives_the_same_bits_wherever_its_array_began(
    seed: int, start: int, period: int
) -> None:
    x, y = walk(LONGER_THAN_A_BLOCK, seed), walk(LONGER_THAN_A_BLOCK, seed + 1)
    full = slice(start + period - 1, None)
    for whole, trailing in (
        (windows.mean(x, period), windows.mean(x[start:], period)),
        (windows.deviation(x, period), windows.deviation(x[start:], period)),
        (windows.correlation(x, y, period), windows.correlation(x[start:], y[start:], period)),
    ):
        np.testing.assert_array_equal(trailing[period - 1 :], whole[full])


@given(value=st.floats(1e-9, 1e15), period=st.integers(2, 60))
def test_equal_values_have_exactly_their_mean_and_no_deviation(value: float, period: int) -> None:
    x = np.concatenate([walk(100), np.full(100, value)])
    assert windows.mean(x, period)[-1] == value
    assert np.isnan(windows.deviation(x, period)[-1])
    assert np.isnan(windows.correlation(x, np.arange(200.0), period)[-1])


def test_a_missing_value_spoils_its_windows_and_no_others() -> None:
    x = walk(50)
    x[10] = np.nan
    for found in (windows.mean(x, 5), windows.deviation(x, 5)):
        assert np.flatnonzero(np.isnan(found[4:])).tolist() == list(range(6, 11))


@pytest.mark.parametrize("n", [0, 1, 4])
def test_too_few_values_fill_no_window(n: int) -> None:
    x = np.arange(float(n))
    for found in (windows.mean(x, 5), windows.deviation(x, 5), windows.before(x, 5)):
        assert len(found) == n
        assert np.isnan(found).all()


def test_read_only_and_strided_arrays_are_taken_and_left_alone() -> None:
    x = walk(100)
    x.flags.writeable = False
    np.testing.assert_array_equal(windows.mean(x[::2], 5), windows.mean(x[::2].copy(), 5))
    assert not x.flags.writeable
