"""Questions to an exchange, repeated with patience: many at once, within what it allows."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import numpy as np

from feeds.clock import Clock
from feeds.errors import UnreachableError
from feeds.exchange import Patience, refuse_hopeless, retry_after, said_of
from feeds.live.client import TROUBLE, Answer, listening
from feeds.live.tally import Tally

log = logging.getLogger("tandem.feeds")
T = TypeVar("T")

AT_ONCE = 10  # questions


class Asking:
    """Asks until there is an answer.

    Parameters
    ----------
    patience : between tries; how many there are is said with each question
    clock : the local one, for a Retry-After that is a date
    rng : of the waits
    """

    def __init__(
        self, name: str, patience: Patience, tally: Tally, clock: Clock, rng: np.random.Generator
    ) -> None:
        self._name = name
        self._patience = patience
        self._tally = tally
        self._clock = clock
        self._rng = rng
        self._peace = 0.0  # until when, by the stopwatch, nobody asks anything
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def ask(self, question: Callable[[], Awaitable[T]], *, attempts: float = math.inf) -> T:
        """Return the answer, asking again while there is hope.

        Raises
        ------
        ExchangeError
            what no patience will change
        UnreachableError
            after so many attempts without a proper answer
        """
        tries = 0
        while True:
            tries += 1
            try:
                return await self._once(question)
            except TROUBLE as error:
                await self._wait_after(error, tries, attempts)

    async def _once(self, question: Callable[[], Awaitable[T]]) -> T:
        async with self._slots:
            while (wait := self._peace - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            async with listening() as answer:
                try:
                    return await question()
                except TROUBLE:
                    self._keep_peace(answer)
                    raise

    def _keep_peace(self, answer: Answer) -> None:
        """Let all wait for as long as the exchange has asked for."""
        asked = retry_after(answer.headers, self._clock.now())
        if 0 < asked < math.inf:
            self._peace = max(self._peace, time.monotonic() + asked)

    async def _wait_after(self, error: Exception, tries: int, attempts: float) -> None:
        said = said_of(error)
        self._tally.fail(f"REST: {said if said.startswith('HTTP ') else type(error).__name__}")
        refuse_hopeless(self._name, error, tries)
        if tries >= attempts:
            raise UnreachableError(
                f"{self._name} was asked {tries} times and gave no proper answer, at last: {said}; "
                "try again later"
            ) from error
        wait = self._patience.wait(min(tries, 32), self._rng)
        log.warning("%s: %s; asking again in %.1f s (try %d)", self._name, said, wait, tries + 1)
        await asyncio.sleep(wait)
