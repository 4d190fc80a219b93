"""Spans: joining and subtracting them loses no moment and invents none."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from feeds.spans import Span, joined, span_of, uncovered
from feeds.timeframe import Timeframe

spans = st.builds(Span, st.integers(0, 30), st.integers(0, 30))


def moments(*parts: Span) -> set[int]:
    return {moment for part in parts for moment in range(*part)}


@given(st.lists(spans, max_size=8))
def test_joined_spans_are_the_same_time_sorted_and_apart(parts: list[Span]) -> None:
    result = joined(parts)
    assert moments(*result) == moments(*parts)
    edges = [edge for span in result for edge in span]
    assert edges == sorted(set(edges))


@given(spans, st.lists(spans, max_size=8))
def test_what_is_uncovered_is_the_span_without_the_others(span: Span, parts: list[Span]) -> None:
    assert moments(*uncovered(span, parts)) == moments(span) - moments(*parts)


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.sampled_from(["1m", "5m", "1h", "1d"]))
def test_a_span_holds_just_the_bars_that_open_in_the_dates(
    start: int, length: int, name: str
) -> None:
    timeframe = Timeframe.parse(name)
    first = np.datetime64("2024-01-01", "ms") + np.timedelta64(start, "ms")
    span = span_of(first, first + np.timedelta64(length, "ms"), timeframe)
    asked = int(first.astype(np.int64))
    assert span.start % timeframe.ms == span.end % timeframe.ms == 0
    assert 0 <= span.start - asked < timeframe.ms
    assert 0 <= span.end - (asked + length) < timeframe.ms
    assert span.bars(timeframe) == len(range(span.start, span.end, timeframe.ms))


def test_nothing_is_asked_for_from_before_there_were_coins() -> None:
    span = span_of(np.datetime64("1970-01-01"), np.datetime64("2024-01-01"), Timeframe.parse("5m"))
    assert str(span) == "2010-01-01 00:00Z to 2024-01-01 00:00Z"
