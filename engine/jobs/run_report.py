"""What a run command answers with: results of record, comparison, and where they are kept."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.clock import clock_text
from engine.cost_report import flattery_text, sweep_text
from engine.cost_sweep import cost_sweep
from engine.flattery import Circumstances, flattery
from engine.jobs.comparing.references import References
from engine.jobs.hybrid_run import HybridRun
from engine.jobs.log import log_so_far
from engine.jobs.markets import Market
from engine.jobs.reporting.page import ModelOf, report_page
from engine.jobs.reporting.search import ToldSearch
from engine.jobs.request_record import LiveRecord, RequestRecord
from engine.jobs.serving import is_in_sample
from engine.jobs.settings import RunSettings, Settings
from engine.jobs.walking.analyzer import WindowAnalyzers
from engine.metrics import compute_metrics
from engine.report import side_by_side
from engine.result import RunResult
from engine.result_hash import hashes_of, joint_hash
from engine.run_folder import PAGE, Making, save_run, to_json
from engine.statistics.figures import figure_intervals
from engine.statistics.intervals import TradeReturns
from engine.tables import run_titles
from feeds.messages import counted
from feeds.moments import iso, parse_utc, readable
from ml.analyzer import Analyzer
from ml.manifest import library_versions
from strategies.evidence import EvidenceTable
from strategies.views import Asked, NoEnsemble

if TYPE_CHECKING:
    from engine.jobs.walking.quality import Answers


@dataclass(frozen=True, slots=True, eq=False)
class RunReport:
    """One or two results on the same bars, and what a search says that chose their settings."""

    results: Sequence[RunResult]
    comparison: Mapping[str, Any] | None
    data: Mapping[str, Any]
    run_dir: Path
    search: ToldSearch | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        found = None if self.search is None else self.search.facts
        return to_json(self.results, self.comparison, self.data, self.run_dir, found)

    def text(self) -> str:
        """Return what a person reads: what was traded at which costs, the tables, the folder."""
        titles = run_titles(self.results)
        parts = [
            *self._strategy(),
            *self._markets(),
            self._costs(),
            "",
            side_by_side(self.results, self.comparison),
            "",
            sweep_text(self.results),
            "",
            flattery_text(self.results),
            "",
            *(f"{titles[each.label]}: {clock_text(each.clock)}" for each in self.results),
            f"result hash {joint_hash(hashes_of(self.results))}",
            f"kept in {self.run_dir}",
            f"to look at it: {self.page} (or show_run.py {self._named} --open)",
            *([] if self.search is None else self.search.how_to_go_on(self.run_dir)),
        ]
        return "\n".join(parts)

    @property
    def page(self) -> Path:
        """The run as a page for people."""
        return self.run_dir / PAGE

    @property
    def _named(self) -> str:
        """What show_run.py calls the run: the last one, where it looks if nothing is said."""
        return "last" if self.run_dir.parent == Path("runs") else shlex.quote(str(self.run_dir))

    def _strategy(self) -> list[str]:
        own = self.results[0].config["strategy"]
        return [] if own["file"] is None else [f"{own['file']}, digest {own['digest'][:16]}"]

    def _markets(self) -> list[str]:
        return [
            f"{symbol} {self.data['timeframe']}: {facts['bars']:,} bars, "
            f"{readable(parse_utc(facts['start']))} to {readable(parse_utc(facts['end']))}, "
            f"{facts['filled']:,} filled, {counted(facts['segments'], 'segment')}"
            for symbol, facts in self.data["symbols"].items()
        ]

    def _costs(self) -> str:
        broker = self.results[0].config["broker"]
        maker, ranged = broker["maker_fee"], broker["range_slippage"]
        limit = "" if maker is None else f" ({maker:.3%} of a limit that rested)"
        return (
            f"cash {broker['cash']:,.0f}; fee {broker['fee']:.3%} a side{limit}; on market and "
            f"stop fills half spread {broker['half_spread']:.3%},\n"
            f"slippage {broker['slippage']:.3%} and {ranged:.1%} of the bar's range"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """What the runs of one command have in common.

    Attributes
    ----------
    request : what was asked of them
    windows : of a walk-forward, what its ensembles say of their tests; else empty
    search : what chose the settings; None if nothing did
    """

    settings: RunSettings
    markets: Sequence[Market]
    analyzer: Analyzer | WindowAnalyzers | NoEnsemble | None
    out: Path
    request: RequestRecord
    windows: "Sequence[Answers]" = ()
    search: ToldSearch | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RunContext(Context):
    """The same of a hybrid strategy's runs."""

    settings: Settings


