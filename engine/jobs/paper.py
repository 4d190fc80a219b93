"""The paper command: a session on an exchange's live bars, or on a recording that stands in."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.jobs.live.beginning import refuse_another, session_facts, state_path
from engine.jobs.live.ensemble import LiveEnsemble
from engine.jobs.live.observer import Observer
from engine.jobs.live.received import Received
from engine.jobs.live.report import PaperReport, session_report
from engine.jobs.live.request import PaperRequest
from engine.jobs.live.session import PaperSession
from engine.jobs.live.stopping import stop_on_signals
from engine.jobs.live.taken_up import first_asked, last_answers
from engine.jobs.live.trading import warm_up
from engine.jobs.live.venue import Venue, exchange_venue, rehearsal_venue
from engine.jobs.markets import Market
from engine.jobs.run_request import RunRequest
from engine.jobs.serving import MLMode, refuse_in_sample
from engine.jobs.settings import Settings
from engine.paper.file import put_away
from engine.paper.state import PaperState
from engine.paper.webhook import Webhook
from feeds.moments import readable
from feeds.timeframe import Timeframe
from ml.analyzer import Analyzer
from strategies.views import NoEnsemble

if TYPE_CHECKING:
    from engine.dashboard.server import Dashboard
    from feeds.live.feed import LiveFeed

log = logging.getLogger("tandem.paper")


def trade_on_paper(request: PaperRequest) -> PaperReport:
    """Run the session until its market ends or the process is asked to stop."""
    RunRequest(settings=request.settings, out=request.out).check_out()
    markets = _rehearsed_markets(request)
    timeframe = markets[0].bars.timeframe if markets else request.timeframe
    path = state_path(request, markets)
    first = first_asked(request.settings, timeframe, request.ml, path)
    if isinstance(first, Analyzer) and markets:
        refuse_in_sample(first, markets, allowed=request.in_sample, compare=False)
    warm_up(request.settings, timeframe, first)
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signals())
        state, venue, feed = _begun_or_resumed(stack, path, request, markets)
        ensemble = _ensemble(state, request.settings, first)
        observer = stack.enter_context(_observed(state, request, venue, ensemble))
        observer.received = _received(stack, state, request)
        _show(stack, state, request)
        PaperSession(state, venue, request.settings, ensemble, observer=observer, feed=feed).run(
            stop
        )
        report = session_report(state.reader, request, first)
    over = request.state is None and request.rehearsal is not None and not stop.is_set()
    return _put_away(report) if over else report


def _begun_or_resumed(
    stack: ExitStack, path: Path, request: PaperRequest, markets: Sequence[Market]
) -> tuple[PaperState, Venue, "LiveFeed | None"]:
    """Return the state, where it trades, and the feed if one was opened to begin it."""
    if path.exists():
        state = stack.enter_context(PaperState.resume(path))
        last_close = _last_close(state)
        venue = stack.enter_context(_venue(request, markets, last_close))
        refuse_another(state, request, venue, markets)
        place = state.reader.facts().place
        log.info("%s: the session of %s goes on after %s", place, path, readable(last_close))
        return state, venue, None
    venue = stack.enter_context(_venue(request, markets, None))
    feed = stack.enter_context(venue.feed({}))
    facts = session_facts(request, venue, feed.opening, markets)
    state = stack.enter_context(PaperState.create(path, facts, feed.opening.history))
    log.info("%s: a new session, kept in %s", facts.place, path)
    return state, venue, feed


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
    ensemble.restore(*last_answers(reader))
    return ensemble


@contextmanager
def _observed(
    state: PaperState, request: PaperRequest, venue: Venue, ensemble: LiveEnsemble | None
) -> Iterator[Observer]:
    """Yield who watches the session as long as the block lasts, and tell how it ended."""
    webhook, paper = None, request.settings.paper
    with ExitStack() as stack:
        if paper.webhook is not None:
            about = {
                "exchange": venue.spec.called,
                "rehearsal": request.rehearsal is not None,
                "state": str(state.reader.path),
            }
            webhook = stack.enter_context(Webhook(paper.webhook.get_secret_value(), about))
        observer = Observer(
            state,
            ensemble,
            webhook,
            venue.speed,
            market=venue.clock,
            wants_ml=request.ml is MLMode.ON,
        )
        observer.started()
        error: BaseException | None = None
        try:
            yield observer
        except BaseException as found:
            error = found
            raise
        finally:
            observer.ended(error)


def _received(stack: ExitStack, state: PaperState, request: PaperRequest) -> Received | None:
    if request.record is None:
        return None
    return stack.enter_context(Received(request.record, state.reader))


def _show(stack: ExitStack, state: PaperState, request: PaperRequest) -> None:
    if request.dashboard is not None:
        shown = stack.enter_context(_dashboard(state, request, request.dashboard))
        log.info("dashboard at %s", shown.url)


def _dashboard(state: PaperState, request: PaperRequest, address: tuple[str, int]) -> "Dashboard":
    from engine.dashboard.server import Dashboard  # a session without one starts without it

    host, port = address
    token = request.settings.paper.dashboard_token
    secret = None if token is None else token.get_secret_value()
    return Dashboard(state.reader.path, host=host, port=port, token=secret)


def _rehearsed_markets(request: PaperRequest) -> list[Market]:
    if request.rehearsal is None:
        return []
    settings = request.settings
    return request.rehearsal.bars.markets(settings.data, settings.strategy.warmup_bars)


@contextmanager
def _venue(
    request: PaperRequest, markets: Sequence[Market], goes_on: np.datetime64 | None
) -> Iterator[Venue]:
    if not markets:
        yield exchange_venue(request)
        return
    with rehearsal_venue(markets, request, goes_on) as venue:
        yield venue


def _last_close(state: PaperState) -> np.datetime64:
    reader = state.reader
    latest = [reader.bars(symbol, last=1) for symbol in reader.facts().symbols]
    return np.datetime64(max(bars.closed_at[-1] for bars in latest if len(bars)), "ms")
