"""The only place that asks the system for the time."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time, in UTC."""

    def now(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251  this module is the one that may


@dataclass(frozen=True, slots=True)
class FixedClock:
    """A clock for tests: it always shows the moment it was given."""

    moment: datetime

    def now(self) -> datetime:
        return self.moment
