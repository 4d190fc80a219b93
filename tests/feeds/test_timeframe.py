"""Timeframes are whole minutes, and read back as they are written."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.errors import BadTimeframeError
from feeds.timeframe import Timeframe


@pytest.mark.parametrize(
    ("text", "minutes", "written"),
    [
        ("1m", 1, "1m"),
        (" 5m ", 5, "5m"),
        ("60m", 60, "1h"),
        ("90m", 90, "90m"),
        ("4h", 240, "4h"),
        ("4H", 240, "4h"),
        ("24h", 1440, "1d"),
        ("1d", 1440, "1d"),
    ],
)
def test_reading_and_writing(text: str, minutes: int, written: str) -> None:
    timeframe = Timeframe.parse(text)
    assert timeframe.ms == minutes * 60_000
    assert str(timeframe) == written


@given(st.integers(1, 9999))
def test_a_written_timeframe_reads_back_equal(minutes: int) -> None:
    timeframe = Timeframe(minutes * 60_000)
    assert Timeframe.parse(str(timeframe)) == timeframe


@pytest.mark.parametrize(
    "text", ["", "5", "m", "0m", "05m", "1s", "1w", "5 m", "-5m", "1.5h", "\u0665m"]
)
def test_what_is_no_timeframe_is_refused(text: str) -> None:
    with pytest.raises(BadTimeframeError, match="must look like 1m, 5m, 1h or 1d, found"):
        Timeframe.parse(text)


def test_a_month_is_not_taken_for_a_minute() -> None:
    with pytest.raises(BadTimeframeError, match="found '1M'"):
        Timeframe.parse("1M")


@pytest.mark.parametrize("ms", [0, -60_000, 30_000, 60_001])
def test_a_length_that_is_not_whole_minutes_is_refused(ms: int) -> None:
    with pytest.raises(BadTimeframeError, match=f"found {ms} ms"):
        Timeframe(ms)


def test_a_year_has_365_days() -> None:
    assert Timeframe.parse("1d").per_year == 365
    assert Timeframe.parse("5m").per_year == 365 * 288


def test_delta_and_multiples() -> None:
    five = Timeframe.parse("5m")
    assert five.delta == np.timedelta64(5, "m")
    assert five.times(12) == Timeframe.parse("1h")
