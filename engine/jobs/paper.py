"""The paper command, first form: the Engine driven bar by bar from a recording.

Nothing is computed ahead: each decision rests on a trailing window of the bars delivered so far.
"""

from engine.jobs.report import RunReport
from engine.jobs.request import RunRequest
from engine.jobs.results import RunContext, kept, run_result
from engine.jobs.run import run_stream
from engine.jobs.serving import MLMode, analyzer_for, refuse_in_sample
from ml.analyzer import Analyzer
from strategies.signals import WindowSignals


def rehearse(request: RunRequest) -> RunReport:
    """Trade the recording as if it were live; the first bars are warm-up."""
    settings = request.settings
    markets = request.markets()
    analyzer = analyzer_for(settings, markets[0].bars.timeframe, request.ml or MLMode.AUTO)
    if isinstance(analyzer, Analyzer):
        refuse_in_sample(analyzer, markets, allowed=request.in_sample, compare=False)
    run = run_stream(markets, WindowSignals(settings.strategy, analyzer), settings)
    context = RunContext(settings, markets, analyzer, request.out)
    return kept([run_result(run, context, ml_on=isinstance(analyzer, Analyzer))], None, context)
