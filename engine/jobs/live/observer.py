"""Who watches a session: its heartbeat, its ensemble, and whoever wants to be told."""

import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING

from engine.jobs.live.ensemble import LiveEnsemble
from engine.jobs.live.received import Received
from engine.paper.health import Health, SessionState, time_of
from engine.paper.moments import PaperMoment
from engine.paper.records import Event, MomentRecord
from engine.paper.state import PaperState
from engine.paper.webhook import Webhook, entry_message, event_message, exit_message
from engine.records import Trade
from feeds.clock import Clock, SystemClock
from feeds.messages import one_line

if TYPE_CHECKING:
    from feeds.live.feed import LiveFeed  # ccxt takes seconds to load

BEAT_SECONDS = 5.0  # of real time
_ERRORS_KEPT = 5
_LATENCIES_TOLD = 1000  # of the latest moments


class Observer:
    """Watches a session, and has its ensemble look around before each moment.

    Parameters
    ----------
    state : takes heartbeats and events
    ensemble : that is asked; None if the session trades without ML on purpose
    webhook : is told of entries, exits and trouble; None for nobody
    speed : seconds of the market per real second
    market : tells the market's time, which a rehearsal has of its own
    wants_ml : whether it is trouble if no bundle ever answers

    Attributes
    ----------
    received : keeps what comes; None as long as nobody sets it
    """

    def __init__(
        self,
        state: PaperState,
        ensemble: LiveEnsemble | None,
        webhook: Webhook | None,
        speed: float,
        *,
        market: Clock | None = None,
        wants_ml: bool = False,
    ) -> None:
        self._state, self._ensemble, self._webhook = state, ensemble, webhook
        self._clock = SystemClock()
        self._market, self._speed, self._wants_ml = market or self._clock, speed, wants_ml
        self._beaten = -BEAT_SECONDS
        self._errors: deque[str] = deque(maxlen=_ERRORS_KEPT)
        last = state.reader.moments(last=1)
        self._last_closed_at = last[0].closed_at if last else None
        self._feed: LiveFeed | None = None
        self._watching: Callable[[], Mapping[str, str]] = dict
        self.received: Received | None = None

    @property
    def ml(self) -> str:
        """The digest of the bundle that answers, or in words why none does."""
        return "off" if self._ensemble is None else self._ensemble.state

    def started(self) -> None:
        """Say that the session begins or goes on."""
        first = self._last_closed_at is None
        self._note("started", "the session begins" if first else "the session goes on")
        self._beat(SessionState.STARTING if first else SessionState.REPLAYING)

    def ended(self, error: BaseException | None) -> None:
        """Say that the session has ended: on request, at its market's end, or by an error."""
        if error is None or isinstance(error, KeyboardInterrupt):
            self._note("stopped", "the session has stopped")
            self._beat(SessionState.STOPPED)
            return
        text = one_line(str(error) or type(error).__name__)
        self._errors.append(text)
        self._note("error", text)
        self._beat(SessionState.FAILED)

    def begin(self, moment: PaperMoment) -> None:
        """Take note of a moment that is not on record, before anything is decided at it."""
        if self.received is not None:
            self.received.take(moment)
        for event in () if self._ensemble is None else self._ensemble.refresh(moment.closed_at):
            self._tell(event)

    def idle(self, feed: "LiveFeed", watching: Callable[[], Mapping[str, str]]) -> None:
        """Give a sign of life if it is time for one.

        Parameters
        ----------
        watching : says of each symbol how far it is from being looked at
        """
        self._feed, self._watching = feed, watching
        if monotonic() - self._beaten >= BEAT_SECONDS:
            self._beat(SessionState.LIVE)

    def lived(self, record: MomentRecord, trades: Sequence[Trade]) -> None:
        """Take note of what came of a moment, and of the trades that ended at it."""
        self._last_closed_at = record.closed_at
        if self._webhook is None:
            return
        ended = {(trade.symbol, trade.closed_at): trade for trade in trades}
        for each in record.fills:
            trade = ended.get((each.fill.symbol, each.fill.filled_at))
            exits = trade is not None and each.fill.units * trade.units < 0
            self._webhook.tell(
                exit_message(each, trade, record.ml)
                if exits and trade is not None
                else entry_message(each, record.ml)
            )

    # ---------------------------------------------------------------- what is said

    def _note(self, kind: str, text: str) -> None:
        self._tell(Event(at=time_of(self._market), kind=kind, text=text))

    def _tell(self, event: Event) -> None:
        self._state.note(event)
        if self._webhook is not None:
            self._webhook.tell(event_message(event))

    def _beat(self, state: SessionState) -> None:
        self._beaten = monotonic()
        feed, answers = self._feed, self._ensemble is not None and self._ensemble.answers
        self._wants_ml |= answers
        self._state.beat(
            Health(
                pid=os.getpid(),
                beat_at=time_of(self._clock),
                now=time_of(self._market) if feed is None else feed.now(),
                state=state,
                speed=self._speed,
                last_closed_at=self._last_closed_at,
                feed=None if feed is None else feed.health(),
                ml=self.ml,
                ml_asked_for=self._wants_ml,
                ml_answers=answers,
                errors=tuple(self._errors),
                decided_in=self._state.reader.latencies(last=_LATENCIES_TOLD),
                watching=self._watching(),
            ).to_json()
        )
