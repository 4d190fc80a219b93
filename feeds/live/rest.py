"""What a live feed asks by REST: bars, the time, and who is still traded."""

import asyncio
import math
from collections.abc import Awaitable, Callable

from feeds.live.asking import Asking
from feeds.live.client import Client
from feeds.live.closing import Closing
from feeds.live.hearing import Page
from feeds.live.rows import Row
from feeds.live.tally import Tally
from feeds.live.timekeeping import SLIGHT, ExchangeClock

ROUND_TRIPS = 3  # of which the quickest sets the clock
FIRST_PAUSE, LONGEST_PAUSE = 500.0, 5_000.0  # ms of market time between askings of the same
LEAST_PAUSE_S = 0.02  # real


class Rest:
    """Asks one exchange, as patiently as told."""

    def __init__(
        self, client: Client, asking: Asking, clock: ExchangeClock, speed: float, tally: Tally
    ) -> None:
        self._client = client
        self._asking = asking
        self._clock = clock
        self._speed = speed
        self._tally = tally

    async def load_markets(self, attempts: float = math.inf) -> None:
        """Ask which symbols are traded."""
        await self._asking.ask(self._client.load_markets, attempts=attempts)

    async def set_clock(self, attempts: float = math.inf) -> None:
        """Ask for the time, where it is told; the quickest answer is the best."""
        if not self._client.can.tell_time:
            return
        trips = []
        for _ in range(ROUND_TRIPS):
            asked = self._clock.instant()
            moment = await self._asking.ask(self._client.time, attempts=attempts)
            answered = self._clock.instant()
            trips.append((answered.since(asked).watch, moment, asked.halfway(answered)))
        _, moment, instant = min(trips)
        self._clock.told(moment, at=instant)

    async def newest(self, symbol: str, attempts: float = math.inf) -> int:
        """Return when the newest candle opened, the forming one included; 0 if none is shown."""
        rows = await self._rows(symbol, None, attempts)
        if not rows:
            return 0
        before, last = rows[-2:] if len(rows) > 1 else rows * 2
        if before.time > self._clock.now() + SLIGHT:  # two are not stamped wrongly: time is late
            follows = last.time - before.time <= self._client.timeframe.ms
            self._clock.begin(last.time if follows else before.time)
        self._clock.shown(symbol, last)
        return last.time

    async def pause(self, ms: float) -> None:
        """Wait for so much market time."""
        await asyncio.sleep(max(ms / 1000 / self._speed, LEAST_PAUSE_S))

    async def settle(
        self,
        symbol: str,
        closing: Closing,
        now: Callable[[], int],
        *,
        progressed: Callable[[], Awaitable[None]] | None = None,
        attempts: float = math.inf,
    ) -> None:
        """Ask about a symbol's bars until all that have closed are decided.

        Parameters
        ----------
        now : the exchange's time, in ms
        progressed : awaited each time some were
        """
        again, pause = False, FIRST_PAUSE
        while closing.wants_answer(now()):
            before, since = closing.next, closing.asks_from(again=again)
            closing.answer(await self._page(symbol, since, closing.next, now, attempts))
            if closing.next > before:
                again, pause = False, FIRST_PAUSE
                if progressed is not None:
                    await progressed()
            elif closing.wants_answer(now()):
                again = not again
                await self.pause(pause)
                pause = min(1.5 * pause, LONGEST_PAUSE)

    async def _page(
        self, symbol: str, since: int, wanted: int, now: Callable[[], int], attempts: float
    ) -> Page:
        rows = await self._rows(symbol, since, attempts)
        shown = {row.time: row for row in rows if row.time >= since}
        step = self._client.timeframe.ms
        newest = max(shown, default=0)
        # Behind the last row that it shows a page may have been cut; and it covers no more time
        # than its rows would take if none were missing.
        covered = newest + step if newest >= wanted else since + self._client.page_rows * step
        if shown:
            self._clock.shown(symbol, shown[newest])
        return Page(shown, covered, now(), self._clock.elapsed())

    async def _rows(self, symbol: str, since: int | None, attempts: float) -> list[Row]:
        """Return a page of rows, oldest first, without those that cannot be."""
        page = await self._asking.ask(lambda: self._client.rows(symbol, since), attempts=attempts)
        rows = sorted(row for row in page if self._clock.accepts(row.time))
        for _ in range(len(page) - len(rows)):
            self._tally.fail("REST: a candle of the future")
        return rows
