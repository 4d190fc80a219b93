"""A live feed: the bars of many symbols, complete, in order and once, from a thread of its own.

    with LiveFeed(spec) as feed:
        while not feed.ended:
            moment = feed.next_moment(timeout=1.0)

1. `opening` loads markets, sets the clock and fetches history by REST.
2. `wire` and `listening` keep the streams alive and carry candles and trades to
3. `closing`, which decides symbol by symbol when a bar is final, asking REST by `rest`.
4. `assembly` puts together what closed at one time, `tapes` the trades inside of it.
5. `session` holds these together in one event loop, and this module hands their moments over.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Self

import numpy as np

from feeds.bars import Bars
from feeds.clock import SystemClock, TimedClock
from feeds.errors import FeedError
from feeds.live.moment import FeedHealth, Moment, Opening
from feeds.live.session import Session
from feeds.live.spec import LiveSpec

__all__ = ["LiveFeed", "LiveSpec"]


class LiveFeed:
    """A feed from the start of a block to its end.

    Parameters
    ----------
    known : bars that are known already, by symbol; the feed goes on after the last of them, and
        what closed before it was opened comes first, as offline moments
    clock : the local one
    speed : market seconds per real second; more than 1 with a stand-in only
    rng : of the waits between tries

    Attributes
    ----------
    opening : what is known when the feed is open, inside of the block
    """

    opening: Opening

    def __init__(
        self,
        spec: LiveSpec,
        *,
        known: Mapping[str, Bars] | None = None,
        clock: TimedClock | None = None,
        speed: float = 1.0,
        rng: np.random.Generator | None = None,
    ) -> None:
        self._moments: SimpleQueue[Moment | BaseException | None] = SimpleQueue()
        self._ended = False
        self._stopping = asyncio.Event()
        self._session = Session(
            spec,
            dict(known or {}),
            local=clock or SystemClock(),
            speed=speed,
            rng=rng or np.random.default_rng(),
            deliver=self._moments.put,
        )

    def __enter__(self) -> Self:
        """Open the feed.

        Raises
        ------
        FeedError
            if the exchange does not offer what is asked, or does not answer properly
        """
        opened: Future[Opening] = Future()
        # The plain loop, whatever the program has installed.
        self._loop = asyncio.SelectorEventLoop()
        self._thread = Thread(target=self._run, args=(opened,), name="live-feed", daemon=True)
        self._thread.start()
        try:
            self.opening = opened.result()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        self.stop()
        self._thread.join()

    def next_moment(self, timeout: float) -> Moment | None:
        """Return the next moment; None if there is none within so many real seconds.

        Raises
        ------
        FeedError
            if the feed cannot go on
        """
        if self._ended:
            return None
        try:
            moment = self._moments.get(timeout=timeout)
        except Empty:
            return None
        if isinstance(moment, BaseException):
            self._ended = True
            raise moment
        self._ended = moment is None
        return moment

    @property
    def ended(self) -> bool:
        """Whether the feed has come to its end and all its moments have been taken."""
        return self._ended

    def now(self) -> np.datetime64:
        """Return the exchange's time; it is after the stamps of all that has come."""
        return np.datetime64(self._session.clock.after_all(), "ms")

    def watch_trades(self, symbols: Collection[str]) -> None:
        """Take whose trades are wanted from now on, on the tapes of the moments."""
        self._call(self._session.watch_trades, tuple(symbols))

    def health(self) -> FeedHealth:
        """Return how the feed is doing."""
        return self._session.tally.health()

    def stop(self) -> None:
        """Let the feed end soon."""
        self._call(self._stopping.set)

    def _call(self, action: Callable[..., None], *args: object) -> None:
        """Have something done in the feed's thread; nothing, if that has ended."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(action, *args)

    def _run(self, opened: Future[Opening]) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._main(opened))

    async def _main(self, opened: Future[Opening]) -> None:
        work = asyncio.create_task(self._session.run(opened.set_result))
        stop = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        work.cancel()
        (error,) = await asyncio.gather(work, return_exceptions=True)
        if isinstance(error, BaseException) and not isinstance(error, asyncio.CancelledError):
            self._fail(opened, error)
        elif not opened.done():
            self._fail(opened, FeedError("the feed was stopped before it had opened"))
        self._moments.put(None)

    def _fail(self, opened: Future[Opening], error: BaseException) -> None:
        if opened.done():
            self._moments.put(error)
        else:
            opened.set_exception(error)
