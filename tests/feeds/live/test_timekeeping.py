"""What time it is for the exchange, as far as it can be known from here."""

from datetime import UTC, datetime, timedelta
from time import sleep

from feeds.clock import FixedClock, ReplayClock
from feeds.live.rows import Row
from feeds.live.timekeeping import ALLOWED, DAY, SLIGHT, ExchangeClock

STEP = 60_000
BTC = "BTC/USDT"


def forming(opened: int, volume: float = 1.0) -> Row:
    return Row.flat(opened, 100.0, volume)


class HandClock:
    """A clock here that is set by hand."""

    def __init__(self) -> None:
        self.ms = 1_000_000_000.0
        self.passed = 0.0  # by a stopwatch

    def passes(self, ms: float) -> None:
        """Let time pass."""
        self.ms += ms
        self.passed += ms

    def now(self) -> datetime:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=self.ms)

    def stopwatch(self) -> float:
        return self.passed / 1000


def told(ahead: float) -> tuple[ExchangeClock, HandClock]:
    """Return a clock that was told a time so many ms ahead of the one here."""
    here = HandClock()
    clock = ExchangeClock(here, 1.0, STEP)
    clock.told(here.ms + ahead, at=clock.instant())
    return clock, here


def test_the_time_is_what_was_told_and_what_has_passed_since() -> None:
    clock, here = told(90_000)
    here.passes(5)
    assert clock.now() == 1_000_090_005
    assert clock.offset == 90_000


def test_a_candle_that_is_still_pushed_has_not_closed() -> None:
    clock, here = told(90_000)
    clock.pushed(int(here.ms) + 10)
    assert clock.now() == here.ms + 10
    here.passes(1_000)
    assert clock.now() == here.ms + 10
    clock.pushed(int(here.ms) + 5 * STEP)  # says nothing new
    assert clock.now() == here.ms + 10


def test_a_candle_that_is_shown_has_opened() -> None:
    clock, here = told(-90_000)
    clock.shown(BTC, forming(int(here.ms)))
    assert clock.now() == here.ms - 90_000  # it may be stamped wrongly
    here.passes(2_000)
    clock.shown(BTC, forming(int(here.ms) - 2_000, volume=2.0))
    assert clock.now() == here.ms  # not if it goes on forming
    clock.shown(BTC, forming(int(here.ms) + SLIGHT))
    assert clock.now() == here.ms + SLIGHT


def test_one_candle_of_the_future_moves_no_clock() -> None:
    clock, here = told(0)
    for ahead in (STEP, 2 * STEP, 5 * STEP, 10**18):
        wrong = forming(int(here.ms) + ahead)
        for symbol in (BTC, "ETH/USDT", BTC):
            clock.shown(symbol, wrong)
        assert clock.now() == here.ms
        clock.told(here.ms, at=clock.instant())
        assert clock.now() == here.ms


def test_what_is_stamped_later_than_can_be_is_not_accepted() -> None:
    clock, here = told(-90_000)
    assert clock.accepts(int(here.ms))  # told wrongly, by as much as that
    assert not clock.accepts(int(here.ms) - 90_000 + STEP + ALLOWED + 5_000)
    assert clock.has_refused()
    assert not clock.has_refused()
    assert not clock.accepts(10**18)
    here.ms -= 3_600_000  # somebody sets the clock here: a stopwatch knows better
    assert clock.accepts(int(here.ms) + 3_600_000)
    here.ms += 7_200_000  # the machine was asleep for an hour, and its stopwatch, too
    assert clock.accepts(int(here.ms))


def test_what_is_sent_is_stamped_after_all_that_has_come() -> None:
    clock, here = told(-500)
    assert clock.accepts(int(here.ms))
    assert clock.now() == here.ms - 500
    assert clock.after_all() == here.ms + 1
    assert not clock.accepts(int(here.ms) + 10 * STEP)
    assert clock.after_all() == here.ms + 1
    here.passes(1_000)
    assert clock.after_all() == here.ms - 500


