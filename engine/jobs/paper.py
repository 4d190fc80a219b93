"""The paper command, first form: the Engine driven bar by bar from a recording.

Nothing is computed ahead: each decision rests on a trailing window of the bars delivered so far.
"""

from engine.jobs.hybrid_run import run_stream
from engine.jobs.run_report import RunContext, RunReport, kept, run_result
from engine.jobs.run_request import RunRequest
from engine.jobs.serving import MLMode, analyzer_for, refuse_in_sample
from ml.analyzer import Analyzer
from strategies.views import WindowViews


def rehearse(request: RunRequest) -> RunReport:
    """Trade the recording as if it were live; the first bars are warm-up."""
    request.check_out()
    settings = request.settings
    markets = request.markets()
    mode = request.ml or MLMode.AUTO
    analyzer = analyzer_for(settings, markets[0].bars.timeframe, mode)
    if isinstance(analyzer, Analyzer):
        refuse_in_sample(analyzer, markets, allowed=request.in_sample, compare=False)
    run = run_stream(markets, WindowViews(settings.strategy, analyzer), settings)
    asked = request.record("rehearsal", mode, analyzer)
    context = RunContext(settings, markets, analyzer, request.out, asked)
    return kept([run_result(run, context, ml_on=isinstance(analyzer, Analyzer))], None, context)
