"""Bars that exist are valid, read-only, and say what was known when."""

from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.bars import PRICES, Bars, given_up, sharing
from feeds.errors import BadBarsError
from feeds.gaps import holes_of, to_bars
from feeds.timeframe import Timeframe
from tests.feeds.raw import FIVE_MINUTES, raw_frame
from tests.makers import make_bars, with_hole

COLUMNS = ("time", *PRICES, "volume", "filled", "segment")


def changed(name: str, row: int, value: object) -> Bars:
    """Return five bars with one value changed, or raise what the check says."""
    bars = make_bars(5)
    column = getattr(bars, name).copy()
    column[row] = value
    return replace(bars, **{name: column})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        *(
            (name, value, "a price that is not a finite number above 0")
            for name in PRICES
            for value in (0.0, -1.0, np.nan, np.inf)
        ),
        *(
            ("volume", value, "a volume that is not a finite number from 0 up")
            for value in (-1.0, np.nan, np.inf)
        ),
        ("low", 1e9, "outside low..high"),
        ("high", 1e-9, "outside low..high"),
        ("open", 1e9, "outside low..high"),
        ("close", 1e-9, "outside low..high"),
        ("time", np.datetime64("2024-01-01T00:10:01"), "a time off the grid of 5m"),
        ("time", np.datetime64("NaT"), "a time off the grid of 5m"),
        ("time", np.datetime64("2024-01-01T00:05"), "does not fit their segment"),
        ("time", np.datetime64("2024-01-01T00:15"), "does not fit their segment"),
        ("segment", 1, "does not fit their segment"),
    ],
)
def test_a_broken_bar_is_refused_with_its_time(name: str, value: object, message: str) -> None:
    with pytest.raises(
        BadBarsError, match=rf"BTC/USDT 5m: \d bars have .*{message}, first at (20|NaT)"
    ):
        changed(name, 2, value)


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(BadBarsError, match="equally long"):
        replace(make_bars(5), volume=np.ones(4))


@pytest.mark.parametrize("numbers", [(0, 0), (0, -1), (5, 3)])
def test_after_a_hole_the_segment_must_rise(numbers: tuple[int, int]) -> None:
    bars = with_hole(make_bars(30), at=10, missing=3)
    segment = np.where(bars.segment == 0, *numbers)
    with pytest.raises(BadBarsError, match="does not fit their segment"):
        replace(bars, segment=segment)


def test_a_segment_cannot_begin_without_a_hole() -> None:
    with pytest.raises(BadBarsError, match="does not fit their segment"):
        replace(make_bars(4), segment=np.array([0, 0, 1, 1]))


def test_every_hole_begins_a_segment() -> None:
    bars = with_hole(with_hole(make_bars(30), at=20, missing=2), at=10, missing=3)
    assert list(bars.segments()) == [slice(0, 10), slice(10, 17), slice(17, 25)]
    assert len(holes_of(bars)) == 2


def test_bars_cannot_be_changed() -> None:
    bars = make_bars(5)
    with pytest.raises(ValueError, match="read-only"):
        bars.close[0] = 1.0
    with pytest.raises(FrozenInstanceError):
        bars.symbol = "ETH/USDT"  # type: ignore[misc]


def test_bars_do_not_share_memory_with_what_they_were_made_of() -> None:
    close = make_bars(5).close.copy()
    bars = replace(make_bars(5), close=close)
    close[0] = 1.0
    assert bars.close[0] != 1.0


@given(start=st.integers(0, 20), stop=st.integers(0, 25))
@settings(max_examples=40)
def test_a_slice_holds_the_rows_of_every_column(start: int, stop: int) -> None:
    bars = make_bars(20)
    part = bars[start:stop]
    assert len(part) == len(range(20)[start:stop])
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(part, name), getattr(bars, name)[start:stop])
    assert (part.symbol, part.timeframe) == (bars.symbol, bars.timeframe)


def test_only_forward_slices_are_allowed() -> None:
    with pytest.raises(BadBarsError, match="found step 2"):
        make_bars(5)[::2]


