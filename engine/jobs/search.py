"""The search command: many sets on the same bars, and the best of them as a run like any other.

1. The space is read and checked against the settings (`engine.jobs.searching.space`).
2. Sets are chosen in batches and run by the sweep, which trades as the Engine does
   (`engine.jobs.searching.looking`). Each is a trial, kept as it ends, so a search goes on where it
   was interrupted.
3. The best set is run on the Engine by the ordinary backtest. That is the result of record; if its
   figures are not those of the sweep, the search ends with an error and no run is kept.
4. What the choice is worth: the deflated Sharpe ratio and the probability of backtest overfitting
   (`engine.jobs.searching.worth`). The best of many sets is flattered by having been chosen.
"""

from dataclasses import replace
from functools import partial

from engine.errors import RunError
from engine.jobs.backtest import refuse_without_bars, runs
from engine.jobs.default_market import default_run
from engine.jobs.reporting.search import ToldSearch
from engine.jobs.request_record import BEST_OF
from engine.jobs.run_report import RunContext
from engine.jobs.run_request import RunRequest
from engine.jobs.searching.asked import AskedSearch
from engine.jobs.searching.confirming import check_same, figures_of
from engine.jobs.searching.effect import check_effect, warn_of_missing
from engine.jobs.searching.finding import Found, find
from engine.jobs.searching.record import Ground
from engine.jobs.searching.report import Judged, SearchReport
from engine.jobs.searching.space import Space, applied, load_space
from engine.jobs.searching.trial import Trial
from engine.jobs.serving import MLMode, analyzer_for, refuse_in_sample, wants_ml
from engine.result import RunResult
from ml.analyzer import Analyzer


def search(request: RunRequest, asked: AskedSearch) -> SearchReport:
    """Make the search that the request asks for; without data, on the embedded default.

    Raises
    ------
    ConfigError, UsageError
        if the space does not fit the settings, or the ensemble
    RunError
        if no set can be compared, or the Engine does not confirm the best
    """
    request.check_out()
    space = load_space(asked.space, request.settings)
    context, mode = _context(request)
    ensemble = context.analyzer if isinstance(context.analyzer, Analyzer) else None
    check_effect(space, context.settings, ensemble)
    warn_of_missing(space, context.settings)
    found = find(Ground(context.settings, context.markets, ensemble), space, asked, request.out)
    best = _best(found, space)
    worth = found.worth(request.out)
    judged = Judged(space, asked.objective, found, worth)
    run = runs(_chosen(context, judged), mode, partial(_confirm, best))
    report = SearchReport(space, asked.objective, found, worth, run)
    report.keep()
    return report


def _context(request: RunRequest) -> tuple[RunContext, MLMode]:
    """Return what every set has in common, and the mode: ML-off unless another one is asked for."""
    mode = request.ml or MLMode.OFF
    if request.bars is None:
        return _on_default_market(request, mode)
    settings, markets = request.settings, request.markets()
    analyzer = analyzer_for(settings, markets[0].bars.timeframe, mode)
    if isinstance(analyzer, Analyzer):
        refuse_in_sample(
            analyzer, markets, allowed=request.in_sample, compare=mode is MLMode.COMPARE
        )
    record = request.record("backtest", mode, analyzer)
    return RunContext(settings, markets, analyzer, request.out, record), mode


def _on_default_market(request: RunRequest, mode: MLMode) -> tuple[RunContext, MLMode]:
    refuse_without_bars(request)
    made = default_run(request.settings, request.out, train=wants_ml(request.settings, mode))
    record = request.record("backtest", mode, None)
    return RunContext(made.settings, made.markets, made.analyzer, request.out, record), mode


def _best(found: Found, space: Space) -> Trial:
    if found.best is None:
        raise RunError(
            f"none of {len(found.trials):,} sets can be compared: each needs "
            f"{space.config.fewest_trades} trades, the most had {found.most_trades}; give more "
            "bars, a wider space, or a lower fewest_trades in its section [search]"
        )
    return found.best


def _confirm(best: Trial, chosen: RunResult) -> None:
    check_same(figures_of(len(chosen.trades), chosen.metrics), best)


def _chosen(context: RunContext, judged: Judged) -> RunContext:
    """Return the context of the best set's run, which says what it was chosen from."""
    request = context.request.model_copy(update={"options": {BEST_OF: len(judged.trials)}})
    settings = applied(context.settings, judged.best.values)
    told = ToldSearch(judged.facts(), settings, request, judged.found.folder)
    return replace(context, settings=settings, request=request, search=told)
