"""One session against the stand-in, with something that goes wrong or with nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from threading import Event as Flag
from threading import Lock
from typing import Any

import numpy as np

from engine.jobs.live.ensemble import LiveEnsemble
from engine.jobs.live.observer import Observer
from engine.jobs.live.session import PaperSession
from engine.jobs.live.trading import warm_up
from engine.jobs.live.venue import Venue
from engine.jobs.serving import serving_analyzer
from engine.jobs.settings import Settings
from engine.paper.moments import PaperMoment
from engine.paper.reading import StateReader
from engine.paper.records import PricedFill, SessionFacts
from engine.paper.rows import RecordedMoment
from engine.paper.state import PaperState
from feeds.bars import Bars
from feeds.clock import ReplayClock, TimedClock
from feeds.live.feed import LiveFeed
from feeds.live.moment import FeedHealth, Revision
from feeds.live.spec import CONNECTION_S, Confirm, LiveSpec
from feeds.standin.faults import Fault, FaultKind
from feeds.standin.server import StandIn
from feeds.standin.stream_faults import StreamFault, StreamFaultKind
from feeds.timeframe import Timeframe
from ml.analyzer import Analyzer
from tests.reliability.cases import Case
from tests.reliability.strain import Strain, strain

PUSHES = 8  # of each bar while it forms
TAIL = 4  # bars of the recording after the last one that is traded
# Python before 3.11.8 counts the depth of its parser for all threads together, and NumPy parses
# headers by it: sessions of several threads read their bundles one after another.
_LOADING = Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """Which recording is disturbed, at which bar of it, and after which part of that bar."""

    seed: int
    bar: int
    part: float


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What is replayed: bars of two symbols, of which the last ones are traded.

    Attributes
    ----------
    live : how many bars are traded
    bar_seconds : real seconds that each takes
    """

    markets: tuple[Bars, ...]
    settings: Settings
    live: int
    bar_seconds: float
    ml: bool = False
    confirm: Confirm = "always"
    connection_s: float = CONNECTION_S

    @property
    def timeframe(self) -> Timeframe:
        return self.markets[0].timeframe

    @property
    def speed(self) -> float:
        return self.timeframe.ms / 1000 / self.bar_seconds

    @cached_property
    def begin(self) -> np.datetime64:
        """When the first bar opens that is traded."""
        return np.datetime64(self.markets[0].time[-self.live - TAIL], "ms")

    @property
    def until(self) -> np.datetime64:
        return np.datetime64(self.begin + self.live * self.timeframe.delta)


class WrongClock:
    """A local clock that is ahead of the true one, from some time on by something else."""

    def __init__(self, true: TimedClock, ahead: float) -> None:
        self._true = true
        self.ahead = ahead

    def now(self) -> datetime:
        return self._true.now() + timedelta(seconds=self.ahead)

    def stopwatch(self) -> float:
        return self._true.stopwatch()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """What a session has written down and counted, and what the exchange says at last.

    Attributes
    ----------
    spoiled : requests to REST that were not answered as they should have been
    strained : the machine was too slow for the pace
    """

    bars: Mapping[str, Bars]
    moments: Sequence[RecordedMoment]
    decisions: Sequence[Mapping[str, Any]]
    fills: Sequence[PricedFill]
    revisions: Sequence[Revision]
    health: FeedHealth
    truth: Mapping[str, Bars]
    spoiled: int
    strained: bool


class _Saboteur(Observer):
    """An observer that lets things go wrong when the bar before the tried one is decided on."""

    def arm(self, case: Case, tried: Try, exchange: StandIn, local: WrongClock) -> None:
        self._case, self._exchange, self._local = case, exchange, local
        self._left = tried.bar

    def time_waits(self, feed: LiveFeed) -> None:
        """Measure how long moments lie about before anybody takes them up, in market ms."""
        self._timed, self.waited_ms = feed, 0.0

    def begin(self, moment: PaperMoment) -> None:
        super().begin(moment)
        waited = (self._timed.now() - moment.arrived_at) / np.timedelta64(1, "ms")
        self.waited_ms = max(self.waited_ms, float(waited))
        self._left -= 1
        if self._left == 0:
            self._local.ahead += self._case.local_jump
            for fault in () if self._case.at_opening else self._case.faults:
                if isinstance(fault, Fault):
                    self._exchange.add_fault(fault)


