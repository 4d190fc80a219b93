"""A paper session: lives its record through again, catches up with what it missed, and goes on.

Starting is recovering: one that was killed and one that was stopped go on alike.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from threading import Event as Flag
from typing import TYPE_CHECKING, Any

import backtrader as bt
import numpy as np

from engine.jobs.live.observer import Observer
from engine.jobs.live.recalled import RecalledEnsemble, opinions_of
from engine.jobs.live.recorder import Recorder
from engine.jobs.live.source import session_moments
from engine.jobs.live.trading import session_engine, trade
from engine.jobs.live.venue import Venue
from engine.jobs.settings import Settings
from engine.paper.moments import Moments, PaperMoment, Phase
from engine.paper.replay import recorded_moments
from engine.paper.state import PaperState
from feeds.bars import Bars
from feeds.timeframe import Timeframe
from strategies.rule_books import rules_of
from strategies.views import OpinionSource

if TYPE_CHECKING:
    from feeds.live.feed import LiveFeed  # ccxt takes seconds to load

log = logging.getLogger("tandem.paper")


class PaperSession:
    """A session that has a state; runs until its market ends or it is asked to stop.

    Parameters
    ----------
    state : as it was begun, or as an earlier process left it
    venue : where it trades
    settings : the same as before
    ensemble : who is asked; None for nobody
    observer : is told what happens
    feed : if one was opened to begin the state; else one is opened when the record is over
    """

    def __init__(
        self,
        state: PaperState,
        venue: Venue,
        settings: Settings,
        ensemble: OpinionSource | None,
        *,
        observer: Observer,
        feed: "LiveFeed | None" = None,
    ) -> None:
        self._state = state
        self._venue = venue
        self._settings = settings
        self._observer = observer
        self._feed = feed
        self._timeframe = Timeframe.parse(state.reader.facts().timeframe)
        checkpoint = state.reader.checkpoint()
        self._goes_on = None if checkpoint is None else checkpoint.closed_at
        decisions = state.reader.decisions(after=self._goes_on)
        self._ensemble = (
            None if ensemble is None else RecalledEnsemble(ensemble, opinions_of(decisions))
        )
        self._moments = Moments(self._source(), lambda: self._open_feed().now())
        self._recorder = Recorder(state, self._moments, _by_moment(decisions))
        self._engine = session_engine(
            state.reader, settings, self._moments, self._lived, checkpoint
        )
        self._stop = Flag()
        self._opened = ExitStack()
        self._said_how = False
        self._windows: dict[str, Bars] = {}

    def run(self, stop: Flag) -> None:
        """Trade until the market ends or `stop` is set."""
        self._stop = stop
        with self._opened:
            trade(self._engine, self._moments, self._settings, self._ensemble)

    # ---------------------------------------------------------------- moments come

    def _source(self) -> Iterator[PaperMoment]:
        record = recorded_moments(self._state.reader, self._goes_on)
        for moment in session_moments(record, self._open_feed, self._timeframe, self._idle):
            self._recorder.begin()
            if moment.phase is not Phase.RECORDED:
                self._observer.begin(moment)
            yield moment

    def _open_feed(self) -> "LiveFeed":
        if self._feed is None:
            keep, reader = self._settings.strategy.warmup_bars + 1, self._state.reader
            known = {symbol: reader.bars(symbol, last=keep) for symbol in self._venue.spec.symbols}
            self._feed = self._opened.enter_context(self._venue.feed(known))
        if not self._said_how:
            self._said_how = True
            log.info("%s", self._feed.opening.how)
        return self._feed

    def _idle(self) -> None:
        if self._stop.is_set():
            self._open_feed().stop()
        self._observer.idle(self._open_feed(), self._watching)

    def _watching(self) -> dict[str, str]:
        """Return for each symbol how far it is from being looked at."""
        rules = rules_of(self._settings.strategy)
        return {symbol: rules.idle(window) for symbol, window in self._windows.items()}

    # ---------------------------------------------------------------- a moment has been lived

    def _lived(self, strategy: bt.Strategy) -> None:
        broker = self._engine.broker
        record = self._recorder.commit(strategy, broker, self._observer.ml)
        trades = tuple(broker.book.trades)
        broker.book.trades.clear()
        # For `_watching`: it is asked while a feed waits, and counts the bar to come already.
        self._windows = {
            data.symbol: data.window(self._settings.strategy.warmup_bars)
            for data in self._engine.datas
            if len(data)
        }
        if record is not None:
            self._observer.lived(record, trades)
            self._open_feed().watch_trades(broker.at_stake())


def _by_moment(
    rows: Iterable[Mapping[str, Any]],
) -> Mapping[np.datetime64, Sequence[Mapping[str, Any]]]:
    found: dict[np.datetime64, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["decided_at"]].append(row)
    return found
