"""The backtest of a plain strategy: ML-off, ML-on through the indicator, or both side by side.

It has no candidate bars, and so no journal, no training and no protections.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import RunError, UsageError
from engine.jobs.backtest import keep_interrupted
from engine.jobs.comparing.comparison import comparison
from engine.jobs.comparing.plain_gates import plain_references
from engine.jobs.comparing.references import References
from engine.jobs.default_market import default_run
from engine.jobs.heard import AskedOtherwiseError, HeardEnsemble
from engine.jobs.markets import Market
from engine.jobs.plain_run import ASKS, PlainStrategy, as_run, execute
from engine.jobs.request_record import PLAIN
from engine.jobs.run_report import Context, RunReport, data_facts, kept, run_result
from engine.jobs.run_request import PlainRequest
from engine.jobs.serving import MLMode, plain_analyzer, refuse_in_sample, wants_ml
from engine.result import RunResult
from engine.statistics.trials import trials
from ml.analyzer import Analyzer
from strategies.views import NoEnsemble

log = logging.getLogger("tandem.run")


def plain_backtest(request: PlainRequest) -> RunReport:
    """Make the runs that the request asks for; without data, on the embedded default.

    Raises
    ------
    UsageError
        if an ensemble is wanted that the strategy does not ask
    RunError
        if the strategy fails, or has asked about no bar
    """
    request.check_out()
    strategy = PlainStrategy.of(request.settings)
    mode = _mode(request, strategy)
    markets, analyzer = _on_bars(request, mode) if request.bars else _on_default(request, mode)
    record = request.record(PLAIN, mode, None if request.bars is None else analyzer)
    context = Context(request.settings, markets, analyzer, request.out, record)
    return _Plain(strategy, request, context).report(mode)


def _mode(request: PlainRequest, strategy: PlainStrategy) -> MLMode:
    """Return the mode in force; refuse one with an ensemble that is never asked."""
    if strategy.asks:
        return request.ml or (MLMode.COMPARE if request.bars is None else MLMode.AUTO)
    if request.ml in (MLMode.ON, MLMode.COMPARE):
        raise UsageError(
            f"{strategy.name} asks no ensemble, so --ml {request.ml} has nothing to run: give it "
            f"a parameter {ASKS} and hand that to strategies.indicators.ml_ensemble.MLEnsemble"
        )
    return MLMode.OFF


def _on_bars(
    request: PlainRequest, mode: MLMode
) -> tuple[Sequence[Market], Analyzer | NoEnsemble | None]:
    markets = request.markets()
    if not wants_ml(request.settings, mode):
        return markets, None
    analyzer = plain_analyzer(request.settings, markets[0].bars.timeframe, mode)
    if isinstance(analyzer, Analyzer):
        compare = mode is MLMode.COMPARE
        refuse_in_sample(analyzer, markets, allowed=request.in_sample, compare=compare)
    return markets, analyzer


def _on_default(request: PlainRequest, mode: MLMode) -> tuple[Sequence[Market], Analyzer | None]:
    if request.in_sample or request.model is not None:
        raise UsageError(
            "--model and --in-sample go with bars: add --data FILE or --symbols, or leave them out "
            "for the embedded default"
        )
    made = default_run(
        request.settings.built_in(), request.out, train=wants_ml(request.settings, mode)
    )
    return made.markets, made.analyzer


@dataclass(frozen=True, slots=True)
class _Plain:
    """The runs of one strategy."""

    strategy: PlainStrategy
    request: PlainRequest
    context: Context

    def report(self, mode: MLMode) -> RunReport:
        if mode is not MLMode.COMPARE:
            return kept([self._run(self._heard())], None, self.context)
        done, heard = [self._run(None)], self._heard()
        try:
            done.append(self._run(heard))
            compared, beside = self._compared(done, heard)
        except KeyboardInterrupt:
            keep_interrupted(done, self.context)
            raise
        return kept(done, compared, self.context, beside)

    def _heard(self) -> HeardEnsemble | None:
        return None if self.context.analyzer is None else HeardEnsemble(self.context.analyzer)

    def _run(self, heard: HeardEnsemble | None) -> RunResult:
        log.info("the run %s begins", "ML-off" if heard is None else "ML-on")
        done = execute(self.strategy, self.context.markets, self.request.settings, heard)
        counts = (0, 0) if heard is None else (heard.asked, heard.unavailable)
        run = as_run(done, asked=counts[0], unavailable=counts[1])
        answers = heard is not None and not isinstance(self.context.analyzer, NoEnsemble)
        return run_result(run, self.context, ml_on=answers)

    def _compared(
        self, done: Sequence[RunResult], heard: HeardEnsemble | None
    ) -> tuple[dict[str, Any], References]:
        off, on = done
        if heard is None or not heard.asked:
            raise RunError(
                f"{self.strategy.name} asked the ensemble about no bar, so there is nothing to "
                "compare: hand its analyzer to MLEnsemble, or ask on other bars"
            )
        log.info("the comparison begins")
        markets, settings = self.context.markets, self.request.settings
        try:
            beside = plain_references(
                markets,
                heard.questions,
                settings,
                lambda ensemble: execute(self.strategy, markets, settings, ensemble),
            )
        except AskedOtherwiseError as error:
            raise RunError(
                f"{self.strategy.name} asks other questions in every run, so no gate can be told "
                "beside it: ask through MLEnsemble, which asks once, before the first bar"
            ) from error
        tried = trials(self.context.out, data_facts(markets), done)
        return comparison(off, on, beside, tried), beside
