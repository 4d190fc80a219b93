"""Candles that are stamped later than they can be: they close nothing and move no clock."""

from collections.abc import Iterator
from typing import Any

import pytest

from feeds.live.candles import CandleCache
from feeds.live.client import Client
from feeds.live.closing import Closing, Rules, Tail
from feeds.live.hearing import MOST, Page
from feeds.live.rows import Row
from feeds.live.spec import Confirm
from tests.feeds.live.harness import Scene, assert_true, follow

STEP = 60_000
OPENS = 28_333_334 * STEP  # of the candle that forms
BEFORE, FORMING = Row.flat(OPENS - STEP, 100.0, 1.0), Row(OPENS, 100.0, 101.0, 100.0, 101.0, 3.0)
YEAR = 365 * 24 * 60 * STEP
CENTURIES = 10**18 // STEP * STEP
AHEAD = [STEP, 2 * STEP, 5 * STEP, YEAR, CENTURIES]


def make(*, always: bool) -> Closing:
    closing = Closing(Rules(STEP, 5, always), OPENS, Tail(BEFORE.time, 100.0, 0))
    closing.handed.add(BEFORE)
    closing.see(FORMING, OPENS + 10_000)
    return closing


@pytest.mark.parametrize("always", [True, False])
@pytest.mark.parametrize("ahead", AHEAD)
def test_a_candle_of_the_future_closes_nothing(ahead: int, always: bool) -> None:
    closing, wrong = make(always=always), Row.flat(OPENS + ahead, 100.0, 1.0)
    closing.see(wrong, OPENS + 10_500)
    assert not closing.wants_answer(OPENS + 10_500)
    rows = {row.time: row for row in (BEFORE, FORMING, wrong)}
    for watch in range(0, 60_000, 1_000):
        closing.answer(Page(rows, wrong.time + STEP, OPENS + 12_000, watch))
    assert closing.peek() is None
    for second in (30, 59):
        closing.see(FORMING._replace(volume=4.0 + second), OPENS + second * 1_000)
    last = FORMING._replace(volume=63.0)
    following = Row.flat(OPENS + STEP, 101.0, 0.5)  # less than the wrong one had
    closing.see(following, OPENS + STEP + 100)
    assert closing.wants_answer(OPENS + STEP + 100) is always
    rows = {row.time: row for row in (BEFORE, last, following)}
    closing.answer(Page(rows, OPENS + 2 * STEP, OPENS + STEP + 200, 61_000))
    assert closing.take().row == last
    assert closing.counts.stale == 0


def test_a_page_that_reaches_far_is_heard_in_parts() -> None:
    """Even if the clock were decades ahead."""
    closing, wrong = make(always=True), Row.flat(OPENS + CENTURIES, 100.0, 1.0)
    rows = {row.time: row for row in (BEFORE, FORMING, wrong)}
    for watch in range(0, 30_000, 10_000):
        closing.answer(Page(rows, wrong.time + STEP, wrong.time, watch))
    assert len(list(closing.take_all())) <= MOST


def lie(monkeypatch: pytest.MonkeyPatch, ahead: int) -> None:
    """Let answers and pushes have a candle more, stamped so many ms after the newest.

    One that is stamped a step ahead comes with the first push of each candle: half a second before
    its time nothing is wrong with it.
    """
    rows, news = Client.rows, CandleCache.news

    async def rows_and_one(self: Client, symbol: str, since: int | None) -> list[Row]:
        page = await rows(self, symbol, since)
        return [*page, *(Row.flat(row.time + ahead, 50.0, 1e9) for row in page[-1:])]

    def news_and_one(self: CandleCache, cache: Any) -> Iterator[tuple[tuple[Any, ...], bool]]:
        told = list(news(self, cache))
        yield from told
        for row, known in told[-1:]:
            if ahead > STEP or not known:
                yield (row[0] + ahead, 50.0, 50.0, 50.0, 50.0, 1e9), known

    monkeypatch.setattr(Client, "rows", rows_and_one)
    monkeypatch.setattr(CandleCache, "news", news_and_one)


@pytest.mark.parametrize("confirm", ["always", "doubt"])
@pytest.mark.parametrize("ahead", [STEP, 5 * STEP, CENTURIES])
def test_no_bar_is_wrong_for_them(
    ahead: int, confirm: Confirm, monkeypatch: pytest.MonkeyPatch
) -> None:
    lie(monkeypatch, ahead)
    followed = follow(Scene(bars=4, speed=300.0, confirm=confirm))
    assert_true(followed, ["BTC/USDT"], 4)
    assert followed.health.filled == 0
    assert ("stream: a candle of the future" in followed.health.failures) == (ahead > 2 * STEP)
    assert ("REST: a candle of the future" in followed.health.failures) == (ahead > 2 * STEP)
    assert not any(moment.revisions for moment in followed.moments)
