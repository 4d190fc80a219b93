"""A paper session over many hours of many markets: does its memory stay flat, is it ever late?

The stand-in exchange runs in a process of its own and the session in another one, so that memory
and CPU are the session's. It goes the whole road: stream, REST's confirmation of every bar,
evidence, five models, fills, one transaction a minute. All times are real ones; at 30x everything
has a thirtieth of the time that it would have on a real exchange.
"""

import logging
import resource
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from threading import Event as Flag
from typing import Any

import numpy as np

from benchmarks.ensemble import analyzer_in, settings_in
from benchmarks.harness import in_child, latency
from benchmarks.resident import now_mb
from benchmarks.soak_exchange import MINUTE, Address, Plan, exchange_apart
from engine.jobs.live.ensemble import LiveEnsemble
from engine.jobs.live.observer import Observer
from engine.jobs.live.session import PaperSession
from engine.jobs.live.trading import warm_up
from engine.jobs.live.venue import Venue
from engine.jobs.settings import Settings
from engine.paper.reading import StateReader
from engine.paper.records import MomentRecord, SessionFacts
from engine.paper.state import PaperState
from engine.records import Trade
from engine.rules import SymbolRules
from engine.tables import rendered, table
from feeds.bars import PRICES
from feeds.live.feed import LiveFeed
from feeds.live.moment import Opening
from feeds.live.spec import LiveSpec

log = logging.getLogger("tandem.benchmarks")

HOUR = 60  # bars
CASH = 100_000.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What the session's process stood at when a moment had been lived through.

    Attributes
    ----------
    memory_mb : resident
    cpu : seconds of all its threads since it began
    after_close : real seconds from the close of the bars to the end of the transaction
    decided_in : real seconds from the bars' arrival to the last decision
    """

    memory_mb: float
    cpu: float
    after_close: float
    decided_in: float
    late: bool


@dataclass(frozen=True, slots=True)
class Soaked:
    """What came of a session.

    Attributes
    ----------
    samples : of each moment that came live
    expected, wrong : bars that the exchange had since then, and those that the session has not,
        or has otherwise
    """

    samples: Sequence[Sample]
    expected: int
    wrong: int
    offline: int
    fills: int
    decisions: int
    asked: int
    state_mb: float
    health: dict[str, Any]


class _Sampler(Observer):
    """Notes at each moment what it has cost so far."""

    def __init__(self, *args: Any, plan: Plan, address: Address) -> None:
        super().__init__(*args)
        self._plan, self._address = plan, address
        self.samples: list[Sample] = []
        self.feed_health: dict[str, Any] = {}

    def idle(self, feed: LiveFeed, watching: Callable[[], Mapping[str, str]]) -> None:
        super().idle(feed, watching)
        self.feed_health = asdict(feed.health())

    def lived(self, record: MomentRecord, trades: Sequence[Trade]) -> None:
        after_close = self._address.seconds_since(self._plan, record.closed_at)
        super().lived(record, trades)
        if record.offline:
            return
        used = resource.getrusage(resource.RUSAGE_SELF)
        self.samples.append(
            Sample(
                memory_mb=now_mb(),
                cpu=used.ru_utime + used.ru_stime,
                after_close=after_close,
                decided_in=record.latency_ms / 1000,
                late=record.late,
            )
        )
        if len(self.samples) % HOUR == 0:
            log.warning("%s", _hour(self.samples))


def _hour(samples: Sequence[Sample]) -> str:
    last = samples[-HOUR:]
    after = latency([each.after_close for each in last])
    return (
        f"hour {len(samples) // HOUR}: {last[-1].memory_mb:.1f} MB, "
        f"CPU {last[-1].cpu:.0f} s, close to decision p50 {after.p50:.3f} s, "
        f"worst {after.worst:.3f} s, {sum(each.late for each in last)} late"
    )


def soaked(plan: Plan, address: Address, folder: Path, *, ml: bool) -> Soaked:
    """Run a session until the market ends; its state is kept below `folder`."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    settings = settings_in(folder)
    first = analyzer_in(folder) if ml else None
    warm_up(settings, MINUTE, first)
    venue = _venue(plan, address, settings)
    with ExitStack() as stack:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "soak.sqlite"
        feed = stack.enter_context(venue.feed({}))
        facts = _facts(plan, settings, feed.opening)
        state = stack.enter_context(PaperState.create(path, facts, feed.opening.history))
        bars_of = state.reader.bars
        ensemble = first and LiveEnsemble(settings, MINUTE, first, lambda s, n: bars_of(s, last=n))
        sampler = _Sampler(state, ensemble, None, plan.speed, plan=plan, address=address)
        sampler.started()
        PaperSession(state, venue, settings, ensemble, observer=sampler, feed=feed).run(Flag())
        sampler.ended(None)
        return _found(plan, state.reader, sampler)


def _venue(plan: Plan, address: Address, settings: Settings) -> Venue:
    spec = LiveSpec(
        exchange="binance",
        base_url=address.url,
        stream_url=address.stream_url,
        symbols=plan.symbols,
        timeframe=MINUTE,
        warmup_bars=plan.warmup,
        confirm=settings.paper.confirm,
        until=plan.market(plan.symbols[0]).closed_at[-1],
    )
    # As on a real exchange the clock here is not the one there: it is right by what that tells.
    clock = plan.clock()
    clock.start()
    return Venue(spec, clock, plan.speed)


