"""The backtest command: markets, ensemble, the runs that the mode asks for, comparison, files."""

from collections.abc import Mapping

from engine.errors import RunError
from engine.jobs.compare import comparison
from engine.jobs.default_market import default_run
from engine.jobs.hybrid_run import run_batch
from engine.jobs.run_report import RunContext, RunReport, kept, run_result
from engine.jobs.run_request import RunRequest
from engine.jobs.serving import MLMode, analyzer_for, refuse_in_sample
from engine.result import RunResult
from ml.analyzer import Analyzer
from strategies.evidence import EvidenceTable, evidence_table
from strategies.views import BatchViews, NoEnsemble


def backtest(request: RunRequest) -> RunReport:
    """Make the runs that the request asks for; without data, on the embedded default."""
    if not request.files.paths:
        return _on_default_market(request)
    markets = request.markets()
    mode = request.ml or MLMode.AUTO
    analyzer = analyzer_for(request.settings, markets[0].bars.timeframe, mode)
    if isinstance(analyzer, Analyzer):
        compare = mode is MLMode.COMPARE
        refuse_in_sample(analyzer, markets, allowed=request.in_sample, compare=compare)
    return _runs(RunContext(request.settings, markets, analyzer, request.out), mode)


def _on_default_market(request: RunRequest) -> RunReport:
    if request.start is not None or request.end is not None or request.model is not None:
        raise RunError("--start-date, --end-date and --model go with --data FILE; add it")
    mode = request.ml or MLMode.COMPARE
    made = default_run(request.settings, request.out, train=mode is not MLMode.OFF)
    return _runs(RunContext(made.settings, made.markets, made.analyzer, request.out), mode)


def _runs(context: RunContext, mode: MLMode) -> RunReport:
    strategy = context.settings.strategy
    tables = {m.bars.symbol: evidence_table(m.bars, strategy) for m in context.markets}
    if mode is not MLMode.COMPARE:
        return kept([_run(context, tables, context.analyzer)], None, context)
    off, on = _run(context, tables, None), _run(context, tables, context.analyzer)
    return kept([off, on], comparison(off, on), context)


def _run(
    context: RunContext,
    tables: Mapping[str, EvidenceTable],
    ensemble: Analyzer | NoEnsemble | None,
) -> RunResult:
    views = BatchViews(tables, context.settings.strategy, ensemble)
    run = run_batch(context.markets, views, context.settings)
    return run_result(run, context, ml_on=isinstance(ensemble, Analyzer))
