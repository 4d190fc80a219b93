"""What a session says of itself while it runs: the one row that a heartbeat writes."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, ValidationError

from engine.errors import StateError
from engine.paper.reading import Latencies
from engine.plain import plain
from feeds.clock import Clock
from feeds.live.moment import FeedHealth
from feeds.messages import first_line, printable
from feeds.moments import iso, parse_utc


class SessionState(StrEnum):
    """What a session is at: loading, catching up with what it has on record, trading, ended.

    STOPPED is an end that was asked for, FAILED one that an error made.
    """

    STARTING = "starting"
    REPLAYING = "replaying"
    LIVE = "live"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        """Whether the session has ended: then nothing grows older."""
        return self in (SessionState.STOPPED, SessionState.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a session is doing.

    Attributes
    ----------
    pid : of its process
    beat_at : when it said so, by this machine's clock
    now : the market's time then; of a rehearsal, the recording's
    speed : seconds of the market per real second
    last_closed_at : when its last bar closed; None before the first
    feed : None until it is open
    ml : digest of the bundle that answers, or in words why none does
    ml_asked_for, ml_answers : whether the session is to trade with ML, and whether it does
    errors : what went wrong since its start, a line each, latest last; as many as were kept
    decided_in : how long its latest decisions took
    watching : by symbol, why it does not trade: `RSI 47.2, needs below 30`
    """

    pid: int
    beat_at: np.datetime64
    now: np.datetime64
    state: SessionState
    speed: float = 1.0
    last_closed_at: np.datetime64 | None = None
    feed: FeedHealth | None = None
    ml: str = "off"
    ml_asked_for: bool = False
    ml_answers: bool = False
    errors: tuple[str, ...] = ()
    decided_in: Latencies = field(default_factory=Latencies)
    watching: Mapping[str, str] = field(default_factory=dict)

    @property
    def ended_at(self) -> np.datetime64 | None:
        """When the session ended by this machine's clock, to the minute; None while it runs."""
        minute = self.beat_at.astype("datetime64[m]").astype("datetime64[ms]")
        return minute if self.state.is_over else None

    @property
    def last_bar_age_s(self) -> float | None:
        """Seconds of the market since its last bar closed; None before the first and at the end."""
        if self.last_closed_at is None or self.state.is_over:
            return None
        return float((self.now - self.last_closed_at) / np.timedelta64(1, "ms")) / 1000.0

    def to_json(self) -> dict[str, Any]:
        """Return it in JSON's own types, for `PaperState.beat`."""
        times = {"beat_at": iso(self.beat_at), "now": iso(self.now)}
        last = None if self.last_closed_at is None else iso(self.last_closed_at)
        age = {"last_closed_at": last, "last_bar_age_s": self.last_bar_age_s}
        document: dict[str, Any] = plain({**asdict(self), **times, **age})
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Return what `to_json` told.

        Raises
        ------
        StateError : it was told by another version
        """
        try:
            told = _Told.model_validate(document)
            last = told.last_closed_at
            as_told = {each.name: getattr(told, each.name) for each in fields(cls)}
            moments = {
                "beat_at": parse_utc(told.beat_at),
                "now": parse_utc(told.now),
                "last_closed_at": None if last is None else parse_utc(last),
            }
        except ValueError as error:
            raise StateError(
                "a session's health must be as this version writes it, which it is not "
                f"({_first_fault(error)}): look at it with the version that runs the session"
            ) from error
        return cls(**{**as_told, **moments})


SHORT_DIGEST = 12  # digits of a bundle's digest that people are shown


def is_bundle(ml: str) -> bool:
    """Return whether a session's `ml` is the digest of a bundle rather than words.

    >>> is_bundle("3f" * 32), is_bundle("off"), is_bundle("drift: features")
    (True, False, False)
    """
    return len(ml) >= 16 and set(ml) <= set("0123456789abcdef")


def told_ml(ml: str) -> str:
    """Return a session's `ml` for people: a digest of 64 digits in short.

    >>> told_ml("3f" * 32), told_ml("off")
    ('bundle 3f3f3f3f3f3f', 'off')
    """
    return f"bundle {ml[:SHORT_DIGEST]}" if is_bundle(ml) else ml


def time_of(clock: Clock) -> np.datetime64:
    """Return what the clock shows, to the millisecond."""
    return np.datetime64(clock.now().replace(tzinfo=None), "ms")


def _with_offset(feed: Any) -> Any:
    """Return what was told of a feed with an unknown offset as it is here: JSON has no NaN."""
    if isinstance(feed, Mapping) and feed.get("clock_offset_ms") is None:
        return {**feed, "clock_offset_ms": math.nan}
    return feed


class _Told(BaseModel, extra="forbid"):
    """A session's health as it stands in its state, where anybody may have written it."""

    pid: int
    beat_at: str
    now: str
    state: SessionState
    speed: float
    last_closed_at: str | None
    last_bar_age_s: float | None
    feed: Annotated[FeedHealth | None, BeforeValidator(_with_offset)]
    ml: str
    ml_asked_for: bool
    ml_answers: bool
    errors: tuple[str, ...]
    decided_in: Latencies
    watching: dict[str, str]


def _first_fault(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return first_line(error)
    first = error.errors()[0]
    return printable(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