def _facts(plan: Plan, settings: Settings, opening: Opening) -> SessionFacts:
    rules = {
        symbol: SymbolRules(tick=each.tick, amount_step=each.amount_step).model_dump(mode="json")
        for symbol, each in opening.terms.items()
    }
    return SessionFacts(
        exchange=opening.exchange,
        symbols=plan.symbols,
        timeframe=str(MINUTE),
        cash=CASH,
        settings=settings.model_dump(mode="json"),
        rules=rules,
        recording=None,
        created_at=plan.begin,
        versions={},
    )


def _found(plan: Plan, reader: StateReader, sampler: _Sampler) -> Soaked:
    moments = reader.moments()
    first = next(each.closed_at for each in moments if not each.offline) - MINUTE.delta
    bars = [_compared(plan, reader, symbol, first) for symbol in plan.symbols]
    answers = [row["ml"] for row in reader.decisions()]
    return Soaked(
        samples=sampler.samples,
        expected=sum(expected for expected, _ in bars),
        wrong=sum(wrong for _, wrong in bars),
        offline=sum(each.offline for each in moments),
        fills=len(reader.fills()),
        decisions=len(answers),
        asked=len(answers) - answers.count("not_asked"),
        state_mb=reader.path.stat().st_size / 1e6,
        health=sampler.feed_health,
    )


def _compared(
    plan: Plan, reader: StateReader, symbol: str, first: np.datetime64
) -> tuple[int, int]:
    """Return how many bars the exchange had from `first` on, and how many of them are not there."""
    market, kept = plan.market(symbol), reader.bars(symbol, start=first)
    truth = market[market.index_from(first) :]
    if not np.array_equal(truth.time, kept.time):
        return len(truth), len(np.setxor1d(truth.time, kept.time))
    same = [getattr(truth, name) == getattr(kept, name) for name in (*PRICES, "volume")]
    return len(truth), int((~np.all(same, axis=0)).sum())


# ---------------------------------------------------------------- what is reported


def report(hours: float, speed: float, symbols: int, folder: Path, *, ml: bool = True) -> str:
    """Measure and return the tables.

    Parameters
    ----------
    hours : of market time that are traded
    folder : of the ensemble
    """
    warmup = settings_in(folder).strategy.warmup_bars
    names = tuple(f"C{place:02d}/USDT" for place in range(symbols))
    plan = Plan(names, warmup, round(hours * HOUR), speed)
    if ml:
        in_child(_train, folder)  # if there is none, and not while the market goes on
    with exchange_apart(plan) as address:
        found = in_child(partial(soaked, ml=ml), plan, address, folder)
    return _memory(found) + _times(found, speed) + _counts(found)


def _train(folder: Path) -> None:
    analyzer_in(folder)


def _memory(found: Soaked) -> str:
    shown = table("resident memory and CPU", "first", "last", "per hour of the market")
    memory = np.array([each.memory_mb for each in found.samples])
    cpu = np.array([each.cpu for each in found.samples])
    hours = np.arange(len(memory)) / HOUR
    span = min(HOUR, len(memory) // 2)
    settled = slice(min(HOUR, len(memory) // 3), None)  # what is loaded at first is no leak
    slope = np.polyfit(hours[settled], memory[settled], 1)[0]
    shown.add_row(
        f"memory over {span} minutes, mean, MB",
        f"{memory[:span].mean():.1f}",
        f"{memory[-span:].mean():.1f}",
        f"{slope:+.2f} (settled)",
    )
    shown.add_row(
        "most memory, MB", f"{memory[:span].max():.1f}", f"{memory[-span:].max():.1f}", ""
    )
    spent = np.diff(cpu)
    shown.add_row(
        "CPU of all threads, s per market minute",
        f"{spent[:span].mean():.3f}",
        f"{spent[-span:].mean():.3f}",
        f"{(cpu[-1] - cpu[0]) / (len(cpu) - 1) * HOUR:.1f} s",
    )
    return rendered(shown)


def _times(found: Soaked, speed: float) -> str:
    shown = table(f"real seconds, at {speed:g}x", "p50", "p99", "worst")
    for name, seconds in (
        ("arrival to last decision", [each.decided_in for each in found.samples]),
        ("close to decisions committed", [each.after_close for each in found.samples]),
    ):
        had = latency(seconds)
        shown.add_row(name, f"{had.p50:.3f}", f"{had.p99:.3f}", f"{had.worst:.3f}")
    return rendered(shown)


def _counts(found: Soaked) -> str:
    late = sum(each.late for each in found.samples)
    return (
        f"{len(found.samples):,} moments, {late} late, {found.offline} caught up with; "
        f"{found.expected:,} bars, {found.wrong} lost or wrong; {found.decisions:,} decisions, "
        f"{found.asked:,} asked of the ensemble, {found.fills:,} fills; state {found.state_mb:.1f} "
        f"MB; feed: {found.health}\n"
    )
