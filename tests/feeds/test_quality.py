"""Each defect is found, named, refused, and gone after its repair."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.bars import PRICES
from feeds.errors import BadBarsError, FeedError
from feeds.gaps import to_bars
from feeds.quality import (
    CHECKS,
    REPAIRS,
    inspect_rows,
    known_repairs,
    refuse_defects,
    repair_rows,
    report_of,
)
from tests.feeds.raw import FIVE_MINUTES, raw_frame

Spoil = Callable[[pd.DataFrame, int], pd.DataFrame]
NUMBERS = (*PRICES, "volume")


def set_to(column: str, value: float) -> Spoil:
    def spoil(frame: pd.DataFrame, row: int) -> pd.DataFrame:
        return frame.assign(**{column: frame[column].where(frame.index != row, value)})

    return spoil


def low_above_open(frame: pd.DataFrame, row: int) -> pd.DataFrame:
    frame = set_to("low", frame["open"][row] * 1.01)(frame, row)
    return set_to("high", frame["open"][row] * 1.05)(
        set_to("close", frame["open"][row] * 1.02)(frame, row), row
    )


def close_above_high(frame: pd.DataFrame, row: int) -> pd.DataFrame:
    return set_to("close", frame["high"][row] * 1.01)(frame, row)


def close_below_low(frame: pd.DataFrame, row: int) -> pd.DataFrame:
    return set_to("close", frame["low"][row] * 0.99)(frame, row)


def open_above_high(frame: pd.DataFrame, row: int) -> pd.DataFrame:
    return set_to("open", frame["high"][row] * 1.01)(frame, row)


def high_below_low(frame: pd.DataFrame, row: int) -> pd.DataFrame:
    return set_to("high", frame["low"][row] * 0.99)(frame, row)


def off_grid(frame: pd.DataFrame, row: int) -> pd.DataFrame:
    frame.loc[row, "timestamp"] = frame["timestamp"][row] + pd.Timedelta("1s")
    return frame


def repeated(frame: pd.DataFrame, row: int) -> pd.DataFrame:
    frame.loc[row] = frame.loc[row - 1]
    return frame


def contradicting(frame: pd.DataFrame, row: int) -> pd.DataFrame:
    frame.loc[row, "timestamp"] = frame["timestamp"][row - 1]
    return frame


def swapped(frame: pd.DataFrame, row: int) -> pd.DataFrame:
    frame.loc[[row - 1, row]] = frame.loc[[row, row - 1]].to_numpy()
    return frame


# Each way to spoil a row, what is found, and the repair that is named.
SPOILT: list[tuple[Spoil, str, str]] = [
    (swapped, "rows out of order", "sort"),
    (repeated, "duplicate rows", "dedupe"),
    (contradicting, "rows with an earlier row's time but other values", "dedupe"),
    (off_grid, "rows off the grid of 5m", "drop-off-grid"),
    *(
        (set_to(name, np.nan), "rows with NaN or an infinite value", "drop-broken")
        for name in NUMBERS
    ),
    *(
        (set_to(name, np.inf), "rows with NaN or an infinite value", "drop-broken")
        for name in NUMBERS
    ),
    *((set_to(name, 0.0), "rows with a price not above 0", "drop-broken") for name in PRICES),
    *((set_to(name, -1.0), "rows with a price not above 0", "drop-broken") for name in PRICES),
    *(
        (set_to(name, 2e15), "rows with a price or volume above 1e15", "drop-broken")
        for name in NUMBERS
    ),
    (low_above_open, "rows with low above open", "drop-broken"),
    (open_above_high, "rows with open or close outside low..high", "drop-broken"),
    (close_above_high, "rows with open or close outside low..high", "drop-broken"),
    (close_below_low, "rows with open or close outside low..high", "drop-broken"),
    (high_below_low, "rows with open or close outside low..high", "drop-broken"),
    (set_to("volume", -1.0), "rows with a negative volume", "drop-broken"),
]
each_spoil = pytest.mark.parametrize(("spoil", "what", "repair"), SPOILT)


def test_every_check_and_repair_has_a_case_here() -> None:
    assert {what.replace("5m", "{timeframe}") for _, what, _ in SPOILT} == set(CHECKS)
    assert {repair for _, _, repair in SPOILT} == set(REPAIRS)


@given(seed=st.integers(0, 10**6), n=st.integers(0, 50))
@settings(max_examples=30)
def test_sound_rows_have_no_defect(seed: int, n: int) -> None:
    assert inspect_rows(raw_frame(n, seed), FIVE_MINUTES) == ()


@each_spoil
def test_a_defect_is_found_where_it_is(spoil: Spoil, what: str, repair: str) -> None:
    frame = spoil(raw_frame(30), 17)
    found = {defect.what: defect for defect in inspect_rows(frame, FIVE_MINUTES)}
    assert found[what].rows == 1
    assert found[what].first_row == 18
    assert found[what].first_time == frame["timestamp"][17]
    assert found[what].repair == repair


@each_spoil
def test_the_named_repair_removes_the_defect_and_nothing_else(
    spoil: Spoil, what: str, repair: str
) -> None:
    before = raw_frame(30)
    frame, done = repair_rows(spoil(before.copy(), 17), FIVE_MINUTES, [repair])
    assert inspect_rows(frame, FIVE_MINUTES) == ()
    assert [(made.name, made.rows) for made in done] == [(repair, 1)]
    kept = before.set_index("timestamp").loc[frame["timestamp"]]
    untouched = ~frame["timestamp"].isin(before["timestamp"][16:18]).to_numpy()
    left, right = frame.set_index("timestamp"), kept
    pd.testing.assert_frame_equal(left[untouched], right[untouched])
    assert len(frame) >= 29


@given(
    spoils=st.lists(st.tuples(st.sampled_from(SPOILT), st.integers(1, 29)), max_size=6),
    seed=st.integers(0, 99),
)
@settings(max_examples=60)
def test_after_all_repairs_any_rows_make_bars(
    spoils: list[tuple[tuple[Spoil, str, str], int]], seed: int
) -> None:
    frame = raw_frame(30, seed)
    for (spoil, _, _), row in spoils:
        frame = spoil(frame, row)
    repaired, _ = repair_rows(frame, FIVE_MINUTES, REPAIRS)
    assert inspect_rows(repaired, FIVE_MINUTES) == ()
    to_bars(repaired, "BTC/USDT", FIVE_MINUTES)


def test_the_refusal_is_one_line_that_names_what_where_and_the_repair() -> None:
    frame = raw_frame(30)
    frame = pd.concat([frame[:17], frame[16:17], frame[16:17], frame[17:]], ignore_index=True)
    frame.loc[3, "volume"] = -2.0
    with pytest.raises(BadBarsError) as refusal:
        refuse_defects(inspect_rows(frame, FIVE_MINUTES), "BTC.csv")
    assert str(refusal.value) == (
        "BTC.csv: 2 duplicate rows, first 2024-01-01 01:20Z (row 18); "
        "1 row with a negative volume, first 2024-01-01 00:15Z (row 4); "
        "repair with --repair drop-broken,dedupe"
    )


def test_rows_without_defects_are_not_refused() -> None:
    refuse_defects((), "BTC.csv")


def test_of_rows_with_one_time_the_last_in_the_file_stays() -> None:
    frame = pd.concat([raw_frame(10, seed=1), raw_frame(10, seed=2)], ignore_index=True)
    repaired, done = repair_rows(frame, FIVE_MINUTES, ["dedupe", "sort"])
    pd.testing.assert_frame_equal(repaired.reset_index(drop=True), raw_frame(10, seed=2))
    assert [made.name for made in done] == ["sort", "dedupe"]


def test_a_broken_row_does_not_replace_a_sound_one_of_the_same_time() -> None:
    frame = pd.concat([raw_frame(10), raw_frame(10)[4:5].assign(close=np.nan)], ignore_index=True)
    repaired, _ = repair_rows(frame, FIVE_MINUTES, REPAIRS)
    pd.testing.assert_frame_equal(repaired, raw_frame(10))


def test_the_largest_value_itself_is_allowed() -> None:
    assert inspect_rows(set_to("volume", 1e15)(raw_frame(3), 1), FIVE_MINUTES) == ()


@given(order=st.permutations(sorted(REPAIRS)))
@settings(max_examples=10)
def test_repairs_are_made_in_their_own_order(order: list[str]) -> None:
    assert known_repairs(order) == ("drop-broken", "drop-off-grid", "sort", "dedupe")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("dedup", "did you mean dedupe?"),
        ("drop_broken", "did you mean drop-broken?"),
        ("x", "there are drop-b"),
    ],
)
def test_an_unknown_repair_is_refused_with_a_hint(name: str, hint: str) -> None:
    with pytest.raises(FeedError, match="unknown repair") as refusal:
        known_repairs(["sort", name])
    assert hint in str(refusal.value)


def test_the_report_tells_what_was_read_found_repaired_and_missing() -> None:
    frame = raw_frame(30).drop(index=[3, *range(10, 20)]).reset_index(drop=True)
    frame.loc[5, "close"] = np.nan
    defects = inspect_rows(frame, FIVE_MINUTES)
    rows, done = repair_rows(frame, FIVE_MINUTES, ["drop-broken"])
    bars = to_bars(rows, "BTC/USDT", FIVE_MINUTES)
    report = report_of(bars, source="BTC.csv", rows_read=len(frame), defects=defects, repairs=done)
    assert str(report).splitlines() == [
        "BTC.csv: 19 rows read, 20 bars (2 filled) in 2 segments",
        "found 1 row with NaN or an infinite value, first 2024-01-01 00:30Z (row 6)",
        "repaired with drop-broken: 1 broken row dropped",
        "hole of 10 bars between 2024-01-01 00:45Z and 2024-01-01 01:40Z",
    ]


def test_the_repairs_that_were_allowed_are_named_again_so_that_the_flag_can_be_copied() -> None:
    frame = raw_frame(4)
    frame.loc[4] = frame.loc[2]
    defects = inspect_rows(frame, FIVE_MINUTES)
    with pytest.raises(BadBarsError, match=r"--repair drop-broken,sort,dedupe$"):
        refuse_defects(defects, "BTC.csv", ("drop-broken",))
