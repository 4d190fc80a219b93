"""What a session came to until it was stopped."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from engine.jobs.live.request import PaperRequest
from engine.jobs.live.result import session_markets, session_run
from engine.jobs.live.trading import session_rules
from engine.jobs.request_record import LiveRecord, RequestRecord
from engine.jobs.run_report import RunContext, RunReport, kept, run_result, told_of_ensemble
from engine.jobs.run_request import RunRequest
from engine.paper.reading import StateReader
from engine.paper.records import PriceModel
from engine.result import RunResult
from feeds.moments import readable
from ml.analyzer import Analyzer
from strategies.evidence import evidence_table
from strategies.views import NoEnsemble

log = logging.getLogger("tandem.paper")


@dataclass(frozen=True, slots=True, eq=False)
class PaperReport:
    """The session as a run, and what was special about it.

    Attributes
    ----------
    run : None if no bar has closed yet
    state : where it goes on from
    stays : its state should have been moved into the folder of its run, but somebody is reading it
    """

    run: RunReport | None
    session: dict[str, Any]
    state: Path
    stays: bool = False

    @property
    def page(self) -> Path | None:
        """The session as a page for people."""
        return None if self.run is None else self.run.page

    def to_json(self) -> dict[str, Any]:
        run = {} if self.run is None else self.run.to_json()
        stays = {"state_stays": True} if self.stays else {}
        return {**run, "session": self.session, "state": str(self.state), **stays}

    def text(self) -> str:
        """Return what a person reads: the run's tables, then what was special about the session."""
        said = [] if self.run is None else [self.run.text(), ""]
        stays = ", where it was: another process is reading it" if self.stays else ""
        page = "" if self.page is None else f"; its page is {self.page}"
        return "\n".join(
            [
                *said,
                f"{self.session['place']}: {_special(self.session)}",
                f"the session is kept in {self.state}{stays}{page}",
                f"next: run_paper.py --status {self.state} says how it stands, "
                f"--parity {self.state} decides and prices all of it again",
            ]
        )


_PRICED_BY: Mapping[str, str] = {
    PriceModel.BAR: "bars",
    PriceModel.TRADE: "trades",
    PriceModel.OFFLINE: "bars that closed offline",
}


def _special(known: Mapping[str, Any]) -> str:
    """Return in words what a backtest has nothing of."""
    offline = f", {known['offline']:,} of them caught up with offline" if known["offline"] else ""
    closed = f"{known['bars']:,} bars closed at {known['moments']:,} moments"
    return f"{closed}{offline}; {known['missed']:,} entries missed; {_filled(known['fills'])}"


def _filled(models: Mapping[str, int]) -> str:
    """Return how many orders filled, and by what they were priced."""
    if not models:
        return "no order filled"
    by = ", ".join(f"{count:,} by {_PRICED_BY[model]}" for model, count in models.items())
    return f"fills priced: {by}"


def session_report(
    reader: StateReader, request: PaperRequest, ensemble: Analyzer | NoEnsemble | None
) -> PaperReport:
    """Keep the session so far as a run, and return what it came to.

    Parameters
    ----------
    ensemble : that was asked at the start
    """
    moments = reader.moments()
    fills = reader.fills()
    models = [each.model for each in fills]
    markets, begun = session_markets(reader), reader.facts()
    facts: dict[str, Any] = {
        "place": begun.place,
        "exchange": begun.exchange,
        "rehearsal": begun.recording is not None,
        "files": begun.files,
        "bars": sum(len(m.bars) - m.first for m in markets),
        "moments": len(moments),
        "offline": sum(moment.offline for moment in moments),
        "late": sum(moment.late and not moment.offline for moment in moments),
        "missed": sum(row["outcome"] == "missed" for row in reader.decisions()),
        "fills": {str(model): models.count(model) for model in dict.fromkeys(models)},
    }
    if not moments:
        return PaperReport(None, facts, reader.path)
    ruled = request.settings.model_copy(update={"symbols": session_rules(reader)})
    asked = _asked(request, reader, ensemble)
    context = RunContext(ruled, markets, ensemble, request.out, asked)
    run = run_result(session_run(reader, markets), context, ml_on=isinstance(ensemble, Analyzer))
    log.info("the session stands at %s", readable(moments[-1].closed_at))
    return PaperReport(
        kept([run], None, context, model=partial(_told, context, run)), facts, reader.path
    )


def _told(context: RunContext, run: RunResult) -> Mapping[str, Any] | None:
    """Return what the page tells of the ensemble, as far as the journal knows."""
    if not isinstance(context.analyzer, Analyzer):
        return told_of_ensemble(context, {}, {}, [run])()
    from engine.jobs.reporting.opinions import asked_in  # a session without ML does without

    strategy = context.settings.strategy
    tables = {m.bars.symbol: evidence_table(m.bars, strategy) for m in context.markets}
    return told_of_ensemble(context, tables, asked_in(run.decisions, context.markets), [run])()


def _asked(request: PaperRequest, reader: StateReader, ensemble: object) -> RequestRecord:
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