def kept(
    results: Sequence[RunResult],
    compared: Mapping[str, Any] | None,
    context: Context,
    beside: References | None = None,
    model: ModelOf | None = None,
) -> RunReport:
    """Save the results in a run folder of their own and return the report.

    Parameters
    ----------
    beside : what a comparison was made with
    model : says what the page tells of the ensemble
    """
    block = None if compared is None else compared["intervals"]["block_days"]
    results = [_with_intervals(result, context, block) for result in results]
    data = data_facts(context.markets)
    asked = context.request.model_dump(mode="json")
    page = report_page(results, context.markets, asked, beside, model)
    making = Making(request=asked, log=log_so_far(), page=page)
    if context.search is not None:
        making = replace(making, search=context.search.facts, best=context.search.file)
    folder = save_run(results, compared, data, context.out, making=making)
    return RunReport(results, compared, data, folder, context.search)


def told_of_ensemble(
    context: RunContext,
    tables: Mapping[str, EvidenceTable],
    asked: Mapping[str, Asked],
    results: Sequence[RunResult],
) -> ModelOf:
    """Return what says what the page tells of the ensemble; that is None for a run without ML."""
    return partial(_told_of_ensemble, context, tables, asked, results)


def _told_of_ensemble(
    context: RunContext,
    tables: Mapping[str, EvidenceTable],
    asked: Mapping[str, Asked],
    results: Sequence[RunResult],
) -> Mapping[str, Any] | None:
    match context.analyzer:
        case None:
            return None
        case NoEnsemble(reason=reason):
            return {"unavailable": reason}
        case analyzer:
            from engine.jobs.reporting.model import AskedRun, model_facts  # it loads scikit-learn

            known = (context.markets, context.settings, analyzer, asked, tables, results)
            return model_facts(AskedRun(*known, context.windows))


def run_result(run: HybridRun, context: Context, *, ml_on: bool) -> RunResult:
    """Return the result of record of one run."""
    analyzer = context.analyzer if ml_on else None
    seen = isinstance(analyzer, Analyzer | WindowAnalyzers) and is_in_sample(
        analyzer, context.markets
    )
    execution = run.execution
    return RunResult(
        label="on" if ml_on else "off",
        trades=execution.trades,
        fills=execution.fills,
        rejections=execution.rejections,
        equity=execution.equity,
        clock=execution.clock,
        metrics=compute_metrics(
            execution.trades,
            execution.equity,
            fills=execution.fills,
            initial_cash=context.settings.broker.cash,
            markets=[market.bars for market in context.markets],
        ),
        vetoes=run.vetoes,
        ml_asked=run.ml_asked,
        ml_unavailable=run.ml_unavailable,
        in_sample=seen,
        synthetic=any(market.bars.synthetic for market in context.markets),
        decisions=run.decisions,
        sweep=cost_sweep(execution.trades, execution.fills, context.settings.broker.fee),
        flattery=flattery(execution.fills, _circumstances(context, in_sample=seen)),
        config=context.settings.model_dump(mode="json"),
        digests=_digests(context, analyzer),
        versions=library_versions(),
        seed=context.settings.seed,
    )


def _with_intervals(result: RunResult, context: Context, block_days: float | None) -> RunResult:
    """Return the result with how sure its figures are, by the days of the comparison if any."""
    intervals = figure_intervals(
        TradeReturns.of(result.trades),
        result.equity,
        context.settings.broker.cash,
        seed=result.seed,
        block_days=block_days,
    )
    return replace(result, intervals=intervals)


def _circumstances(context: Context, *, in_sample: bool) -> Circumstances:
    return Circumstances(
        costs=context.settings.costs,
        rules=context.settings.symbols,
        markets={market.bars.symbol: market.bars for market in context.markets},
        in_sample=in_sample,
        limit_entries=context.settings.strategy.enters_by_limit,
        on_paper=context.request.command == "paper",
        live=isinstance(context.request.bars, LiveRecord),
        best_of=context.request.best_of,
    )


def data_facts(markets: Sequence[Market]) -> dict[str, Any]:
    """Return what the runs were made on, for JSON and for the manifest."""
    return {
        "synthetic": any(market.bars.synthetic for market in markets),
        "timeframe": str(markets[0].bars.timeframe),
        "symbols": {market.bars.symbol: _market_facts(market) for market in markets},
    }


def _market_facts(market: Market) -> dict[str, Any]:
    run = market.bars[market.first :]
    return {
        "start": iso(run.time[0]),
        "end": iso(run.closed_at[-1]),
        "bars": len(run),
        "warmup_bars": market.first,
        "filled": int(run.filled.sum()),
        "segments": len(list(run.segments())),
        "digest": market.bars.digest(),
    }


def _digests(context: Context, analyzer: Any) -> dict[str, str]:
    digests = {market.bars.symbol: market.bars.digest() for market in context.markets}
    match analyzer:
        case Analyzer():
            return {**digests, "bundle": analyzer.digest}
        case WindowAnalyzers():
            return {**digests, "windows": analyzer.digest}
        case _:
            return digests