def test_a_burst_that_was_under_way_for_long_is_made_up_for_by_the_next_candle() -> None:
    clock, here = told(0)
    opens = int(here.ms) + 30_000
    clock.pushed(int(here.ms) - 30_000)
    assert clock.now() == here.ms - 30_000
    here.passes(opens - here.ms)
    clock.shown(BTC, forming(opens))
    here.passes(2_000)
    clock.shown(BTC, forming(opens, volume=2.0))
    assert clock.now() == here.ms
    clock.told(here.ms, at=clock.instant())
    assert clock.now() == here.ms


def test_a_correction_is_kept_as_long_as_it_is_seen_and_follows_what_is_told() -> None:
    clock, here = told(90_000)
    clock.pushed(int(here.ms))
    clock.told(here.ms + 90_000, at=clock.instant())
    assert clock.now() == here.ms  # the same lie again
    clock.pushed(int(here.ms))
    clock.told(here.ms, at=clock.instant())
    assert clock.now() == here.ms  # the truth at last
    clock.pushed(int(here.ms) - 30_000)  # a burst that was under way for long
    assert clock.now() == here.ms - 30_000
    clock.told(here.ms, at=clock.instant())
    clock.told(here.ms, at=clock.instant())
    assert clock.now() == here.ms


def test_a_local_clock_that_is_set_forward_does_not_run_ahead() -> None:
    clock, here = told(90_000)
    before = clock.now()
    here.ms += 3_600_000  # somebody sets it
    here.passes(1_000)
    assert clock.now() == before + 1_000
    clock.told(before + 1_000, at=clock.instant())
    here.passes(500)
    assert clock.now() == before + 1_500


def test_a_local_clock_that_is_set_while_the_time_is_asked_does_not_run_ahead() -> None:
    clock, here = told(0)
    for jump in (90_000, 3_600_000, -90_000):
        asked, before = clock.instant(), clock.now()
        here.ms += jump  # somebody sets it
        here.passes(1_000)
        answered = clock.instant()
        clock.told(before + 500, at=asked.halfway(answered))
        assert clock.now() <= before + 1_000
        asked = clock.instant()
        clock.told(before + 1_000, at=asked)
        assert clock.now() == before + 1_000


def test_a_candle_that_is_pushed_after_the_local_clock_was_set_says_nothing_of_the_time() -> None:
    clock, here = told(0)
    opened = int(here.ms)
    here.ms += 3_600_000  # somebody sets it
    here.passes(1_000)
    clock.shown(BTC, forming(opened))
    clock.pushed(opened + STEP)
    assert clock.now() == opened + 1_000


def test_a_recording_that_has_not_begun_yet_does_not_set_the_stopwatch_against_the_clock() -> None:
    recording = ReplayClock(datetime(2024, 1, 1, tzinfo=UTC), speed=600.0)
    clock = ExchangeClock(recording, 600.0, STEP)
    before = clock.instant()
    sleep(0.05)  # half a minute of the recording, if it ran
    assert clock.instant() == before
    recording.start()
    sleep(0.05)
    passed = clock.instant().since(before)
    assert passed.local >= 30_000
    assert abs(passed.local - passed.watch) < 3_000  # they are read one after the other


def test_without_a_told_time_it_is_late_but_never_early() -> None:
    here = HandClock()
    clock = ExchangeClock(here, 1.0, STEP)
    assert clock.now() == 0
    assert clock.accepts(int(here.ms))
    assert not clock.accepts(int(here.ms) + 2 * DAY)
    clock.begin(5 * STEP)
    here.ms += 3_600_000  # somebody sets the clock here
    assert 5 * STEP <= clock.now() < 5 * STEP + 10_000
    clock.begin(4 * STEP)
    assert clock.now() >= 5 * STEP
    clock.shown(BTC, forming(6 * STEP))
    clock.shown(BTC, forming(6 * STEP, volume=2.0))
    assert clock.now() >= 6 * STEP
    clock.pushed(6 * STEP - 1_000)  # hence it was early
    assert 6 * STEP - 1_000 <= clock.now() < 6 * STEP


def test_a_clock_that_was_set_is_noticed() -> None:
    here = HandClock()
    clock = ExchangeClock(here, 1.0, STEP)
    assert not clock.was_set()
    here.ms -= 90_000
    assert clock.was_set()
    assert not clock.was_set()
    standing = ExchangeClock(FixedClock(here.now()), 1.0, STEP)
    assert not standing.was_set()
