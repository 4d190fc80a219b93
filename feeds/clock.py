"""The only place that asks the system for the time."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time, in UTC."""

    def now(self) -> datetime: ...


class TimedClock(Clock, Protocol):
    """A clock with a stopwatch, which goes on evenly while somebody sets the clock."""

    def stopwatch(self) -> float:
        """Return seconds of which only differences mean anything."""
        ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251  this module is the one that may

    def stopwatch(self) -> float:
        return time.monotonic()


@dataclass(frozen=True, slots=True)
class FixedClock:
    """A clock for tests: it always shows the moment it was given."""

    moment: datetime

    def now(self) -> datetime:
        return self.moment

    def stopwatch(self) -> float:
        return 0.0


class ReplayClock:
    """The time of a recording: stands at its beginning until started, and runs at a speed then.

    Parameters
    ----------
    begin : where it stands
    speed : seconds of the recording per real second
    """

    def __init__(self, begin: datetime, speed: float = 1.0) -> None:
        self._begin = begin
        self._started: float | None = None
        self.speed = speed

    def now(self) -> datetime:
        return self._begin + timedelta(seconds=self.stopwatch())

    def stopwatch(self) -> float:
        """Return the seconds of the recording that have passed."""
        return 0.0 if self._started is None else (time.monotonic() - self._started) * self.speed

    def start(self) -> None:
        """Let it run; it does already if it was started before."""
        if self._started is None:
            self._started = time.monotonic()
