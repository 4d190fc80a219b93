"""Lines of recorded bars read the bars' own memory, and read as they did from copies."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine.clock import Timeline
from engine.data import BarsFeed, as_line
from engine.equity import merged_times
from tests.engine.markets import random_market

NUMBERS = st.one_of(
    arrays(np.float64, st.integers(0, 40), elements=st.floats(allow_nan=False)),
    arrays(np.bool_, st.integers(0, 40)),
    arrays(np.int64, st.integers(0, 40), elements=st.integers(0, 2**53)),
)


@given(NUMBERS)
def test_a_line_reads_as_the_same_floats_whatever_it_is_kept_as(values: np.ndarray) -> None:
    read = list(as_line(values))

    assert read == values.astype(np.float64).tolist()
    assert all(type(each) is float for each in read)


def test_lines_of_prices_are_the_memory_of_the_bars() -> None:
    bars = random_market(3, 80)
    feed = BarsFeed(bars, first=7)
    feed.preload()

    for name in ("open", "high", "low", "close", "volume"):
        line = np.asarray(getattr(feed.lines, name).array)
        assert np.shares_memory(line, getattr(bars, name))
        np.testing.assert_array_equal(line, getattr(bars, name)[7:])


@given(seeds=st.lists(st.integers(0, 5), min_size=1, max_size=4))
def test_times_of_several_symbols_are_those_of_all(seeds: list[int]) -> None:
    times = [random_market(seed, 30).time for seed in seeds]

    found = merged_times(times)

    np.testing.assert_array_equal(found, np.unique(np.concatenate(times)))


@given(seeds=st.lists(st.integers(0, 3), min_size=2, max_size=3), first=st.integers(0, 29))
def test_each_feed_stands_at_its_last_bar_at_every_moment(seeds: list[int], first: int) -> None:
    markets = [random_market(seed, 30) for seed in seeds]
    feeds = [BarsFeed(bars, first) for bars in markets]
    for feed in feeds:
        feed.preload()
    timeline = Timeline(feeds)
    moments = merged_times([bars.time[first:] for bars in markets])

    for place, bars in enumerate(markets):
        own = bars.time[first:]
        begun = np.flatnonzero(moments >= own[0])
        known = np.searchsorted(own, moments[begun], side="right")
        np.testing.assert_array_equal(
            timeline.closes(place, slice(begun[0], None)), bars.close[first + known - 1]
        )
        at = [timeline.moment_of(place, first + row) for row in range(len(own))]
        np.testing.assert_array_equal(moments[at], own)
