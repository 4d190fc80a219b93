"""Arrays come back out of the page as they went in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from selenium.webdriver import Chrome

from engine.report_html.packing import (
    decimals_of,
    pack_exact,
    pack_numbers,
    pack_rounded,
    pack_steps,
    pack_times,
    pack_whole,
)
from feeds.bars import FloatArray, IntArray
from tests.engine.report_html.page_scripts import unpacked

in_the_browser = settings(max_examples=30)  # each example is a call of some 20 ms

ANY_FLOATS = arrays.arrays(np.float64, st.integers(0, 40))
WHOLES = arrays.arrays(np.int64, st.integers(0, 40), elements=st.integers(-(2**30), 2**30))
STEPS = arrays.arrays(np.int64, st.integers(0, 40), elements=st.integers(1 - 2**31, 2**31 - 1))


@pytest.fixture
def blank(browser: Chrome) -> Chrome:
    """The browser, at no page."""
    browser.get("about:blank")
    return browser


@in_the_browser
@given(ANY_FLOATS)
def test_any_floats_come_back_to_the_last_bit(browser: Chrome, values: FloatArray) -> None:
    np.testing.assert_array_equal(unpacked(browser, pack_exact(values)), values)


@in_the_browser
@given(ANY_FLOATS)
def test_floats_without_few_decimals_come_back_as_float32(
    browser: Chrome, values: FloatArray
) -> None:
    packed = pack_numbers(values)
    with np.errstate(over="ignore"):
        kept = values if packed["kind"] == "whole" else values.astype(np.float32)
    np.testing.assert_array_equal(unpacked(browser, packed), kept)


@in_the_browser
@given(WHOLES, st.integers(0, 10))
def test_numbers_of_few_decimals_come_back_to_the_last_bit(
    browser: Chrome, whole: IntArray, decimals: int
) -> None:
    values = whole / 10.0**decimals
    packed = pack_numbers(values)
    assert packed["kind"] == "whole"
    np.testing.assert_array_equal(unpacked(browser, packed), values)


@in_the_browser
@given(STEPS)
def test_steps_come_back(browser: Chrome, steps: IntArray) -> None:
    np.testing.assert_array_equal(unpacked(browser, pack_steps(steps)), steps)


@in_the_browser
@given(st.lists(st.integers(0, 2**42), max_size=40).map(sorted))
def test_moments_come_back(browser: Chrome, ms: list[int]) -> None:
    grid = np.array(ms, np.int64) // 60_000 * 60_000
    if len(grid) and np.diff(grid, prepend=grid[0]).max() // 60_000 < 2**31:
        packed = pack_times(grid.astype("datetime64[ms]"))
        np.testing.assert_array_equal(unpacked(browser, packed), grid)


@pytest.mark.parametrize(
    "values",
    [
        [],
        [0.00000814, 0.00000815, 0.00000813],
        [61234.12345678, 0.1],
        [np.nan, np.inf, -np.inf, -0.0],
        [1e300, -1e-300],
    ],
)
def test_numbers_that_are_easily_lost_come_back(blank: Chrome, values: list[float]) -> None:
    found = unpacked(blank, pack_exact(np.array(values)))
    np.testing.assert_array_equal(found, values)


def test_a_price_of_a_coin_worth_next_to_nothing_is_a_whole_number_of_its_ticks() -> None:
    assert decimals_of(np.array([0.00000814, 0.00000815])) == 8


def test_more_decimals_than_the_page_counts_are_none() -> None:
    assert decimals_of(np.array([1 / 3])) is None
    assert decimals_of(np.array([0.5, np.nan])) is None
    late = np.full(2_000, 0.5)
    late[-1] = 1 / 3
    assert decimals_of(late) is None


@in_the_browser
@given(
    arrays.arrays(np.float32, st.integers(0, 40), elements=st.floats(2**-20, 2**60, width=32)),
    st.integers(2, 24),
)
def test_what_is_rounded_is_off_by_half_a_last_digit(
    browser: Chrome, values: np.ndarray, bits: int
) -> None:
    found = unpacked(browser, pack_rounded(values.astype(np.float64), bits))
    np.testing.assert_allclose(found, values, rtol=2.0**-bits, atol=0)


def test_a_step_beyond_32_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="must fit into 32 bits, found 4294967296"):
        pack_whole(np.array([0, 2**32]))
