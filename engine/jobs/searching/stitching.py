"""Runs on one stretch after the other as one run: what one account would have lived through.

Each stretch is a run of its own on the Engine, with settings of its own and the money that the one
before has left. A position that is open at the end of a stretch ends there, at the last close, and
what protections remember ends with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from engine.cerebro import Execution
from engine.clock import ClockReport
from engine.equity import EquityCurve
from engine.jobs.hybrid_run import HybridRun, run_batch
from engine.jobs.markets import Market
from engine.jobs.searching.confirming import figures_of
from engine.jobs.searching.trial import Figures
from engine.jobs.settings import Settings
from engine.metrics import compute_metrics
from engine.records import Fill
from ml.analyzer import Analyzer
from strategies.evidence import evidence_table
from strategies.views import BatchViews, ask


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """What is run from one moment to another; without an ensemble it is ML-off."""

    settings: Settings
    markets: Sequence[Market]
    ensemble: Analyzer | None


def run_on(stretch: Stretch) -> HybridRun:
    """Return the Engine's run of a stretch."""
    settings, config = stretch.settings, stretch.settings.strategy
    tables = {m.bars.symbol: evidence_table(m.bars, config) for m in stretch.markets}
    asked = {} if stretch.ensemble is None else ask(tables, config, stretch.ensemble)
    return run_batch(stretch.markets, BatchViews(tables, config, asked), settings)


def figures_of_run(run: HybridRun, stretch: Stretch, cash: float) -> Figures:
    """Return the figures of a run of a stretch that began with so much money."""
    done = run.execution
    found = compute_metrics(
        done.trades,
        done.equity,
        fills=done.fills,
        initial_cash=cash,
        markets=[market.bars for market in stretch.markets],
    )
    return figures_of(len(done.trades), found)


def run_in_turn(stretches: Sequence[Stretch]) -> list[tuple[HybridRun, Figures]]:
    """Return the run of each stretch, each with the money that the one before has left."""
    runs: list[tuple[HybridRun, Figures]] = []
    cash = stretches[0].settings.broker.cash
    for each in stretches:
        broker = each.settings.broker.model_copy(update={"cash": cash})
        settings = each.settings.model_copy(update={"broker": broker})
        run = run_on(replace(each, settings=settings))
        runs.append((run, figures_of_run(run, each, cash)))
        cash = float(run.execution.equity.equity[-1])
    return runs


def stitched(
    runs: Sequence[HybridRun], stretches: Sequence[Stretch], whole: Sequence[Market]
) -> HybridRun:
    """Return the runs as one.

    Parameters
    ----------
    whole : the markets over all stretches, which the bars of its fills are counted in
    """
    executions = [run.execution for run in runs]
    fills = [
        fill
        for execution, stretch in zip(executions, stretches, strict=True)
        for fill in _moved(execution.fills, stretch.markets, whole)
    ]
    return HybridRun(
        execution=Execution(
            strategy=executions[-1].strategy,
            fills=tuple(fills),
            rejections=tuple(each for e in executions for each in e.rejections),
            trades=tuple(each for e in executions for each in e.trades),
            equity=_joined([e.equity for e in executions]),
            clock=_clock([e.clock for e in executions]),
        ),
        decisions=_frames([run.decisions for run in runs]),
        vetoes=_summed([run.vetoes for run in runs]),
        ml_asked=sum(run.ml_asked for run in runs),
        ml_unavailable=sum(run.ml_unavailable for run in runs),
    )


def _moved(fills: Sequence[Fill], own: Sequence[Market], whole: Sequence[Market]) -> list[Fill]:
    """Return fills whose bars are counted in the whole markets."""
    ahead = {
        market.bars.symbol: place.bars.index_from(market.bars.time[0])
        for market, place in zip(own, whole, strict=True)
    }
    return [replace(fill, bar=fill.bar + ahead[fill.symbol]) for fill in fills]


def _joined(curves: Sequence[EquityCurve]) -> EquityCurve:
    names = ("time", "equity", "cash", "position_value")
    return EquityCurve(*(np.concatenate([getattr(c, name) for c in curves]) for name in names))


def _clock(reports: Sequence[ClockReport]) -> ClockReport:
    kinds = dict.fromkeys(report.kind for report in reports)
    reasons = dict.fromkeys(reason for report in reports for reason in report.reasons)
    return ClockReport(
        kind=" and ".join(kinds),
        reasons=tuple(reasons),
        moments=sum(report.moments for report in reports),
        run=sum(report.run for report in reports),
    )


def _frames(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    filled = [frame for frame in frames if not frame.empty]
    return pd.concat(filled, ignore_index=True) if filled else frames[-1]


def _summed(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    names = dict.fromkeys(name for each in counts for name in each)
    return {name: sum(each.get(name, 0) for each in counts) for name in names}
