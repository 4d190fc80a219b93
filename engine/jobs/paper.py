"""The paper command: a session on an exchange's live bars, or on a recording that stands in."""

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import StateError
from engine.jobs.live.ensemble import LiveEnsemble
from engine.jobs.live.observer import Observer
from engine.jobs.live.request import PaperRequest
from engine.jobs.live.result import session_markets, session_run
from engine.jobs.live.session import PaperSession
from engine.jobs.live.stopping import stop_on_signals
from engine.jobs.live.trading import warm_up
from engine.jobs.live.venue import Venue, exchange_venue, recording_facts, rehearsal_venue
from engine.jobs.markets import Market
from engine.jobs.request_record import LiveRecord, RequestRecord
from engine.jobs.run_report import RunContext, RunReport, kept, run_result
from engine.jobs.run_request import RunRequest
from engine.jobs.serving import analyzer_for, refuse_in_sample
from engine.jobs.settings import Settings
from engine.paper.file import put_away
from engine.paper.reading import StateReader
from engine.paper.records import SessionFacts
from engine.paper.state import PaperState
from engine.paper.webhook import Webhook
from engine.rules import SymbolRules
from feeds.clock import SystemClock
from feeds.live.moment import Opening
from feeds.moments import readable
from feeds.timeframe import Timeframe
from ml.analyzer import Analyzer
from ml.manifest import library_versions
from strategies.views import NoEnsemble

log = logging.getLogger("tandem.paper")

# What a session is free to change when it goes on; everything else decides what it trades.
_FREE = ("paper", "statistics", "training", "seed")

_Ensemble = Analyzer | NoEnsemble | None


@dataclass(frozen=True, slots=True, eq=False)
class PaperReport:
    """What a session came to until it was stopped.

    Attributes
    ----------
    run : None if no bar has closed yet
    state : where it goes on from
    """

    run: RunReport | None
    session: dict[str, Any]
    state: Path

    def to_json(self) -> dict[str, Any]:
        run = {} if self.run is None else self.run.to_json()
        return {**run, "session": self.session, "state": str(self.state)}

    def text(self) -> str:
        """Return what a person reads: the run's tables, then what was special about the session."""
        known = self.session
        said = [] if self.run is None else [self.run.text(), ""]
        return "\n".join(
            [
                *said,
                f"{known['bars']:,} bars at {known['moments']:,} closes, {known['offline']:,} "
                f"caught up with offline; {known['missed']:,} entries missed; fills priced by "
                + (", ".join(f"{m} {n:,}" for m, n in known["fills"].items()) or "nobody: none"),
                f"the session is kept in {self.state}",
            ]
        )


def trade_on_paper(request: PaperRequest) -> PaperReport:
    """Run the session until its market ends or the process is asked to stop."""
    RunRequest(settings=request.settings, out=request.out).check_out()
    markets = _recording(request)
    timeframe = markets[0].bars.timeframe if markets else request.timeframe
    first = analyzer_for(request.settings, timeframe, request.ml)
    if isinstance(first, Analyzer) and markets:
        refuse_in_sample(first, markets, allowed=request.in_sample, compare=False)
    warm_up(request.settings, timeframe, first)
    path = _state_path(request, markets)
    with ExitStack() as stack:
        state = stack.enter_context(PaperState.resume(path)) if path.exists() else None
        venue = stack.enter_context(_venue(request, markets, state))
        feed = None
        if state is None:
            feed = stack.enter_context(venue.feed({}))
            facts = _facts(request, venue, feed.opening, markets)
            state = stack.enter_context(PaperState.create(path, facts, feed.opening.history))
        else:
            _refuse_another(state, request, venue, markets)
        ensemble = _ensemble(state, request.settings, first)
        observer = stack.enter_context(_observed(state, request, venue, ensemble))
        session = PaperSession(
            state, venue, request.settings, ensemble, observer=observer, feed=feed
        )
        stop = stack.enter_context(stop_on_signals())
        session.run(stop)
        report = _report(state, request, first, path)
    over = request.state is None and request.rehearsal is not None and not stop.is_set()
    return _put_away(report) if over else report


def _put_away(report: PaperReport) -> PaperReport:
    """Move the state of a rehearsal that is over into the folder of its run."""
    if report.run is None:
        return report
    place = report.run.run_dir / "session.sqlite"
    put_away(report.state, place)
    return replace(report, state=place)


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
        if request.dashboard is not None:
            stack.enter_context(_dashboard(state, request))
        error: BaseException | None = None
        try:
            yield observer
        except BaseException as found:
            error = found
            raise
        finally:
            observer.ended(error)


def _dashboard(state: PaperState, request: PaperRequest) -> AbstractContextManager[object]:
    from engine.dashboard.server import Dashboard  # a session without one starts without it

    host, port = request.dashboard or ("", 0)
    token = request.settings.paper.dashboard_token
    secret = None if token is None else token.get_secret_value()
    return Dashboard(state.reader.path, host=host, port=port, token=secret)


