"""Both feeds deliver the same bars, stamps and windows, and never a later one."""

from collections.abc import Iterator
from typing import Any

import backtrader as bt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data import BarsFeed, StreamBar, StreamFeed, stamps, stream_of
from engine.errors import RunError
from feeds.bars import Bars
from tests.engine.markets import engine_of, random_market
from tests.makers import make_bars, with_hole

LINES = ("open", "high", "low", "close", "volume", "filled", "segment", "segment_end", "datetime")


class Witness(bt.Strategy):
    """Writes down all that a feed shows at each bar."""

    params: Any = (("n", 5),)

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.windows: list[Bars] = []

    def prenext(self) -> None:
        self.next()

    def next(self) -> None:
        for data in self.datas:
            if len(data):
                lines = tuple(getattr(data.lines, name)[0] for name in LINES)
                self.seen.append((data.symbol, data.index, data.bar_time, data.moment, lines))
                self.windows.append(data.window(self.p.n))


def watch(markets: list[Bars], first: int, *, streamed: bool, n: int = 5) -> Witness:
    engine = engine_of(markets, first, streamed=streamed)
    witness: Witness = engine.execute(Witness, n=n).strategy
    return witness


@given(seed=st.integers(0, 10_000), first=st.integers(0, 40), n=st.integers(1, 60))
@settings(max_examples=20, deadline=None)
def test_a_stream_shows_what_recorded_bars_show(seed: int, first: int, n: int) -> None:
    markets = [random_market(seed, 80, "AAA/USDT"), random_market(seed, 60, "BBB/USDT")]
    batch = watch(markets, first, streamed=False, n=n)
    live = watch(markets, first, streamed=True, n=n)
    assert batch.seen == live.seen
    assert [w.digest() for w in batch.windows] == [w.digest() for w in live.windows]


@given(seed=st.integers(0, 10_000), n=st.integers(1, 30))
@settings(max_examples=20, deadline=None)
def test_a_window_ends_with_the_current_bar_and_stays_in_its_segment(seed: int, n: int) -> None:
    bars = random_market(seed, 80)
    witness = watch([bars], 10, streamed=False, n=n)
    age = bars.bars_before()
    for (_, index, opened, moment, _), window in zip(witness.seen, witness.windows, strict=True):
        assert window.time[-1] == opened == bars.time[index]
        assert window.closed_at[-1] == moment
        assert len(window) == min(n, age[index] + 1)
        assert len(np.unique(window.segment)) == 1


@pytest.mark.parametrize("streamed", [False, True])
def test_every_line_holds_its_column(streamed: bool) -> None:
    bars = with_hole(make_bars(60), at=30, missing=7)
    witness = watch([bars], 20, streamed=streamed)
    seen = np.array([row[-1] for row in witness.seen])
    for i, name in enumerate(LINES[:7]):
        np.testing.assert_array_equal(seen[:, i], getattr(bars, name)[20:])
    np.testing.assert_array_equal(seen[:, 7], bars.last_of_segment()[20:])
    np.testing.assert_array_equal(seen[:, 8], stamps(bars.time)[20:])


@pytest.mark.parametrize("streamed", [False, True])
def test_a_line_that_bars_do_not_have_is_nan(streamed: bool) -> None:
    class Reading(bt.Strategy):
        def next(self) -> None:
            assert np.isnan(self.data.openinterest[0])

    engine_of([make_bars(5)], streamed=streamed).execute(Reading)


def test_stamps_are_backtraders_own_days() -> None:
    time = make_bars(300).time
    back = [bt.num2date(stamp) for stamp in stamps(time)]
    assert back == time.astype("datetime64[us]").tolist()


def test_windows_of_a_stream_stay_as_they_were_when_it_goes_on() -> None:
    bars = make_bars(100)
    feed = StreamFeed(stream_of(bars, 10), bars[:10], keep=4)
    engine = engine_of([])
    engine.add_stream(feed)
    windows = engine.execute(Witness, n=4).strategy.windows
    for i, window in enumerate(windows):
        assert window.digest() == bars[10 + i - 3 : 11 + i].digest()
        assert not window.close.flags.writeable


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_a_stream_that_keeps_just_enough_still_shows_full_windows(seed: int) -> None:
    markets = [random_market(seed, 60, "AAA/USDT"), random_market(seed, 60, "BBB/USDT")]
    engine = engine_of([])
    for bars in markets:
        engine.add_stream(StreamFeed(stream_of(bars, 4), bars[:4], keep=4))
    live = engine.execute(Witness, n=4).strategy
    batch = watch(markets, 4, streamed=False, n=4)
    assert [w.digest() for w in batch.windows] == [w.digest() for w in live.windows]


def test_a_stream_is_asked_for_no_bar_before_it_is_needed() -> None:
    bars = make_bars(20)
    asked: list[int] = []

    class Asking(bt.Strategy):
        def next(self) -> None:
            assert asked[-1] == self.data.index

    def stream() -> Iterator[StreamBar]:
        for i, arrived in enumerate(stream_of(bars)):
            asked.append(i)
            yield arrived

    engine = engine_of([])
    engine.add_stream(StreamFeed(stream(), bars[:0]))
    engine.execute(Asking)
    assert len(asked) == 20


def test_the_bar_that_backtrader_holds_ahead_is_not_shown() -> None:
    whole = make_bars(30, symbol="AAA/USDT")
    holed = with_hole(make_bars(30, symbol="BBB/USDT"), at=10, missing=10)

    class Peeking(bt.Strategy):
        def next(self) -> None:
            now = self.data0.moment
            assert self.data1.window(5).closed_at[-1] <= now
            assert self.data1.moment <= now

    engine = engine_of([whole, holed], streamed=True)
    engine.execute(Peeking)


def test_a_stream_must_go_on_where_it_was() -> None:
    bars = make_bars(30)
    other = make_bars(30, symbol="ETH/USDT")
    for wrong in (bars[12:], bars[9:], other[10:], make_bars(30, timeframe="15m")[20:]):
        engine = engine_of([])
        engine.add_stream(StreamFeed(stream_of(wrong), bars[:10]))
        with pytest.raises(RunError, match="must go on one bar after"):
            engine.execute(Witness)


def test_a_window_must_be_within_what_a_stream_keeps() -> None:
    bars = make_bars(30)
    engine = engine_of([])
    engine.add_stream(StreamFeed(stream_of(bars), bars[:0], keep=5))
    with pytest.raises(RunError, match="raise `keep`"):
        engine.execute(Witness, n=6)


def test_before_its_first_bar_a_feed_has_no_current_one() -> None:
    for feed in (BarsFeed(make_bars(5)), StreamFeed(stream_of(make_bars(5)), make_bars(5)[:0])):
        with pytest.raises(RunError, match="found none yet"):
            _ = feed.index


def test_symbols_that_begin_at_different_times_keep_their_own_positions() -> None:
    early = make_bars(20, symbol="AAA/USDT")
    late = make_bars(10, symbol="BBB/USDT", start="2024-01-01T01:00")
    witness = watch([early, late], 0, streamed=False)
    first = next(row for row in witness.seen if row[0] == "BBB/USDT")
    assert (first[1], first[2]) == (0, np.datetime64("2024-01-01T01:00", "ms"))
