"""How a session is doing, for people and for supervisors: `run_paper.py --status STATE`."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from engine.paper.health import Health, SessionState, time_of, told_ml
from engine.paper.positions import Position, trades_and_positions
from engine.paper.reading import StateReader
from engine.paper.records import SessionFacts
from engine.plain import plain
from engine.tables import formatted
from feeds.clock import Clock
from feeds.live.moment import FeedHealth
from feeds.messages import one_line, printable
from feeds.moments import readable
from feeds.timeframe import Timeframe

# A session beats every few seconds; one that has not for so long has hung or is gone.
MOST_BEAT_AGE_S = 60.0
# A bar should close, be confirmed and be decided on within its own length and this; where it does
# not, the next one has closed as well.
BARS_OF_PATIENCE = 2
MOST_DELAY_S = 120.0


class ExitCode(IntEnum):
    """What `--status` ends with; 2 is wrong usage, as everywhere."""

    FRESH = 0
    FAILED = 1
    STOPPED = 3
    STALE = 4
    WITHOUT_ML = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A session's standing.

    Attributes
    ----------
    exit_code, verdict : the same in a number and in words
    beat_age_s : real seconds since the session last said something; None if it never has
    last_closed_at : of the last moment on record
    equity, cash : in quote currency, then; at the beginning before the first
    """

    exit_code: ExitCode
    verdict: str
    facts: SessionFacts
    health: Health | None
    beat_age_s: float | None
    last_closed_at: np.datetime64 | None
    equity: float
    cash: float
    trades: int
    positions: tuple[Position, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the standing in JSON's own types."""
        document = {
            "exit_code": int(self.exit_code),
            "verdict": self.verdict,
            "exchange": self.facts.exchange,
            "symbols": self.facts.symbols,
            "timeframe": self.facts.timeframe,
            "rehearsal": self.facts.recording is not None,
            "files": self.facts.files,
            "health": None if self.health is None else self.health.to_json(),
            "beat_age_s": self.beat_age_s,
            "last_closed_at": self.last_closed_at,
            "equity": self.equity,
            "cash": self.cash,
            "trades": self.trades,
            "positions": [asdict(each) for each in self.positions],
        }
        printed: dict[str, Any] = plain(document)
        return printed

    def text(self) -> str:
        """Return the standing, a fact on each line."""
        facts = self.facts
        head = f"{facts.place}, {', '.join(facts.symbols)} {facts.timeframe}: {self.verdict}"
        told = () if self.health is None else _session(self.health, facts)
        lines = [*self._account(), *told]
        # Whoever wrote the file may have put anything into its texts.
        return "\n".join(
            [one_line(head), *(f"  {name:<12} {one_line(text)}" for name, text in lines)]
        )

    def _account(self) -> Iterator[tuple[str, str]]:
        health = self.health
        if health is not None and health.ended_at is not None:
            yield "ended", readable(health.ended_at)
        elif self.beat_age_s is not None:
            yield "heartbeat", f"{self.beat_age_s:,.0f} s ago"
        if self.last_closed_at is not None:
            age = None if health is None else health.last_bar_age_s
            whose = "" if self.facts.recording is None else " of the recording"
            then = "" if age is None else f", {age:,.0f} s{whose} before the heartbeat"
            yield "last bar", f"closed {readable(self.last_closed_at)}{then}"
        change = self.equity - self.facts.cash
        yield "equity", f"{self.equity:,.2f} ({change:+,.2f}), {self.cash:,.2f} of it in cash"
        yield "trades", f"{self.trades:,} ended, {len(self.positions)} open"
        for held in self.positions:
            price = f"{held.units:.8g} at {held.entry_price:.8g}"
            yield "holds", f"{held.symbol} {price}, since {readable(held.opened_at)}"


def status_of(reader: StateReader, clock: Clock) -> Status:
    """Return how the session of a state is doing by now.

    Raises
    ------
    StateError : the state cannot be read
    """
    said = reader.health()
    health = None if said is None else Health.from_json(said)
    facts, last = reader.facts(), reader.moments(last=1)
    trades, positions = trades_and_positions(each.fill for each in reader.fills())
    cash, value = (last[0].cash, last[0].position_value) if last else (facts.cash, 0.0)
    age = None
    if health is not None:
        age = float((time_of(clock) - health.beat_at) / np.timedelta64(1, "ms")) / 1000.0
    code, verdict = _judged(health, age, Timeframe.parse(facts.timeframe))
    return Status(
        exit_code=code,
        verdict=verdict,
        facts=facts,
        health=health,
        beat_age_s=age,
        last_closed_at=last[0].closed_at if last else None,
        equity=cash + value,
        cash=cash,
        trades=len(trades),
        positions=tuple(positions),
    )


def _judged(health: Health | None, age: float | None, timeframe: Timeframe) -> tuple[ExitCode, str]:
    if health is None or age is None:
        return ExitCode.STALE, "STALE, it has never given a sign of life"
    if health.state is SessionState.FAILED:
        why = printable(health.errors[-1]) if health.errors else "it does not say why"
        return ExitCode.FAILED, f"FAILED, {why}"
    if health.state is SessionState.STOPPED:
        return ExitCode.STOPPED, "stopped"
    return _running(health, age, timeframe)


def _running(health: Health, age: float, timeframe: Timeframe) -> tuple[ExitCode, str]:
    # A beat from the future says as little as an old one: somebody has set the clock.
    if abs(age) > MOST_BEAT_AGE_S:
        return ExitCode.STALE, f"STALE, no sign of life for {age:,.0f} s"
    bar_age = health.last_bar_age_s
    patience = BARS_OF_PATIENCE * timeframe.ms / 1000.0 + MOST_DELAY_S * max(1.0, health.speed)
    if health.state is SessionState.LIVE and bar_age is not None and bar_age > patience:
        return ExitCode.STALE, f"STALE, no bar for {bar_age:,.0f} s"
    if health.ml_asked_for and not health.ml_answers:
        return ExitCode.WITHOUT_ML, f"{health.state}, WITHOUT the ML that was asked for"
    return ExitCode.FRESH, str(health.state)


def _session(health: Health, facts: SessionFacts) -> Iterator[tuple[str, str]]:
    if not health.state.is_over:
        yield "process", str(health.pid)
    taken = health.decided_in
    if taken.moments:
        p50, p99 = (formatted(value, ",.1f") for value in (taken.p50_ms, taken.p99_ms))
        of = f"latest {taken.moments:,} closes of bars"
        yield "decided", f"half within {p50} ms, 99 % within {p99} ms ({of})"
    yield "ML", printable(told_ml(health.ml))
    if health.feed is not None:
        yield from _feed(health.feed, health, replays=facts.recording is not None)
    if not health.state.is_over:
        yield from _watched(health.watching)
    yield from (("error", printable(line)) for line in health.errors)


def _feed(feed: FeedHealth, health: Health, *, replays: bool) -> Iterator[tuple[str, str]]:
    heard = "" if health.state.is_over else "connected, " if feed.connected else "SILENT, "
    clock = _clock(feed.clock_offset_ms, health.speed if replays else None)
    yield "feed", f"{heard}{feed.reconnects} reconnections, {clock}"
    by_rest = f"{feed.repaired} repaired and {feed.differed} corrected by REST"
    yield (
        "bars",
        f"{feed.filled} filled where nobody traded, {by_rest}, {feed.revised} revised later",
    )
    if feed.halted:
        yield "halted", ", ".join(feed.halted)
    if feed.failures:
        yield "failures", ", ".join(f"{kind} {n}" for kind, n in sorted(feed.failures.items()))


def _clock(offset_ms: float, replayed_at: float | None) -> str:
    """Return how far the exchange's clock is off; a rehearsal's error in real time, too.

    The stand-in's clock is the one here. What it seems to be off is how long its answers took,
    which the speed of the recording multiplies.
    """
    known = None if np.isnan(offset_ms) else offset_ms
    if known is None or replayed_at is None:
        return f"exchange's clock {formatted(known, '+,.0f')} ms from the one here"
    real = f"{known / replayed_at:+,.1f} ms, {known:+,.0f} ms of the recording"
    return f"stand-in's clock measured {real} from the one here"


def _watched(watching: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for symbol, why in watching.items():
        yield "watches", f"{symbol}: {printable(why)}"
