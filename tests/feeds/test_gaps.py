"""Short gaps are filled, long ones split."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.bars import PRICES, Bars
from feeds.errors import BadBarsError
from feeds.gaps import holes_of, to_bars
from tests.feeds.raw import FIVE_MINUTES, raw_frame, without_bars

gap_lists = st.lists(st.integers(0, 9), max_size=30)
limits = st.integers(0, 7)
COLUMNS = (*PRICES, "volume")


def bars_with(gaps: list[int], limit: int = 5) -> Bars:
    rows = without_bars(raw_frame(sum(gaps) + len(gaps) + 1), gaps)
    return to_bars(rows, "BTC/USDT", FIVE_MINUTES, fill_limit=limit)


@given(gaps=gap_lists, limit=limits)
@settings(max_examples=60)
def test_the_rows_of_the_file_come_back_unchanged(gaps: list[int], limit: int) -> None:
    rows = without_bars(raw_frame(sum(gaps) + len(gaps) + 1), gaps)
    bars = to_bars(rows, "BTC/USDT", FIVE_MINUTES, fill_limit=limit)
    real = ~bars.filled
    np.testing.assert_array_equal(bars.time[real], rows["timestamp"].to_numpy())
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(bars, name)[real], rows[name].to_numpy())


@given(gaps=gap_lists, limit=limits)
@settings(max_examples=60)
def test_a_bar_is_filled_if_and_only_if_its_row_was_missing(gaps: list[int], limit: int) -> None:
    bars = bars_with(gaps, limit)
    expected = [False]
    for gap in gaps:
        expected += [True] * (gap if gap <= limit else 0) + [False]
    assert bars.filled.tolist() == expected


@given(gaps=gap_lists, limit=limits)
@settings(max_examples=60)
def test_segments_split_exactly_at_holes_longer_than_the_limit(gaps: list[int], limit: int) -> None:
    bars = bars_with(gaps, limit)
    assert bars.segment[-1] == sum(gap > limit for gap in gaps)
    assert [hole.missing for hole in holes_of(bars)] == [gap for gap in gaps if gap > limit]
    for rows in bars.segments():
        assert (np.diff(bars.time[rows]) == FIVE_MINUTES.delta).all()
        assert not bars.filled[rows.start]
        assert not bars.filled[rows.stop - 1]


@given(gaps=gap_lists, limit=limits)
@settings(max_examples=60)
def test_filled_bars_are_flat_at_the_last_real_close_and_trade_nothing(
    gaps: list[int], limit: int
) -> None:
    bars = bars_with(gaps, limit)
    last_close = np.nan
    for i in range(len(bars)):
        if bars.filled[i]:
            assert {float(getattr(bars, name)[i]) for name in PRICES} == {last_close}
            assert bars.volume[i] == 0
        else:
            last_close = float(bars.close[i])


@pytest.mark.parametrize(("missing", "filled", "segments"), [(5, 5, 1), (6, 0, 2)])
def test_by_default_five_missing_bars_are_filled_and_six_split(
    missing: int, filled: int, segments: int
) -> None:
    bars = bars_with([missing])
    assert int(bars.filled.sum()) == filled
    assert len(list(bars.segments())) == segments


def test_a_hole_names_its_edges() -> None:
    (hole,) = holes_of(bars_with([1, 20, 0]))
    assert str(hole) == "20 bars between 2024-01-01 00:10Z and 2024-01-01 01:55Z"


@pytest.mark.parametrize("shift", ["0min", "-5min", "-10min", "1min", "7s"])
def test_a_time_that_repeats_falls_back_or_leaves_the_grid_is_refused(shift: str) -> None:
    rows = raw_frame(4)
    rows.loc[2, "timestamp"] = rows["timestamp"][1] + pd.Timedelta(shift)
    with pytest.raises(BadBarsError, match=r"rise on the grid of 5m, found .*row 3"):
        to_bars(rows, "BTC/USDT", FIVE_MINUTES)


def test_rows_that_are_all_off_the_grid_in_step_are_refused() -> None:
    rows = raw_frame(4)
    rows["timestamp"] += pd.Timedelta("1min")
    with pytest.raises(BadBarsError, match="grid of 5m, found 2024-01-01 00:01Z in row 1"):
        to_bars(rows, "BTC/USDT", FIVE_MINUTES)


def test_a_negative_fill_limit_is_refused() -> None:
    with pytest.raises(BadBarsError, match="0 or more bars, found -1"):
        to_bars(raw_frame(3), "BTC/USDT", FIVE_MINUTES, fill_limit=-1)


def test_no_rows_are_no_bars() -> None:
    assert len(to_bars(raw_frame(3)[:0], "BTC/USDT", FIVE_MINUTES)) == 0


def test_synthetic_travels() -> None:
    assert to_bars(raw_frame(3), "BTC/USDT", FIVE_MINUTES, synthetic=True).synthetic