def _recording(request: PaperRequest) -> list[Market]:
    if request.rehearsal is None:
        return []
    settings = request.settings
    return request.rehearsal.bars.markets(settings.data, settings.strategy.warmup_bars)


def _state_path(request: PaperRequest, markets: Sequence[Market]) -> Path:
    """Return where the state is; a rehearsal's own is found again by what is rehearsed."""
    if request.state is not None:
        return request.state
    if not markets:
        return Path("paper.sqlite")
    asked = [recording_facts(markets), _decisive(request)]
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:8]
    return request.out / f"rehearsal-{digest}.sqlite"


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


# ---------------------------------------------------------------- what a session is begun with


def _facts(
    request: PaperRequest, venue: Venue, opening: Opening, markets: Sequence[Market]
) -> SessionFacts:
    settings = request.settings
    rules = {
        symbol: settings.symbols.get(
            symbol,
            SymbolRules(
                tick=terms.tick, amount_step=terms.amount_step, min_notional=terms.min_notional
            ),
        )
        for symbol, terms in opening.terms.items()
    }
    log.info("%s", opening.how)
    return SessionFacts(
        exchange=opening.exchange,
        symbols=venue.spec.symbols,
        timeframe=str(venue.spec.timeframe),
        cash=settings.broker.cash,
        settings=_decisive(request),
        rules={symbol: rule.model_dump(mode="json") for symbol, rule in rules.items()},
        recording=recording_facts(markets) if markets else None,
        created_at=np.datetime64(SystemClock().now().replace(tzinfo=None), "ms"),
        versions=library_versions(),
    )


def _decisive(request: PaperRequest) -> dict[str, Any]:
    """Return the settings that decide what is traded."""
    settings = request.settings.model_dump(mode="json")
    return {"ml": str(request.ml)} | {k: v for k, v in settings.items() if k not in _FREE}


def _refuse_another(
    state: PaperState, request: PaperRequest, venue: Venue, markets: Sequence[Market]
) -> None:
    """Raise `StateError` if the state was begun with something else."""
    facts = state.reader.facts()
    recording = recording_facts(markets) if markets else None
    pairs = [
        ("exchange", facts.exchange, venue.spec.exchange),
        ("symbols", list(facts.symbols), list(venue.spec.symbols)),
        ("timeframe", facts.timeframe, str(venue.spec.timeframe)),
        ("recording", facts.recording, recording),
        *_differing(facts.settings, _decisive(request)),
    ]
    for name, before, now in pairs:
        if before != now:
            raise StateError(
                f"a session must go on with the {name} it was begun with, {before}, found {now}: "
                "name another --state to begin a new one"
            )


def _differing(before: Any, now: Any, name: str = "") -> list[tuple[str, Any, Any]]:
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return [(name, before, now)]
    keys = sorted({*before, *now})
    inner = (_differing(before.get(k), now.get(k), f"{name}.{k}".lstrip(".")) for k in keys)
    return [pair for pairs in inner for pair in pairs]


# ---------------------------------------------------------------- what it came to


def _report(
    state: PaperState, request: PaperRequest, ensemble: _Ensemble, path: Path
) -> PaperReport:
    reader = state.reader
    moments = reader.moments()
    fills = reader.fills()
    models = [each.model for each in fills]
    facts: dict[str, Any] = {
        "bars": sum(len(m.bars) - m.first for m in session_markets(reader)),
        "moments": len(moments),
        "offline": sum(moment.offline for moment in moments),
        "late": sum(moment.late and not moment.offline for moment in moments),
        "missed": sum(row["outcome"] == "missed" for row in reader.decisions()),
        "fills": {str(model): models.count(model) for model in dict.fromkeys(models)},
    }
    if not moments:
        return PaperReport(None, facts, path)
    markets = session_markets(reader)
    context = RunContext(
        request.settings, markets, ensemble, request.out, _asked(request, reader, ensemble)
    )
    run = run_result(session_run(reader, markets), context, ml_on=isinstance(ensemble, Analyzer))
    log.info("the session stands at %s", readable(moments[-1].closed_at))
    return PaperReport(kept([run], None, context), facts, path)


def _asked(request: PaperRequest, reader: StateReader, ensemble: _Ensemble) -> RequestRecord:
    """Return what the run folder keeps of the request."""
    facts, rehearsal = reader.facts(), request.rehearsal
    asked = RunRequest(
        settings=request.settings,
        bars=None if rehearsal is None else rehearsal.bars,
        in_sample=request.in_sample,
    ).record("paper", request.ml, ensemble)
    if rehearsal is not None:
        return asked
    live = LiveRecord(exchange=facts.exchange, symbols=facts.symbols, timeframe=facts.timeframe)
    return asked.model_copy(update={"bars": live})
