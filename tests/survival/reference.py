"""What a session must have come to: its bars, lived through in this process, without any exchange.

Which moments were offline or late, and when orders were sent, is taken from the session that is
judged: it decides what may be done at a moment, and which bar an order meets. Everything else is
reckoned anew.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import backtrader as bt
import numpy as np

from engine.jobs.live.ensemble import LiveEnsemble
from engine.jobs.live.observer import Observer
from engine.jobs.live.recorder import Recorder
from engine.jobs.live.trading import session_engine, trade
from engine.jobs.serving import serving_analyzer
from engine.jobs.settings import Settings
from engine.paper.moments import Moments, PaperMoment, Phase
from engine.paper.reading import StateReader
from engine.paper.rows import RecordedMoment
from engine.paper.state import PaperState
from feeds.live.moment import LiveBar, Origin
from tests.survival.recording import FIVE_MINUTES, Recording

Sent: TypeAlias = Mapping[np.datetime64, np.datetime64]
"""When the orders of a moment were sent, by when it closed."""


def live_through(recording: Recording, judged: Path, path: Path) -> None:
    """Begin a state at `path` as the one that is judged was begun, and trade the recording."""
    with StateReader.open(judged) as reader:
        facts, moments = reader.facts(), reader.moments()
        sent = {order.decided_at: order.sent_at for order in reader.orders()}
    first = recording.begin - recording.settings.strategy.warmup_bars
    warmup = {bars.symbol: bars[first : recording.begin] for bars in recording.bars}
    with PaperState.create(path, facts, warmup) as state:
        _live(recording, state, moments, sent)


def _live(
    recording: Recording, state: PaperState, judged: list[RecordedMoment], sent: Sent
) -> None:
    settings = recording.settings
    ensemble = None if recording.bundle is None else _ensemble(settings, state.reader)
    observer = Observer(state, ensemble, None, 1.0)

    def source() -> Iterator[PaperMoment]:
        for moment in _moments(recording, judged):
            recorder.begin()
            observer.begin(moment)
            yield moment

    def lived(strategy: bt.Strategy) -> None:
        broker = engine.broker
        recorder.commit(strategy, broker, observer.ml)
        broker.book.trades.clear()

    def now() -> np.datetime64:
        closed_at = moments.current.closed_at
        return sent.get(closed_at, closed_at)

    moments = Moments(source(), now)
    recorder = Recorder(state, moments, {})
    engine = session_engine(state.reader, settings, moments, lived, None)
    trade(engine, moments, settings, ensemble)


def _ensemble(settings: Settings, reader: StateReader) -> LiveEnsemble:
    return LiveEnsemble(
        settings,
        FIVE_MINUTES,
        serving_analyzer(settings, FIVE_MINUTES),
        lambda symbol, n: reader.bars(symbol, last=n),
    )


def _moments(recording: Recording, judged: list[RecordedMoment]) -> Iterator[PaperMoment]:
    flags = {each.closed_at: (each.offline, each.late) for each in judged}
    traded = recording.traded
    for place, closed_at in enumerate(traded[0].closed_at):
        offline, late = flags.get(closed_at, (False, False))
        yield PaperMoment(
            phase=Phase.OFFLINE if offline else Phase.LIVE,
            closed_at=closed_at,
            bars={bars.symbol: LiveBar(bars[place : place + 1], Origin.REST) for bars in traded},
            arrived_at=closed_at,
            late=late,
        )