def live_through(scene: Scene, case: Case, tried: Try, path: Path) -> Lived:
    """Run a session to its end; its state is kept at `path`."""
    clock = ReplayClock(_aware(scene.begin), scene.speed)
    local = WrongClock(clock, case.local_ahead)
    step = scene.timeframe.ms / 1000
    with _LOADING:
        analyzer = serving_analyzer(scene.settings, scene.timeframe) if scene.ml else None
    warm_up(scene.settings, scene.timeframe, analyzer)
    with StandIn(
        scene.markets, clock=clock, faults=_planned(case, tried), push_every=step / PUSHES
    ) as exchange:
        venue = Venue(_spec(scene, exchange), local, scene.speed)
        with (
            venue.feed({}) as feed,
            PaperState.create(path, _facts(scene), feed.opening.history) as state,
        ):
            ensemble = _ensemble(scene, state.reader, analyzer)
            observer = _Saboteur(state, ensemble, None, scene.speed)
            observer.arm(case, tried, exchange, local)
            observer.time_waits(feed)
            session = PaperSession(
                state, venue, scene.settings, ensemble, observer=observer, feed=feed
            )
            with strain() as found:
                session.run(Flag())
            found.seconds = max(found.seconds, observer.waited_ms / 1000 / scene.speed)
            return _lived(scene, state.reader, feed, exchange, found)


def _planned(case: Case, tried: Try) -> list[Fault | StreamFault]:
    """Return what the stand-in is told from the start."""
    bar, part = (0, 0.0) if case.at_opening else (tried.bar, tried.part)
    planned: list[Fault | StreamFault] = []
    for fault in case.faults:
        if isinstance(fault, StreamFault):
            kept = fault.part if fault.kind in _OWN_PART else part
            planned.append(replace(fault, bar=bar, part=kept))
        elif case.at_opening:
            planned.append(fault)
    return planned


_OWN_PART = (StreamFaultKind.MAINTENANCE, StreamFaultKind.HALT)


def _spec(scene: Scene, exchange: StandIn) -> LiveSpec:
    symbols = tuple(bars.symbol for bars in scene.markets)
    return LiveSpec(
        exchange="binance",
        base_url=exchange.url,
        stream_url=exchange.stream_url,
        symbols=symbols,
        without_trades=frozenset(symbols),
        timeframe=scene.timeframe,
        warmup_bars=scene.settings.strategy.warmup_bars,
        confirm=scene.confirm,
        fill_limit=scene.settings.data.fill_limit,
        connection_s=scene.connection_s,
        until=scene.until,
    )


def _facts(scene: Scene) -> SessionFacts:
    return SessionFacts(
        exchange="binance",
        symbols=tuple(bars.symbol for bars in scene.markets),
        timeframe=str(scene.timeframe),
        cash=scene.settings.broker.cash,
        settings={},
        rules={},
        recording=None,
        created_at=scene.begin,
        versions={},
    )


def _ensemble(scene: Scene, reader: StateReader, analyzer: Analyzer | None) -> LiveEnsemble | None:
    if analyzer is None:
        return None
    return LiveEnsemble(
        scene.settings, scene.timeframe, analyzer, lambda symbol, n: reader.bars(symbol, last=n)
    )


def _lived(
    scene: Scene, reader: StateReader, feed: LiveFeed, exchange: StandIn, found: Strain
) -> Lived:
    symbols = [bars.symbol for bars in scene.markets]
    moments = reader.moments()
    slowest = float(np.nanmax([each.latency_ms for each in moments])) / 1000
    return Lived(
        bars={symbol: reader.bars(symbol, start=scene.begin) for symbol in symbols},
        moments=moments,
        decisions=reader.decisions(),
        fills=reader.fills(),
        revisions=reader.revisions(),
        health=feed.health(),
        spoiled=sum(isinstance(asked.fault, FaultKind) for asked in exchange.requests),
        strained=found.is_heavy(scene.bar_seconds, slowest=slowest),
        truth={symbol: _between(exchange.truth(symbol), scene) for symbol in symbols},
    )


def _between(bars: Bars, scene: Scene) -> Bars:
    return bars[bars.index_from(scene.begin) : bars.index_from(scene.until)]


def _aware(moment: np.datetime64) -> datetime:
    naive: datetime = moment.astype("datetime64[ms]").item()
    return naive.replace(tzinfo=UTC)