@given(minutes=st.integers(-10, 120))
@settings(max_examples=60)
def test_known_at_is_every_bar_closed_by_then_and_no_other(minutes: int) -> None:
    bars = with_hole(make_bars(20), at=7, missing=4)
    moment = np.datetime64("2024-01-01", "ms") + np.timedelta64(minutes, "m")
    known = bars.known_at(moment)
    assert (known.closed_at <= moment).all()
    assert len(known) == int((bars.closed_at <= moment).sum())


def test_index_from_is_the_first_bar_that_opens_then_or_later() -> None:
    bars = make_bars(10)
    assert bars.index_from(np.datetime64("2024-01-01T00:10")) == 2
    assert bars.index_from(np.datetime64("2024-01-01T00:11")) == 3
    assert bars.index_from(np.datetime64("2025-01-01")) == 10


def test_segments_cover_all_bars_in_order() -> None:
    rows = raw_frame(40).drop(index=[*range(10, 13), *range(30, 32)])
    bars = to_bars(rows, "BTC/USDT", FIVE_MINUTES, fill_limit=0)
    assert list(bars.segments()) == [slice(0, 10), slice(10, 27), slice(27, 35)]
    assert bars.bars_before().tolist() == [*range(10), *range(17), *range(8)]
    assert np.flatnonzero(bars.last_of_segment()).tolist() == [9, 26, 34]


def test_no_bars_have_no_segments() -> None:
    nothing = make_bars(5)[5:]
    assert list(nothing.segments()) == []
    assert len(nothing.bars_before()) == len(nothing.last_of_segment()) == 0


def test_a_bar_is_known_when_it_closes() -> None:
    bars = make_bars(2, timeframe="1h")
    assert bars.closed_at[0] == bars.time[1] == np.datetime64("2024-01-01T01:00")


def test_the_frame_is_a_copy_with_utc_times() -> None:
    bars = make_bars(3)
    frame = bars.frame()
    assert [str(time) for time in frame["timestamp"][:1]] == ["2024-01-01 00:00:00+00:00"]
    frame.loc[0, "close"] = 0.0
    assert bars.close[0] > 0


def test_the_digest_is_of_everything() -> None:
    bars = make_bars(5)
    others = [
        replace(bars, symbol="ETH/USDT"),
        replace(bars, synthetic=True),
        replace(bars, volume=bars.volume + 1),
        replace(bars, filled=~bars.filled),
        replace(bars, segment=bars.segment + 1),
        replace(bars, time=bars.time + bars.timeframe.delta),
        bars[:4],
    ]
    assert len({bars.digest(), *(other.digest() for other in others)}) == 8
    assert bars.digest() == make_bars(5).digest() == bars[:].digest()


def test_times_lie_on_the_grid_of_their_timeframe() -> None:
    with pytest.raises(BadBarsError, match="off the grid of 1h"):
        replace(make_bars(1, start="2024-01-01T00:05"), timeframe=Timeframe.parse("1h"))


@given(seeds=st.lists(st.integers(0, 2), min_size=1, max_size=4))
def test_symbols_share_what_they_have_in_common_and_change_nothing(seeds: list[int]) -> None:
    markets = [make_bars(40 + 3 * seed, seed=seed) for seed in seeds]

    shared = sharing(markets)

    assert [bars.digest() for bars in shared] == [bars.digest() for bars in markets]
    for name in ("time", "filled", "segment"):
        assert len({id(getattr(bars, name)) for bars in shared}) == len(set(seeds))


def test_what_its_maker_gave_up_is_taken_and_all_else_is_copied() -> None:
    made = make_bars(9)
    columns = {each.name: getattr(made, each.name) for each in fields(Bars)}
    taken = given_up(made.close.copy())
    lent = made.close.copy()

    assert Bars(**{**columns, "close": taken}).close is taken
    copied = Bars(**{**columns, "close": lent})
    lent[0] = 1.0
    assert copied.close[0] == made.close[0]
    view = lent[:]
    view.flags.writeable = False
    with pytest.raises(BadBarsError):  # 1.0 is outside the bar's range
        Bars(**{**columns, "close": view})
    assert Bars(**{**columns, "close": made.close[:]}).close is not made.close
