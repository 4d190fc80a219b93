"""When a bar is final, decided without any exchange."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.live.closing import GRACE, Closed, Closing, Rules, Tail
from feeds.live.hearing import SETTLE, STALE, Page
from feeds.live.moment import Origin
from feeds.live.rows import Row, row_of

STEP = 60_000
ALWAYS, DOUBT = Rules(STEP, 2), Rules(STEP, 2, always=False)


def final(time: int, price: float = 100.0, volume: float = 10.0) -> Row:
    return Row(time, price, price + 1, price - 1, price + 0.5, volume)


def forming(row: Row, part: float = 0.5) -> Row:
    """Return the row as it stood before."""
    return row._replace(high=row.open, low=row.open, close=row.open, volume=row.volume * part)


def make(rules: Rules = ALWAYS) -> Closing:
    """Return a closing whose next bar opens at 10 steps."""
    return Closing(rules, 10 * STEP, Tail(9 * STEP, 100.0, segment=4))


def page(rows: Sequence[Row], now: int, watch: float = 0.0) -> Page:
    return Page({row.time: row for row in rows}, 1000 * STEP, now, watch)


BEFORE = final(9 * STEP)
FIRST, SECOND, THIRD = (final((10 + i) * STEP) for i in range(3))
AFTER = 11 * STEP + 1  # a moment when the first bar has just closed


def test_a_successor_closes_a_bar_and_the_clock_does_after_a_grace() -> None:
    closing = make()
    closing.see(FIRST, AFTER)
    assert not closing.wants_answer(11 * STEP + GRACE - 1)
    assert closing.wants_answer(11 * STEP + GRACE)
    closing.see(forming(SECOND), AFTER)
    assert closing.wants_answer(AFTER)


def test_rest_that_equals_the_stream_is_taken_at_once() -> None:
    closing = make()
    closing.see(FIRST, AFTER)
    closing.see(forming(SECOND), AFTER)
    closing.answer(page([BEFORE, FIRST], AFTER))
    assert list(closing.take_all()) == [Closed(FIRST.time, FIRST, Origin.REST, 4)]
    assert closing.counts.repaired == closing.counts.differed == 0


def test_rest_that_knows_more_than_the_stream_is_taken_at_once() -> None:
    closing = make()
    closing.see(forming(FIRST), AFTER)
    closing.see(forming(SECOND), AFTER)
    closing.answer(page([BEFORE, FIRST], AFTER))
    assert closing.take().row == FIRST
    assert closing.counts.differed == 1


def test_rest_that_is_behind_the_stream_is_asked_again_but_not_for_ever() -> None:
    closing = make()
    closing.see(FIRST, AFTER)
    closing.see(forming(SECOND), AFTER)
    behind = forming(FIRST)
    closing.answer(page([BEFORE, behind], AFTER, watch=0))
    closing.answer(page([BEFORE, behind], AFTER, watch=STALE - 1))
    assert closing.peek() is None
    closing.answer(page([BEFORE, behind], AFTER, watch=STALE))
    assert closing.take().row == behind


def test_what_nobody_watched_must_be_said_for_a_while() -> None:
    closing = make()
    now = 11 * STEP + GRACE
    closing.answer(page([BEFORE, forming(FIRST), forming(SECOND)], now, watch=0))
    closing.answer(page([BEFORE, FIRST, forming(SECOND)], now, watch=SETTLE))
    assert closing.peek() is None  # it has changed
    closing.answer(page([BEFORE, FIRST, forming(SECOND)], now, watch=2 * SETTLE))
    assert closing.take().row == FIRST
    assert closing.counts.repaired == 1


def test_a_bar_that_still_forms_is_not_taken_whatever_the_stream_says() -> None:
    closing = make()
    closing.see(forming(FIRST), 10 * STEP)
    closing.see(SECOND, 10 * STEP)  # out of nowhere
    for watch in range(0, 3 * STALE, 1000):
        closing.answer(page([BEFORE, forming(FIRST)], 10 * STEP + 1, watch))
    assert closing.peek() is None


def test_an_absence_takes_three_votes_and_is_filled_up_to_the_limit() -> None:
    closing = make()
    now = 14 * STEP + GRACE
    for watch in (0, 1_000):
        closing.answer(page([BEFORE], now, watch))
        assert closing.peek() is None
    closing.answer(page([BEFORE], now, STALE))
    flat = [Row.flat(time * STEP, 100.0, 0.0) for time in (10, 11)]
    closed = list(closing.take_all())
    assert [each.row for each in closed] == [*flat, None, None]
    assert {each.origin for each in closed} == {Origin.FILLED}
    late = final(14 * STEP)
    for watch in (0, STALE):
        closing.answer(page([BEFORE, late], 15 * STEP + GRACE, watch))
    assert closing.take() == Closed(late.time, late, Origin.REST, 5)  # a new segment


def test_rest_that_is_a_bar_behind_proves_no_absence_for_long() -> None:
    closing = make()
    now = 11 * STEP + GRACE
    for watch in range(0, STALE, 1_000):
        closing.answer(page([BEFORE], now + watch, watch))
    assert closing.peek() is None
    for watch in (STALE, STALE + SETTLE):
        closing.answer(page([BEFORE, FIRST, forming(SECOND)], now + watch, watch))
    assert closing.take() == Closed(FIRST.time, FIRST, Origin.REST, 4)


def test_a_quiet_minute_is_filled_when_nothing_follows_it_and_sooner_when_something_does() -> None:
    closing = make()
    now = 11 * STEP + GRACE
    for watch in (0, 1_000, STALE):
        assert closing.peek() is None
        closing.answer(page([BEFORE], now + watch, watch))
    flat = Row.flat(FIRST.time, 100.0, 0.0)
    assert closing.take() == Closed(FIRST.time, flat, Origin.FILLED, 4)
    followed = make()
    for watch in range(3):
        assert followed.peek() is None
        followed.answer(page([BEFORE, forming(SECOND)], now, watch))
    assert followed.take() == Closed(FIRST.time, flat, Origin.FILLED, 4)


def test_what_nothing_follows_may_have_stood_still_by_chance() -> None:
    closing = make()
    now = 11 * STEP + GRACE
    for watch in range(0, STALE, 1_000):
        closing.answer(page([BEFORE, forming(FIRST)], now + watch, watch))
    assert closing.peek() is None
    closing.answer(page([BEFORE, FIRST], now + STALE, STALE))
    assert closing.peek() is None  # it has changed, so it may form still: the clock may be wrong
    closing.answer(page([BEFORE, FIRST], now + STALE, STALE + 5 * SETTLE))
    assert closing.take().row == FIRST


def test_what_the_stream_has_shown_of_a_bar_is_better_than_none() -> None:
    """The connection broke before the bar was over, and REST never shows it."""
    closing = make()
    closing.see(forming(FIRST), 10 * STEP + 50_000)
    closing.reconnect()
    now = 11 * STEP + GRACE
    for watch in range(0, STALE, 1_000):
        closing.answer(page([BEFORE, forming(SECOND)], now + watch, watch))
    assert closing.peek() is None
    closing.answer(page([BEFORE, forming(SECOND)], now + STALE, STALE))
    assert closing.take() == Closed(FIRST.time, forming(FIRST), Origin.STREAM, 4)


def test_an_empty_answer_proves_nothing() -> None:
    closing = make()
    for _ in range(9):
        closing.answer(page([], 11 * STEP + GRACE))
    assert closing.peek() is None


def test_trades_on_the_stream_are_no_absence() -> None:
    closing = make()
    closing.see(FIRST, AFTER)
    closing.see(forming(SECOND), AFTER)
    for watch in range(0, STALE, 1000):
        closing.answer(page([BEFORE], AFTER, watch))
    assert closing.peek() is None
    closing.answer(page([BEFORE], AFTER, STALE))
    assert closing.take() == Closed(FIRST.time, FIRST, Origin.STREAM, 4)


def test_in_doubt_only_what_was_not_watched_to_its_end_is_asked_for() -> None:
    closing = make(DOUBT)
    closing.see(FIRST, AFTER)
    closing.see(forming(SECOND), AFTER)
    assert not closing.wants_answer(AFTER)
    assert closing.take() == Closed(FIRST.time, FIRST, Origin.STREAM, 4)
    closing.reconnect()
    closing.see(forming(THIRD), AFTER + STEP)
    assert closing.wants_answer(AFTER + STEP)


def test_in_doubt_a_last_push_that_comes_late_is_asked_for_and_reported() -> None:
    closing = make(DOUBT)
    closing.see(forming(FIRST), AFTER)
    closing.see(forming(SECOND), AFTER)
    assert not closing.wants_answer(AFTER)
    closing.see(FIRST, AFTER)
    assert closing.wants_answer(AFTER)
    closing.answer(page([BEFORE, FIRST], AFTER))
    (change,) = closing.handed.take_changes()
    assert change.after == FIRST
    assert not closing.wants_answer(AFTER)


def test_in_doubt_a_candle_that_was_shown_as_none_can_be_is_asked_for() -> None:
    closing = make(DOUBT)
    closing.see(FIRST, AFTER)
    closing.distrust(FIRST.time)
    closing.see(forming(SECOND), AFTER)
    assert closing.wants_answer(AFTER)


def test_in_doubt_a_jump_is_asked_for() -> None:
    closing = make(DOUBT)
    closing.see(FIRST._replace(high=110.0), AFTER)
    closing.see(forming(SECOND), AFTER)
    assert closing.wants_answer(AFTER)


def test_a_revision_is_told_once() -> None:
    closing = make()
    closing.see(FIRST, AFTER)
    closing.see(forming(SECOND), AFTER)
    closing.answer(page([BEFORE, FIRST], AFTER))
    revised = FIRST._replace(close=100.9, volume=11.0)
    for _ in range(3):
        closing.answer(page([BEFORE, revised], AFTER))
    assert [each.after for each in closing.handed.take_changes()] == [revised]
    assert closing.handed.take_changes() == []


def test_a_cache_that_is_behind_is_no_revision() -> None:
    closing = make()
    closing.see(FIRST, AFTER)
    closing.see(forming(SECOND), AFTER)
    closing.answer(page([BEFORE, FIRST], AFTER))
    closing.answer(page([BEFORE, forming(FIRST)], AFTER))
    closing.answer(page([BEFORE, FIRST], AFTER))
    closing.answer(page([BEFORE, forming(FIRST)], AFTER))
    assert closing.handed.take_changes() == []


def test_a_symbol_that_was_halted_goes_on_in_a_new_segment() -> None:
    closing = make()
    closing.skip_to(12 * STEP)
    closing.see(THIRD, 13 * STEP)
    closing.see(forming(final(13 * STEP)), 13 * STEP)
    closing.answer(page([BEFORE, THIRD], 13 * STEP))
    assert closing.take() == Closed(THIRD.time, THIRD, Origin.REST, 5)


def test_bars_that_were_decided_during_a_halt_leave_a_hole() -> None:
    closing = make()
    closing.answer(page([BEFORE, FIRST, SECOND, THIRD], 14 * STEP))
    assert closing.next == THIRD.time
    closing.skip_to(SECOND.time)
    assert closing.take() == Closed(SECOND.time, SECOND, Origin.REST, 5)
    closing.skip_to(THIRD.time)
    closing.answer(page([BEFORE, THIRD, final(13 * STEP)], 15 * STEP))
    assert closing.take() == Closed(THIRD.time, THIRD, Origin.REST, 5)


@pytest.mark.parametrize(
    "values",
    [[STEP, None, 1, 1, 1, 1], [STEP, 0, 0, 0, 0, 0], [STEP + 1, 1, 1, 1, 1, 1], [STEP, 1, 1, 1],
     [STEP, 2, 1, 1, 1, 1], [STEP, 1, 1, 1, 1, -1], [STEP, 1, np.nan, 1, 1, 1], ["x", 1, 1, 1, 1],
     [STEP, 1, np.inf, 1, 1, 1], [0, 1, 1, 1, 1, 1], [None, 1, 1, 1, 1, 1]],
)  # fmt: skip
def test_what_cannot_be_a_candle_is_none(values: list[object]) -> None:
    assert row_of(values, STEP) is None


@dataclass(slots=True)
class Market:
    """An exchange whose minutes are known, those without trades included."""

    rows: list[Row | None]  # from 10 steps on

    def page(self, now: int, watch: float, defect: str) -> Page:
        """Return what REST shows at a moment, the candle that forms included."""
        shown = [BEFORE, *(row for row in self.rows if row and row.time <= now)]
        shown = [row if row.time + STEP <= now else forming(row, 0.4) for row in shown]
        match defect:
            case "empty":
                shown = []
            case "short":
                shown = shown[:2]
            case "hole":
                shown = shown[:1] + shown[2:]
            case _:
                pass
        return page(shown, now, watch)


def minutes() -> st.SearchStrategy[list[Row | None]]:
    trades = st.lists(st.booleans(), min_size=1, max_size=12)
    return trades.map(
        lambda traded: [
            final((10 + i) * STEP, 100.0 + i) if each else None for i, each in enumerate(traded)
        ]
    )


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["clock", "push", "final", "reconnect", "rest", "empty", "short", "hole"]),
        st.integers(0, 14),
        st.integers(0, 90_000),
    ),
    max_size=60,
)


def played(closing: Closing, market: Market, events: Sequence[tuple[str, int, int]]) -> int:
    """Let things happen in any order; return what time it is then."""
    now = 10 * STEP
    for kind, number, ms in events:
        now += ms if kind == "clock" else 0
        row = market.rows[number] if number < len(market.rows) else None
        if kind == "reconnect":
            closing.reconnect()
        elif kind in ("push", "final") and row is not None and row.time <= now:
            over = kind == "final" and row.time + STEP <= now
            closing.see(row if over else forming(row, 0.1 + ms / 1e6), now)
        elif closing.wants_answer(now) and kind not in ("clock", "push", "final"):
            closing.answer(market.page(now, now, kind))
    return now


def settled(closing: Closing, market: Market, now: int) -> Iterator[Closed]:
    """Yield what leaves when REST is asked until everything is decided."""
    now = max(now, (10 + len(market.rows)) * STEP + GRACE)
    for tries in range(100):
        if not closing.wants_answer(now):
            break
        closing.answer(market.page(now, now + 1000 * tries, "none"))
    yield from closing.take_all()


@given(rows=minutes(), events=EVENTS)
def test_each_bar_leaves_once_in_order_on_the_grid_as_the_exchange_says_at_last(
    rows: list[Row | None], events: list[tuple[str, int, int]]
) -> None:
    """Whatever order candles come in, however often, and whatever REST leaves out at times."""
    closing, market = make(), Market(rows)
    defects = [i for i, each in enumerate(events) if each[0] in ("hole", "short")]
    # Who leaves a bar out thrice is believed.
    merciful = [each for i, each in enumerate(events) if i not in defects[2:]]
    now = played(closing, market, merciful)
    closed = list(settled(closing, market, now))[: len(rows)]
    assert [each.time for each in closed] == [(10 + i) * STEP for i in range(len(rows))]
    for each, row in zip(closed, rows, strict=True):
        if row is not None:
            assert each.row == row
        else:
            assert each.origin is Origin.FILLED
            assert each.row is None or each.row.volume == 0


@given(
    rows=st.lists(
        st.tuples(st.integers(8, 16), st.floats(0.1, 9.0), st.booleans(), st.integers(0, 20)),
        max_size=60,
    ),
    rules=st.sampled_from([ALWAYS, DOUBT]),
)
def test_no_bar_leaves_twice_or_out_of_order_even_if_everybody_lies(
    rows: list[tuple[int, float, bool, int]], rules: Rules
) -> None:
    closing, left = make(rules), list[Closed]()
    for i, (number, volume, streamed, minute) in enumerate(rows):
        row, now = final(number * STEP, 90 + volume, volume), minute * STEP
        if streamed:
            closing.see(row, now)
        elif closing.wants_answer(now):
            closing.answer(page([BEFORE, row], now, i * 4000.0))
        closing.wants_answer(now)
        left += closing.take_all()
    assert [each.time for each in left] == [(10 + i) * STEP for i in range(len(left))]
    segments = [each.segment for each in left]
    assert segments == sorted(segments)
