"""A search in each window of a walk-forward: found on its train part, traded in its test part.

No figure of the run is of bars on which its settings were chosen: the stitched tests are the
headline. A set that an ensemble is asked under is looked for on the bars of the train part that no
member has learned from, those that calibrated it, as fitted thresholds are.

The configured settings go over the same tests in the same way, so that what searching has brought
can be told from what the market did.
"""

import logging
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from engine.errors import RunError, UsageError
from engine.jobs.auditing.rule_check import check_rules_on
from engine.jobs.markets import Market
from engine.jobs.reporting.search import ToldSearch
from engine.jobs.request_record import SEARCH
from engine.jobs.run_report import RunContext, kept, run_result
from engine.jobs.run_request import RunRequest
from engine.jobs.searching.asked import AskedSearch
from engine.jobs.searching.confirming import check_same, figures_of
from engine.jobs.searching.effect import check_effect, warn_of_missing
from engine.jobs.searching.far import search_far
from engine.jobs.searching.finding import Found, find
from engine.jobs.searching.record import facts_of
from engine.jobs.searching.space import Space, applied, load_space
from engine.jobs.searching.stitching import (
    Stretch,
    figures_of_run,
    run_in_turn,
    run_on,
    stitched,
)
from engine.jobs.searching.trial import Figures, Objective
from engine.jobs.searching.walking_report import (
    JudgedWindows,
    SearchedWindow,
    WindowSearchReport,
)
from engine.jobs.searching.window import SearchWindow
from engine.jobs.searching.worth import worth_of_run
from engine.jobs.serving import MLMode
from engine.jobs.settings import Settings
from engine.jobs.spreading.task import Backend
from engine.jobs.walking.analyzer import WindowAnalyzers
from engine.jobs.walking.spans import markets_of, tested, windows_of
from engine.jobs.walking.windows import Window, WindowSpec
from engine.result import RunResult
from feeds.moments import iso
from ml.analyzer import Analyzer

log = logging.getLogger("tandem.search")


def search_windows(
    request: RunRequest, asked: AskedSearch, spec: WindowSpec, backend: Backend | None = None
) -> WindowSearchReport:
    """Make the search in each window of the walk-forward that the request asks for.

    Parameters
    ----------
    backend : where windows are trained and, on a cluster, searched; None for this machine

    Raises
    ------
    ConfigError, UsageError
        if the space does not fit the settings, or flags do not go together
    RunError
        if the bars do not fill a window, a rule of a user's file looks ahead, or the Engine does
        not confirm what the sweep found
    """
    request.check_out()
    mode = _mode(request)
    far = backend is not None and backend.far
    if backend is not None and not far and mode is MLMode.OFF:
        raise UsageError(
            "--workers is for training the windows' ensembles: with --search it goes with --ml on; "
            "sets are run by threads of this machine anyway"
        )
    space = load_space(asked.space, request.settings)
    settings, markets = markets_of(request)
    windows = windows_of(request, markets, spec)
    check_rules_on([market.bars for market in markets], settings.strategy)
    ensembles = None
    if mode is MLMode.ON:
        folder = request.out / "walk_forward"
        ensembles = _ensembles(settings, markets, (spec, windows), folder, backend)
    check_effect(space, settings, ensembles)
    warn_of_missing(space, settings)
    asked_of = [None] * len(windows) if ensembles is None else ensembles.analyzers
    digests = {market.bars.symbol: market.bars.digest() for market in markets}
    parts = [
        SearchWindow(window, markets, digests, settings, ensemble)
        for window, ensemble in zip(windows, asked_of, strict=True)
    ]
    if backend is not None and far:
        search_far(parts, space, asked, request.out, backend)
    found = [_found(each, space, asked, request.out) for each in parts]
    record = request.record(SEARCH, mode, None, windows=str(spec), objective=asked.objective.value)
    tests = tested(markets, windows, settings)
    context = RunContext(settings, tests, ensembles, request.out, record)
    return _reported(context, (spec, space, asked.objective), parts, found)


