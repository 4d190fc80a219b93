"""The walk-forward: everything trained window by window, traded where nothing had been seen yet.

1. The span of the markets is cut into windows (`engine.jobs.walking.windows`).
2. A bundle is trained for each, on what was known when its training ended, and kept
   (`engine.jobs.walking.bundles`). Purging needs no embargo: labels that are not known by then
   are not rows yet.
3. One run goes over all tests. Every bar is asked of the bundle of its window
   (`engine.jobs.walking.analyzer`), so that wallet, positions and comparison are those of any
   backtest. These stitched results are the headline; nothing in-sample goes into them.
4. Scores, reliability and drift of the same bars (`engine.jobs.walking.quality`).

The last bundle is the one to go on with. It is put in force where `--model` says and nowhere else:
a study must not replace, without being told, the bundle that somebody trades with.
"""

import logging
from collections.abc import Sequence

import numpy as np

from engine.errors import UsageError
from engine.jobs.backtest import runs
from engine.jobs.markets import Market
from engine.jobs.members import check_configured
from engine.jobs.run_report import RunContext
from engine.jobs.run_request import RunRequest
from engine.jobs.serving import MLMode, is_in_sample
from engine.jobs.settings import Settings
from engine.jobs.spreading.task import Backend
from engine.jobs.training_rows import training_rows
from engine.jobs.walking.analyzer import WindowAnalyzers
from engine.jobs.walking.bundles import WindowBundle, train_windows, windows_digest
from engine.jobs.walking.quality import Answers, answers_of
from engine.jobs.walking.report import WalkForwardReport
from engine.jobs.walking.spans import markets_of, tested, windows_of
from engine.jobs.walking.windows import WindowSpec
from feeds.progress import progress
from ml.analyzer import Analyzer
from ml.bundle import copy_bundle, refuse_target
from ml.errors import InSampleError

log = logging.getLogger("tandem.run")


def walk_forward(
    request: RunRequest, spec: WindowSpec, backend: Backend | None = None
) -> WalkForwardReport:
    """Make the walk-forward that the request asks for; without data, on the embedded default.

    Parameters
    ----------
    backend : where windows are trained; None for processes of this machine

    Raises
    ------
    UsageError
        if flags do not go together
    RunError
        if the bars do not fill a window, or one cannot be trained
    """
    mode = _mode(request)
    request.check_out()
    if request.model is not None:
        refuse_target(request.model)
    check_configured(request.settings)
    settings, markets = markets_of(request)
    windows = windows_of(request, markets, spec)
    bars = [market.bars for market in markets]
    digest = windows_digest(bars, settings, spec, windows)
    folder = request.out / "walk_forward" / digest[:16]
    log.info("walk-forward %s: %d windows, kept in %s", spec, len(windows), folder)
    bundles = train_windows(bars, settings, windows, folder, backend)
    tests = tested(markets, windows, settings)
    analyzer = _analyzer(bundles, tests, digest)
    answers = _answers(bundles, tests, settings, analyzer)
    record = request.record("walk-forward", mode, None, windows=str(spec))
    run = runs(RunContext(settings, tests, analyzer, request.out, record, answers), mode)
    if request.model is not None:
        copy_bundle(bundles[-1].path, request.model)
    report = WalkForwardReport(run, spec, answers, analyzer, request.model)
    report.keep(folder)
    return report


def _mode(request: RunRequest) -> MLMode:
    """Return the ML mode: a comparison unless another one is asked for."""
    if request.ml is MLMode.OFF:
        raise UsageError("--walk-forward trains ensembles: --ml off does not go with it")
    if request.in_sample:
        raise UsageError("--in-sample does not go with --walk-forward, which has nothing to allow")
    if request.bars is None and request.model is not None:
        raise UsageError("--model goes with bars: add --data FILE or --symbols, or leave it out")
    return request.ml or MLMode.COMPARE


def _analyzer(
    bundles: Sequence[WindowBundle], tests: Sequence[Market], digest: str
) -> WindowAnalyzers:
    analyzer = WindowAnalyzers(
        [Analyzer(each.bundle) for each in bundles],
        np.array([each.window.train_end for each in bundles]),
        digest,
    )
    if is_in_sample(analyzer, tests):
        raise InSampleError("a window would be asked about bars that its bundle has seen")
    return analyzer


def _answers(
    bundles: Sequence[WindowBundle],
    tests: Sequence[Market],
    settings: Settings,
    analyzer: WindowAnalyzers,
) -> list[Answers]:
    """Ask each window's ensemble about the candidate bars of its test."""
    asked = settings.training.model_copy(update={"population": "candidates"})
    bars = [market.bars for market in tests]
    rows = training_rows(bars, settings.model_copy(update={"training": asked}))
    window = analyzer.window_of(rows.decided_at)
    answers = []
    with progress("judging", total=len(bundles), unit="windows") as advance:
        for position, bundle in enumerate(bundles):
            answers.append(answers_of(bundle, rows.take(window == position)))
            advance()
    return answers
