"""Joining bars: what was known stays as it was, and what contradicts it is refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.bars import PRICES, Bars
from feeds.errors import BadBarsError
from feeds.gaps import to_bars
from feeds.joining import join_bars
from tests.feeds.raw import FIVE_MINUTES, raw_frame, without_bars
from tests.makers import make_bars

COLUMNS = ("time", *PRICES, "volume", "filled", "segment")
GAPS = st.lists(st.integers(0, 7), min_size=2, max_size=40)
WHOLE = make_bars(100)


def bars_of(gaps: list[int], fill_limit: int) -> Bars:
    rows = without_bars(raw_frame(8 * 41), gaps)
    return to_bars(rows, "BTC/USDT", FIVE_MINUTES, fill_limit=fill_limit)


def between(bars: Bars, start: int, stop: int) -> Bars:
    """Return what a file of these rows would give: from a real bar to one, in segments from 0."""
    real = np.flatnonzero(~bars.filled)
    start, stop = min(start, len(real) - 1), min(max(stop, start + 1), len(real))
    part = bars[int(real[start]) : int(real[stop - 1]) + 1]
    return part.unchecked({"segment": part.segment - part.segment[0]})


def assert_equal(found: Bars, wanted: Bars) -> None:
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name), name)


def changed(bars: Bars, place: int, column: str, factor: float) -> Bars:
    values = getattr(bars, column).copy()
    values[place] *= factor
    return bars.unchecked({column: values})


@given(gaps=GAPS, fill_limit=st.integers(0, 5), cuts=st.tuples(*[st.integers(0, 40)] * 2))
def test_two_parts_of_a_series_that_touch_or_overlap_make_the_series(
    gaps: list[int], fill_limit: int, cuts: tuple[int, int]
) -> None:
    whole = bars_of(gaps, fill_limit)
    start, stop = sorted(cuts)
    old, new = between(whole, 0, stop), between(whole, start, len(whole))
    joined = join_bars(old, new, fill_limit=fill_limit)
    assert_equal(joined.bars, whole)
    assert joined.passed_over == 0
    assert joined.added == (~whole.filled).sum() - (~old.filled).sum()


@given(
    mine=GAPS,
    theirs=GAPS,
    fill_limit=st.integers(0, 5),
    cuts=st.tuples(*[st.integers(0, 40)] * 4),
)
def test_the_window_never_shrinks_and_no_old_bar_changes(
    mine: list[int], theirs: list[int], fill_limit: int, cuts: tuple[int, int, int, int]
) -> None:
    # Both are made of the same rows, but miss others: they never contradict each other.
    old = between(bars_of(mine, fill_limit), *sorted(cuts[:2]))
    new = between(bars_of(theirs, fill_limit), *sorted(cuts[2:]))
    joined = join_bars(old, new, fill_limit=fill_limit)
    kept = np.isin(joined.bars.time, old.time[~old.filled])
    for name in ("time", *PRICES, "volume"):
        np.testing.assert_array_equal(
            getattr(joined.bars, name)[kept], getattr(old, name)[~old.filled]
        )
    assert_equal(joined.bars[: len(old)], old)
    assert joined.bars.time[-1] == max(old.time[-1], new.time[-1])
    assert (~new.filled).sum() == joined.added + joined.shared + joined.passed_over
    assert (~joined.bars.filled).sum() == (~old.filled).sum() + joined.added


def test_what_the_old_series_lacks_ahead_of_its_end_is_passed_over() -> None:
    old = bars_of([0, 2, 0, 9, 0], 5)
    joined = join_bars(old, bars_of([0] * 30, 5), fill_limit=5)
    assert joined.passed_over == 11
    assert_equal(joined.bars[: len(old)], old)


def test_what_comes_before_the_old_series_is_passed_over() -> None:
    joined = join_bars(WHOLE[40:60], WHOLE[:80], fill_limit=5)
    assert (joined.passed_over, joined.shared, joined.added) == (40, 20, 20)
    assert_equal(joined.bars, WHOLE[40:80])


@pytest.mark.parametrize(("missing", "segments"), [(0, 1), (5, 1), (6, 2), (40, 2)])
def test_a_hole_between_old_and_new_is_said_and_a_long_one_splits(
    missing: int, segments: int
) -> None:
    joined = join_bars(WHOLE[:50], WHOLE[50 + missing :], fill_limit=5)
    assert len(list(joined.bars.segments())) == segments
    if missing:
        assert joined.missing is not None
        assert joined.missing.missing == missing
        assert joined.missing.after == WHOLE.time[49]
    else:
        assert joined.missing is None


def test_new_bars_that_end_before_the_old_ones_bring_nothing() -> None:
    joined = join_bars(WHOLE, WHOLE[10:90], fill_limit=5)
    assert (joined.added, joined.shared) == (0, 80)
    assert joined.bars is WHOLE
    assert join_bars(WHOLE, WHOLE[:0], fill_limit=5).added == 0


@given(
    place=st.integers(0, 49),
    column=st.sampled_from((*PRICES, "volume")),
    factor=st.sampled_from([0.5, 1 - 1e-6, 1 + 1e-6, 3.0]),
)
def test_any_value_that_contradicts_is_named(place: int, column: str, factor: float) -> None:
    old = WHOLE[:50]
    new = changed(WHOLE, place, column, factor)
    with pytest.raises(BadBarsError, match="must be equal, found 1 of 50") as caught:
        join_bars(old, new, fill_limit=5)
    line = str(caught.value)
    time = str(old.time[place]).replace("T", " ")[:16]
    before, now = getattr(old, column)[place], getattr(new, column)[place]
    assert "BTC/USDT: old and new bars of one time must be equal" in line
    assert f"first {time}Z: {column} {before} in the old, {now} in the new" in line
    assert ("perhaps still forming" in line) == (place == 49)


def test_the_last_digit_of_a_number_contradicts_nothing() -> None:
    joined = join_bars(WHOLE[:50], changed(WHOLE, 7, "close", 1 + 4e-16), fill_limit=5)
    assert joined.bars.close[7] == WHOLE.close[7]


@pytest.mark.parametrize(
    ("new", "what"),
    [
        (make_bars(9, symbol="ETH/USDT"), "one symbol, found BTC/USDT and ETH/USDT"),
        (make_bars(9, timeframe="1h"), "one timeframe, found 5m and 1h"),
        (replace(make_bars(9), synthetic=True), "one origin, found a real market and a simulated"),
    ],
)
def test_strangers_are_not_joined(new: Bars, what: str) -> None:
    with pytest.raises(BadBarsError, match=what):
        join_bars(WHOLE, new, fill_limit=5)
