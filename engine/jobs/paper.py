"""The paper command: a session on an exchange's live bars, or on a recording that stands in."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from engine.jobs.live.beginning import refuse_another, session_facts, state_path
from engine.jobs.live.ensemble import LiveEnsemble
from engine.jobs.live.observer import Observer
from engine.jobs.live.report import PaperReport, session_report
from engine.jobs.live.recording import Recording
from engine.jobs.live.request import PaperRequest
from engine.jobs.live.session import PaperSession
from engine.jobs.live.stopping import stop_on_signals
from engine.jobs.live.trading import warm_up
from engine.jobs.live.venue import Venue, exchange_venue, rehearsal_venue
from engine.jobs.markets import Market
from engine.jobs.run_request import RunRequest
from engine.jobs.serving import analyzer_for, refuse_in_sample
from engine.jobs.settings import Settings
from engine.paper.file import put_away
from engine.paper.state import PaperState
from engine.paper.webhook import Webhook
from feeds.timeframe import Timeframe
from ml.analyzer import Analyzer
from strategies.views import NoEnsemble

if TYPE_CHECKING:
    from engine.dashboard.server import Dashboard

log = logging.getLogger("tandem.paper")


def trade_on_paper(request: PaperRequest) -> PaperReport:
    """Run the session until its market ends or the process is asked to stop."""
    RunRequest(settings=request.settings, out=request.out).check_out()
    markets = _recording(request)
    timeframe = markets[0].bars.timeframe if markets else request.timeframe
    first = analyzer_for(request.settings, timeframe, request.ml)
    if isinstance(first, Analyzer) and markets:
        refuse_in_sample(first, markets, allowed=request.in_sample, compare=False)
    warm_up(request.settings, timeframe, first)
    path = state_path(request, markets)
    with ExitStack() as stack:
        state = stack.enter_context(PaperState.resume(path)) if path.exists() else None
        venue = stack.enter_context(_venue(request, markets, state))
        feed = None
        if state is None:
            feed = stack.enter_context(venue.feed({}))
            facts = session_facts(request, venue, feed.opening, markets)
            log.info("%s", feed.opening.how)
            state = stack.enter_context(PaperState.create(path, facts, feed.opening.history))
        else:
            refuse_another(state, request, venue, markets)
        ensemble = _ensemble(state, request.settings, first)
        observer = stack.enter_context(_observed(state, request, venue, ensemble))
        session = PaperSession(
            state, venue, request.settings, ensemble, observer=observer, feed=feed
        )
        stop = stack.enter_context(stop_on_signals())
        session.run(stop)
        report = session_report(state.reader, request, first)
    over = request.state is None and request.rehearsal is not None and not stop.is_set()
    return _put_away(report) if over else report


def _put_away(report: PaperReport) -> PaperReport:
    """Move the state of a rehearsal that is over into the folder of its run."""
    if report.run is None:
        return report
    kept = put_away(report.state, report.run.run_dir / "session.sqlite")
    return replace(report, state=kept, stays=kept == report.state)


def _ensemble(
    state: PaperState, settings: Settings, first: Analyzer | NoEnsemble | None
) -> LiveEnsemble | None:
    """Return the ensemble, its watch taken up where an earlier process left it."""
    if first is None:
        return None
    reader = state.reader
    timeframe = Timeframe.parse(reader.facts().timeframe)
    ensemble = LiveEnsemble(
        settings, timeframe, first, lambda symbol, n: reader.bars(symbol, last=n)
    )
    ensemble.restore(
        ((moment.closed_at, moment.ml) for moment in reader.moments()), reader.decisions()
    )
    return ensemble


@contextmanager
def _observed(
    state: PaperState, request: PaperRequest, venue: Venue, ensemble: LiveEnsemble | None
) -> Iterator[Observer]:
    """Yield who watches the session, and shows it, as long as the block lasts."""
    told, paper = None, request.settings.paper
    with ExitStack() as stack:
        if paper.webhook is not None:
            about = {"exchange": venue.spec.exchange, "state": str(state.reader.path)}
            told = stack.enter_context(Webhook(paper.webhook.get_secret_value(), about))
        observer = Observer(state, ensemble, told, venue.speed)
        observer.started()
        log.info("the session is kept in %s; --status and --parity look at it", state.reader.path)
        if request.dashboard is not None:
            shown = stack.enter_context(_dashboard(state, request, request.dashboard))
            log.info("dashboard at %s", shown.url)
        if request.record is not None:
            observer.recording = stack.enter_context(Recording(request.record, state.reader))
        error: BaseException | None = None
        try:
            yield observer
        except BaseException as found:
            error = found
            raise
        finally:
            observer.ended(error)


def _dashboard(state: PaperState, request: PaperRequest, address: tuple[str, int]) -> "Dashboard":
    from engine.dashboard.server import Dashboard  # a session without one starts without it

    host, port = address
    token = request.settings.paper.dashboard_token
    secret = None if token is None else token.get_secret_value()
    return Dashboard(state.reader.path, host=host, port=port, token=secret)


def _recording(request: PaperRequest) -> list[Market]:
    if request.rehearsal is None:
        return []
    settings = request.settings
    return request.rehearsal.bars.markets(settings.data, settings.strategy.warmup_bars)


@contextmanager
def _venue(
    request: PaperRequest, markets: Sequence[Market], state: PaperState | None
) -> Iterator[Venue]:
    if not markets:
        yield exchange_venue(request)
        return
    with rehearsal_venue(markets, request, None if state is None else _last_close(state)) as venue:
        yield venue


def _last_close(state: PaperState) -> np.datetime64:
    reader = state.reader
    latest = [reader.bars(symbol, last=1) for symbol in reader.facts().symbols]
    return np.datetime64(max(bars.closed_at[-1] for bars in latest if len(bars)), "ms")
