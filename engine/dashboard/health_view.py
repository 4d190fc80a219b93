"""How the session is doing, in names and values: what it says of itself, and how long ago."""

from collections.abc import Iterator, Mapping
from math import isnan
from typing import Any

from engine.dashboard.discreet import discreet
from engine.paper.health import Health, SessionState, is_bundle, told_ml
from engine.paper.status import BARS_OF_PATIENCE, MOST_BEAT_AGE_S, MOST_DELAY_S
from feeds.live.moment import FeedHealth
from feeds.moments import readable

Item = Mapping[str, str | None]

MOST_ERRORS = 3
LATE_BEAT = 0.5  # of the age at which the session is given up
_STATES = {SessionState.LIVE: "good", SessionState.FAILED: "bad"}


def health_view(health: Health | None, beat_age: float, bar_ms: int) -> list[Item]:
    """Return names and values; a tone says what is `good`, worth a look (`warn`) or `bad`.

    Parameters
    ----------
    beat_age : seconds since the health was seen to change
    bar_ms : length of a bar
    """
    if health is None:
        return [_item("session", "has not said anything yet", "warn")]
    return [
        _item("session", str(health.state), _STATES.get(health.state, "quiet")),
        _item("ended", readable(health.ended_at))
        if health.ended_at is not None
        else _item("last heartbeat", f"{lasting(beat_age)} ago", _beat_tone(beat_age)),
        *_last_bar(health, bar_ms / 1000.0),
        *(() if health.feed is None else _feed(health.feed, over=health.state.is_over)),
        _item("decisions, half within", _milliseconds(health.decided_in.p50_ms)),
        _item("decisions, 99 % within", _milliseconds(health.decided_in.p99_ms)),
        *(_item("error", discreet(line), "bad") for line in health.errors[-MOST_ERRORS:]),
    ]


def ml_view(ml: str) -> dict[str, Any]:
    """Return whether a bundle is asked, and which one or why none; from a moment's `ml`.

    `digest` is the whole of what `text` has in short; None without a bundle.
    """
    on = is_bundle(ml)
    return {"on": on, "text": told_ml(ml) if on else discreet(ml), "digest": ml if on else None}


def lasting(seconds: float) -> str:
    """Return a length of time.

    >>> lasting(7.2), lasting(75), lasting(7300), lasting(200_000)
    ('7 s', '1 min 15 s', '2 h 1 min', '2 d 7 h')
    """
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, left = divmod(hours, 24)
    if days:
        return f"{days} d {left} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _beat_tone(age: float) -> str:
    late = "warn" if age < MOST_BEAT_AGE_S else "bad"
    return "good" if age < LATE_BEAT * MOST_BEAT_AGE_S else late


def _last_bar(health: Health, bar_seconds: float) -> Iterator[Item]:
    age = health.last_bar_age_s
    if age is not None:
        patience = BARS_OF_PATIENCE * bar_seconds + MOST_DELAY_S * max(1.0, health.speed)
        whose = "" if health.speed == 1.0 else " by the recording's clock"
        told = f"{lasting(age)} ago{whose}"
        yield _item("last bar closed", told, "good" if age < patience else "bad")
    elif health.last_closed_at is not None:
        yield _item("last bar closed", readable(health.last_closed_at))


def _feed(feed: FeedHealth, *, over: bool) -> Iterator[Item]:
    if over:
        pass  # nobody listens any more
    elif feed.connected:
        yield _item("stream", "connected", "good")
    else:
        yield _item("stream", "silent", "bad")
    if feed.halted:
        yield _item("not traded at present", ", ".join(feed.halted), "warn")
    yield _item("reconnections", f"{feed.reconnects:,}")
    yield _item("filled bars", f"{feed.filled:,}")
    yield _item("bars repaired by REST", f"{feed.repaired:,}")
    yield _item("bars that REST corrected", f"{feed.differed:,}")
    yield _item("bars revised later", f"{feed.revised:,}", "warn" if feed.revised else None)
    kinds = ", ".join(f"{discreet(kind)} {count}" for kind, count in sorted(feed.failures.items()))
    yield _item("failures", kinds or "none")
    if not isnan(feed.clock_offset_ms):
        yield _item("exchange's clock", f"{feed.clock_offset_ms:+,.0f} ms")


def _milliseconds(value: float | None) -> str:
    return "not measured" if value is None else f"{value:,.1f} ms"


def _item(name: str, value: str, tone: str | None = None) -> Item:
    return {"name": name, "value": value, "tone": tone}
