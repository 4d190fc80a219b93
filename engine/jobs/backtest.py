"""The backtest command: markets, ensemble, the runs that the mode asks for, comparison, files."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from engine.errors import UsageError
from engine.jobs.auditing.rule_check import check_own_rules, warn_of_no_entry
from engine.jobs.comparing.comparison import comparison
from engine.jobs.comparing.references import References, references
from engine.jobs.default_market import default_run
from engine.jobs.hybrid_run import run_batch
from engine.jobs.run_report import (
    Context,
    RunContext,
    RunReport,
    data_facts,
    kept,
    run_result,
    told_of_ensemble,
)
from engine.jobs.run_request import RunRequest
from engine.jobs.serving import MLMode, analyzer_for, refuse_in_sample, wants_ml
from engine.result import RunResult
from engine.statistics.trials import trials
from ml.analyzer import Analyzer
from strategies.evidence import EvidenceTable, candidate_evidence
from strategies.views import Asked, BatchViews, NoEnsemble, ask

log = logging.getLogger("tandem.run")

Opinions: TypeAlias = Mapping[str, Asked]
"""What the ensemble said, by symbol."""


def backtest(request: RunRequest) -> RunReport:
    """Make the runs that the request asks for; without data, on the embedded default."""
    request.check_out()
    if request.bars is None:
        return _on_default_market(request)
    markets = request.markets()
    mode = request.ml or MLMode.AUTO
    analyzer = analyzer_for(request.settings, markets[0].bars.timeframe, mode)
    if isinstance(analyzer, Analyzer):
        compare = mode is MLMode.COMPARE
        refuse_in_sample(analyzer, markets, allowed=request.in_sample, compare=compare)
    asked = request.record("backtest", mode, analyzer)
    return runs(RunContext(request.settings, markets, analyzer, request.out, asked), mode)


def _on_default_market(request: RunRequest) -> RunReport:
    refuse_without_bars(request)
    mode = request.ml or MLMode.COMPARE
    made = default_run(request.settings, request.out, train=wants_ml(request.settings, mode))
    asked = request.record("backtest", mode, None)
    return runs(RunContext(made.settings, made.markets, made.analyzer, request.out, asked), mode)


def refuse_without_bars(request: RunRequest) -> None:
    """Raise `UsageError` if the request says of a bundle what the embedded default has not."""
    if request.in_sample or request.model is not None:
        raise UsageError(
            "--model and --in-sample go with bars: add --data FILE or --symbols, or leave them out "
            "for the embedded default"
        )


def runs(
    context: RunContext, mode: MLMode, confirm: Callable[[RunResult], None] | None = None
) -> RunReport:
    """Make the runs that the mode asks for on the markets of the context, and keep them.

    Parameters
    ----------
    confirm : raises if the last run is not to be kept; it is asked before anything is
    """
    strategy = context.settings.strategy
    warn_of_no_entry(strategy, with_ensemble=context.analyzer is not None)
    tables = {m.bars.symbol: candidate_evidence(m.bars, strategy) for m in context.markets}
    check_own_rules(tables, strategy)
    ensemble = context.analyzer
    asked = None if ensemble is None else ask(tables, strategy, ensemble)
    if mode is not MLMode.COMPARE:
        done = [_run(context, tables, asked, confirm)]
        model = told_of_ensemble(context, tables, asked or {}, done)
        return kept(done, None, context, model=model)
    done = [_run(context, tables, None)]
    try:
        done.append(_run(context, tables, asked, confirm))
        compared, beside = _compared(done, context, tables, asked or {})
        model = told_of_ensemble(context, tables, asked or {}, done)
    except KeyboardInterrupt:
        keep_interrupted(done, context)
        raise
    return kept(done, compared, context, beside, model)


def _compared(
    done: Sequence[RunResult],
    context: RunContext,
    tables: Mapping[str, EvidenceTable],
    asked: Opinions,
) -> tuple[dict[str, Any], References]:
    off, on = done
    log.info("the comparison begins")
    beside = references(context.markets, tables, asked, context.settings, on.trades)
    tried = trials(context.out, data_facts(context.markets), done)
    return comparison(off, on, beside, tried), beside


def keep_interrupted(done: Sequence[RunResult], context: Context) -> None:
    """Keep the runs that were finished when a comparison was interrupted, and say where."""
    folder = kept(done, None, context).run_dir
    if len(done) == 1:
        log.warning("interrupted in ML-on; ML-off was finished and is kept in %s", folder)
    else:
        log.warning(
            "interrupted in the comparison; both runs were finished and are kept in %s", folder
        )


def _run(
    context: RunContext,
    tables: Mapping[str, EvidenceTable],
    asked: Opinions | None,
    confirm: Callable[[RunResult], None] | None = None,
) -> RunResult:
    log.info("the run %s begins", "ML-off" if asked is None else "ML-on")
    answers = asked is not None and not isinstance(context.analyzer, NoEnsemble)
    views = BatchViews(tables, context.settings.strategy, asked or {})
    run = run_batch(context.markets, views, context.settings)
    result = run_result(run, context, ml_on=answers)
    if confirm is not None:
        confirm(result)
    return result
