"""One subscription to an exchange's stream, kept alive whatever happens to its connection."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import ccxt
import numpy as np

from feeds.exchange import Patience, refuse_hopeless, said_of
from feeds.live.client import TROUBLE, Client
from feeds.live.tally import Tally

log = logging.getLogger("tandem.feeds")

STEADY_S = 5.0  # real: a connection that held so long was no flapping one
LONGEST_SILENCE = 16  # times the usual one, where a market is merely quiet

_PLANNED, _SILENCE = "planned", "silence"


class Limits(NamedTuple):
    """How long something may last, in real seconds.

    Attributes
    ----------
    silence_s : without a push, after which a connection counts as dead
    connection_s : of a connection, which is then made anew
    """

    silence_s: float
    connection_s: float


class PlannedError(ccxt.NetworkError):
    """A connection was ended because it is old: nothing is wrong with it."""


class Wire:
    """Awaits push after push, and connects anew when the connection ends, is silent or is old.

    Parameters
    ----------
    called : what is pushed, in words for the log
    subscribe : awaits the next push; ccxt connects and subscribes as need be
    pushed : called when something was pushed: it is in ccxt's caches
    lost : called when the connection has ended: what is in ccxt's caches is worthless
    """

    def __init__(
        self,
        client: Client,
        subscribe: Callable[[], Awaitable[Any]],
        *,
        called: str,
        pushed: Callable[[], None],
        lost: Callable[[], None],
        limits: Limits,
    ) -> None:
        self._client = client
        self._called = called
        self._subscribe = subscribe
        self._pushed = pushed
        self._lost = lost
        self._limits = limits
        self._patience = Patience(first=0.1)
        self._connections: list[Any] = []  # those that were there when it was looked last
        self._since = self._spoken = 0.0
        self._silences = self._breaks = 0
        self._quiet_s = 0.0  # how long the connection was that was given up for its silence
        self._counted = False  # whether the connection that is being made has been counted
        self._why: str | None = None

    @property
    def speaks(self) -> bool:
        """Whether something was pushed lately."""
        return bool(self._connections) and time.monotonic() - self._spoken <= self._patient_s

    @property
    def _patient_s(self) -> float:
        return self._limits.silence_s * min(2.0**self._silences, LONGEST_SILENCE)

    async def run(self, tally: Tally, rng: np.random.Generator) -> None:
        """Listen for ever.

        Raises
        ------
        ExchangeError
            if the exchange refuses for good
        """
        while True:
            if self._why is not None or self._broken():
                self._lose(tally)
            try:
                pushed = await self._await_push()
            except TROUBLE as error:
                refuse_hopeless(self._client.name, error, tries=1)
                if isinstance(error, PlannedError):  # by another wire on the same connection
                    self._why = _PLANNED
                self._lose(tally, said_of(error))
                self._breaks += 1
                await asyncio.sleep(self._patience.wait(min(self._breaks, 32), rng))
                continue
            if pushed and self._why is None and self._alive() and not self._broken():
                self._note(tally)
                self._pushed()
            elif pushed:  # over a connection that has ended since
                self._why = self._why or "connection lost"

    async def _await_push(self) -> bool:
        """Return whether something was pushed, in good time."""
        try:
            async with asyncio.timeout(self._patient_s):  # wait_for may lose a cancellation
                await self._subscribe()
        except TimeoutError:
            self._suspect()
            return False
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            self._why = "connection closed"  # ccxt has cancelled what was awaited
            return False
        return True

    def _broken(self) -> bool:
        """Return whether a connection is gone; ccxt says nothing if nobody was waiting."""
        alive = self._alive()
        return any(all(old is not each for each in alive) for old in self._connections)

    def _alive(self) -> list[Any]:
        return list((self._client.raw.clients or {}).values())

    def _note(self, tally: Tally) -> None:
        now = time.monotonic()
        if not self._connections:
            tally.reconnects += self._spoken > 0 and not self._counted
            self._counted = False
            self._since = now
        self._connections = self._alive()
        self._spoken, self._silences = now, 0
        if now - self._since > STEADY_S:
            self._breaks = 0
        if now - self._since > self._limits.connection_s:
            self._end(_PLANNED, PlannedError(_PLANNED))

    def _suspect(self) -> None:
        """Give up a connection that is silent, but not one that is still being made."""
        if all(each.isConnected for each in self._alive()):
            self._quiet_s = self._patient_s
            self._silences += 1
            self.hang_up(_SILENCE)

    def hang_up(self, why: str) -> None:
        """End the connection, such that the next push comes over a new one."""
        self._end(why, ccxt.NetworkError(why))

    def _end(self, why: str, error: ccxt.NetworkError) -> None:
        self._why = why
        for connection in self._alive():
            connection.on_error(error)

    def _lose(self, tally: Tally, said: str | None = None) -> None:
        why, self._why = self._why or "connection lost", None
        stream = f"{self._client.name}: the stream of {self._called}"
        if why == _PLANNED:
            log.info("%s: connecting anew, before the exchange ends it", stream)
        else:
            if why == _SILENCE:  # the next one counts even if nothing is pushed over it, either
                tally.reconnects += 1
                self._counted = True
                what = f"nothing came for {self._quiet_s:g} s"
            else:
                what = why if said is None else f"{why} ({said})"
            log.warning("%s: %s; connecting anew", stream, what)
            tally.fail(f"stream: {why}")
        self._connections = []
        self._lost()
