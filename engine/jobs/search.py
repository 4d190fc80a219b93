"""The search command: many sets on the same bars, and the best of them as a run like any other.

1. The space is read and checked against the settings (`engine.jobs.searching.space`).
2. Sets are chosen in batches and run by the sweep, which trades as the Engine does
   (`engine.jobs.searching.looking`). Each is a trial, kept as it ends, so a search goes on where it
   was interrupted.
3. The best set is run on the Engine by the ordinary backtest. That is the result of record; if its
   figures are not those of the sweep, the search ends with an error.
4. What the choice is worth: the deflated Sharpe ratio and the probability of backtest overfitting
   (`engine.jobs.searching.worth`). The best of many sets is flattered by having been chosen.
"""

import logging
import math
from dataclasses import fields
from functools import partial

from engine.errors import RunError
from engine.jobs.backtest import refuse_without_bars, runs
from engine.jobs.default_market import default_run
from engine.jobs.run_report import RunContext, data_facts
from engine.jobs.run_request import RunRequest
from engine.jobs.searching.asked import TRIALS, AskedSearch
from engine.jobs.searching.effect import check_effect
from engine.jobs.searching.looking import Looking, look
from engine.jobs.searching.record import Ground, note_tried, search_digest
from engine.jobs.searching.report import SearchReport
from engine.jobs.searching.space import Space, applied, configured, load_space
from engine.jobs.searching.study import Study, file_storage, opened_storage
from engine.jobs.searching.sweeping import Sweeps
from engine.jobs.searching.trial import Figures, Trial, best_of
from engine.jobs.searching.worth import worth_of
from engine.jobs.serving import MLMode, analyzer_for, refuse_in_sample, wants_ml
from engine.result import RunResult
from ml.analyzer import Analyzer

log = logging.getLogger("tandem.search")


def search(request: RunRequest, asked: AskedSearch) -> SearchReport:
    """Make the search that the request asks for; without data, on the embedded default.

    Raises
    ------
    ConfigError
        if the space does not fit the settings
    RunError
        if no set can be compared, or the Engine does not confirm the best
    """
    request.check_out()
    space = load_space(asked.space, request.settings)
    context, mode = _context(request)
    ensemble = context.analyzer if isinstance(context.analyzer, Analyzer) else None
    check_effect(space, context.settings, ensemble)
    ground = Ground(context.settings, context.markets, "" if ensemble is None else ensemble.digest)
    digest = search_digest(ground, space, asked.objective)
    folder = request.out / "search" / digest[:16]
    address = asked.storage or file_storage(folder / "trials.sqlite3")
    sweeps = Sweeps(context.markets, context.settings, ensemble)
    looking = Looking(context.settings, space, asked.objective, sweeps)
    noted = partial(note_tried, folder / "tried.json", ground, data_facts(context.markets))
    with opened_storage(address) as storage:
        first = configured(context.settings, space)
        study = Study(
            storage, f"search-{digest[:16]}", space, seed=context.settings.seed, first=first
        )
        trials = look(looking, study, _total(asked, space), noted)
        importance = study.importance()
    best = _best(trials, space)
    worth = worth_of(trials, best, request.out, data_facts(context.markets))
    run = runs(_chosen(context, best, len(trials)), mode)
    _check_same(run.results[-1], best)
    report = SearchReport(run, space, asked.objective, trials, importance, worth)
    report.keep(folder)
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


def _total(asked: AskedSearch, space: Space) -> int:
    if asked.trials is not None:
        return asked.trials
    return TRIALS if space.config.sampler == "tpe" else 2**31


def _best(trials: list[Trial], space: Space) -> Trial:
    compared = best_of(trials)
    if not compared:
        most = max((t.outcome.figures.trades for t in trials if t.outcome), default=0)
        raise RunError(
            f"none of {len(trials):,} sets can be compared: each needs "
            f"{space.config.fewest_trades} trades, the most had {most}; give more bars, a wider "
            "space, or a lower fewest_trades in its section [search]"
        )
    return compared[0]


def _chosen(context: RunContext, best: Trial, tried: int) -> RunContext:
    """Return the context of the best set's run, which says what it was chosen from."""
    request = context.request.model_copy(update={"options": {"best_of": tried}})
    settings = applied(context.settings, best.values)
    return RunContext(settings, context.markets, context.analyzer, context.out, request)


def _check_same(result: RunResult, best: Trial) -> None:
    """Raise if the Engine's run is not what the sweep said of the set."""
    figures = None if best.outcome is None else best.outcome.figures
    ran = Figures(trades=len(result.trades), **_shared(result))
    differing = [
        f"{each.name} {getattr(figures, each.name)} and {getattr(ran, each.name)}"
        for each in fields(Figures)
        if not _same(getattr(figures, each.name), getattr(ran, each.name))
    ]
    if differing:
        raise RunError(
            f"set {best.number}: the sweep and the Engine must come to the same, found "
            f"{'; '.join(differing)}: please report it, and trust no figure of this search"
        )


def _same(told: float | None, ran: float | None) -> bool:
    if told is None or ran is None:
        return told is ran
    return math.isclose(told, ran, rel_tol=1e-9, abs_tol=1e-12)


def _shared(result: RunResult) -> dict[str, float | None]:
    names = [each.name for each in fields(Figures) if each.name != "trades"]
    return {name: getattr(result.metrics, name) for name in names}