def _reported(
    context: RunContext,
    asked: tuple[WindowSpec, Space, Objective],
    parts: Sequence[SearchWindow],
    found: Sequence[Found],
) -> WindowSearchReport:
    """Return what comes of trading each test, with the found settings and as configured."""
    (spec, space, objective), settings, out = asked, context.settings, context.out
    pairs = list(zip(parts, found, strict=True))
    result, searched = _traded(context, [each.test(_chosen(one)) for each, one in pairs])
    beside, configured = _traded(context, [each.test(settings) for each in parts])
    tried = [each.tried for each in found]
    seen = facts_of(context.markets, parts[0].digests)
    worth = worth_of_run(result, settings.broker.cash, tried, out, seen)
    judged = JudgedWindows(
        spec=spec,
        space=space,
        objective=objective,
        windows=[
            SearchedWindow(each.window, one, one.worth(out), own, other)
            for (each, one), own, other in zip(pairs, searched, configured, strict=True)
        ],
        configured=figures_of(len(beside.trades), beside.metrics),
        worth=worth,
        folder=out / "search",
    )
    run = kept([result], None, replace(context, search=_told(context, judged, parts[-1])))
    report = WindowSearchReport(
        run=run, **{each.name: getattr(judged, each.name) for each in fields(judged)}
    )
    report.keep()
    return report


def _told(context: RunContext, judged: JudgedWindows, last: SearchWindow) -> ToldSearch:
    """Return what the run says of the search; to go on there is what the last window found."""
    best, settings, request = judged.windows[-1].found.best, context.settings, context.request
    if last.ensemble is not None:
        bundle = last.ensemble.bundle.kept.version.parent
        strategy = settings.strategy.model_copy(update={"ml_model_path": bundle})
        settings = settings.model_copy(update={"strategy": strategy})
    if request.bars.kind != "default":  # on bars that the choice has not seen
        request = request.model_copy(update={"start": iso(last.window.train_end)})
    return ToldSearch(
        judged.facts(),
        None if best is None else applied(settings, best.values),
        request,
        judged.folder,
    )


def _mode(request: RunRequest) -> MLMode:
    """Return the ML mode: ML-off unless another one is asked for."""
    mode = request.ml or MLMode.OFF
    if mode not in (MLMode.OFF, MLMode.ON):
        raise UsageError(
            f"--search with --walk-forward goes with --ml off or --ml on, found --ml {mode.value}"
        )
    if request.in_sample or request.model is not None:
        raise UsageError(
            "--model and --in-sample do not go with --search and --walk-forward, which train a "
            "bundle for each window, and have nothing to allow"
        )
    return mode


def _ensembles(
    settings: Settings,
    markets: Sequence[Market],
    cut: tuple[WindowSpec, Sequence[Window]],
    folder: Path,
    backend: Backend | None,
) -> WindowAnalyzers:
    """Return the ensemble of each window, trained on its train part, as a walk-forward does."""
    from engine.jobs.walking.bundles import train_windows, windows_digest  # a search without ML
    # starts without learning

    bars = [market.bars for market in markets]
    spec, windows = cut
    digest = windows_digest(bars, settings, spec, windows)
    bundles = train_windows(bars, settings, windows, folder / digest[:16], backend)
    return WindowAnalyzers(
        [Analyzer(each.bundle) for each in bundles],
        np.array([each.window.train_end for each in bundles]),
        digest,
    )


def _found(window: SearchWindow, space: Space, asked: AskedSearch, out: Path) -> Found:
    """Return the search in a window, confirmed by the Engine."""
    log.info("%s is searched", window.window)
    ground = window.ground()
    found = find(ground, space, asked, out)
    if found.best is None:
        log.warning(
            "%s: none of %d sets had %d trades, so it is traded as configured",
            window.window, len(found.trials), space.config.fewest_trades,
        )  # fmt: skip
        return found
    stretch = Stretch(_chosen(found), ground.markets, ground.ensemble)
    try:
        check_same(_figures_on(stretch), found.best)
    except RunError as error:
        raise RunError(f"{window.window}: {error}") from error
    return found


def _figures_on(stretch: Stretch) -> Figures:
    return figures_of_run(run_on(stretch), stretch, stretch.settings.broker.cash)


def _chosen(found: Found) -> Settings:
    """Return the settings with the best set; as configured if there is none."""
    settings = found.ground.settings
    return settings if found.best is None else applied(settings, found.best.values)


def _traded(context: RunContext, stretches: Sequence[Stretch]) -> tuple[RunResult, list[Figures]]:
    """Return the run over all tests, and the figures of each."""
    ran = run_in_turn(stretches)
    whole = stitched([run for run, _ in ran], stretches, context.markets)
    result = run_result(whole, context, ml_on=context.analyzer is not None)
    return result, [figures for _, figures in ran]
