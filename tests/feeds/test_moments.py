"""Moments and their text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.moments import iso, parse_utc, readable

HALF_A_SECOND = np.datetime64("2024-01-01T00:05:00.500")
MOMENTS = st.integers(0, 4_102_444_800_000).map(lambda ms: np.datetime64(ms, "ms"))


def test_a_moment_is_shown_to_the_minute_or_to_the_second_unless_it_lies_between() -> None:
    assert readable(HALF_A_SECOND) == "2024-01-01 00:05:00.500Z"
    assert iso(HALF_A_SECOND) == "2024-01-01T00:05:00.500Z"
    assert iso(np.datetime64("2024-01-01T00:05:07", "ms")) == "2024-01-01T00:05:07Z"


@pytest.mark.parametrize("unit", ["D", "h", "s", "ms", "us"])
def test_the_text_of_a_moment_does_not_depend_on_its_unit(unit: str) -> None:
    moment = np.datetime64("2024-01-01").astype(f"datetime64[{unit}]")
    assert readable(moment) == "2024-01-01 00:00Z"
    assert iso(moment) == "2024-01-01T00:00:00Z"


def test_what_is_not_a_time_can_still_be_shown() -> None:
    nothing = np.datetime64("NaT", "ms")
    assert readable(nothing) == iso(nothing) == "NaT"


@given(moment=MOMENTS)
def test_both_texts_of_a_moment_read_back_as_that_moment(moment: np.datetime64) -> None:
    assert parse_utc(iso(moment)) == moment
    assert parse_utc(readable(moment)) == moment


@pytest.mark.parametrize(
    "text", ["2024-03-01", "2024-03-01 00:00", "2024-03-01T00:00Z", "2024-03-01T05:30:00+05:30"]
)
def test_a_text_without_a_zone_is_utc_and_a_zone_counts(text: str) -> None:
    read = parse_utc(text)
    assert read == np.datetime64("2024-03-01")
    assert read.dtype == "datetime64[ms]"


@pytest.mark.parametrize("text", ["", "soon", "2024-13-01", "01/02/2024", "0001-01-01T00+05:00"])
def test_what_is_no_moment_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ValueError, match="a moment must be like 2024-01-31") as refusal:
        parse_utc(text)
    assert repr(text) in str(refusal.value)
    assert "\n" not in str(refusal.value)
