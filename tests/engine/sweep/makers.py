"""The same run for Engine and sweep: markets, opinions and settings, told to each in its words."""

from collections.abc import Mapping, Sequence

import numpy as np

from engine.jobs.hybrid_run import HybridRun, run_batch
from engine.jobs.markets import Market
from engine.jobs.searching.sweeping import sweep_set
from engine.jobs.settings import Settings
from engine.metrics import Metrics, compute_metrics
from engine.sweep.market import SweepMarket
from engine.sweep.sets import SweepSet
from engine.sweep.sweep import Sweep
from feeds.bars import FloatArray
from ml.prediction import EPSILON, Confidence, PredictionTable, Thresholds
from strategies.evidence import EvidenceTable, candidates, evidence_table
from strategies.rule_books import rules_of
from strategies.views import Asked, BatchViews


def set_of(settings: Settings) -> SweepSet:
    """Return the settings as a set."""
    return sweep_set(settings, rules_of(settings.strategy).names)


def tables_of(markets: Sequence[Market], settings: Settings) -> dict[str, EvidenceTable]:
    """Return the evidence of each market."""
    return {m.bars.symbol: evidence_table(m.bars, settings.strategy) for m in markets}


def opinions_of(
    tables: Mapping[str, EvidenceTable], settings: Settings, seed: int, *, fitted: bool
) -> dict[str, Asked]:
    """Return an opinion on most candidates, and none on the others; perhaps with thresholds."""
    rng = np.random.default_rng(seed)
    found = {}
    for symbol, table in tables.items():
        bars = np.flatnonzero(candidates(table, settings.strategy))
        probability = np.round(rng.random(len(bars)), 2)  # on a threshold, some of them
        probability[rng.random(len(bars)) < 0.2] = np.nan
        floors = np.sort(np.round(rng.random((len(bars), 4)), 2), axis=1)[:, ::-1]
        keeps = rng.random(len(bars)) < 0.5
        thresholds = [
            Thresholds(*row) if kept else None
            for row, kept in zip(floors.tolist(), keeps.tolist(), strict=True)
        ]
        found[symbol] = Asked(
            bars,
            PredictionTable(
                probability=probability,
                confidence=np.where(
                    np.isnan(probability), -1, tuple(Confidence).index(Confidence.LOW)
                ),
                votes={},
                left_out={},
                reasons=dict.fromkeys(np.flatnonzero(np.isnan(probability)).tolist(), "silent"),
                thresholds=thresholds if fitted else (),
            ),
        )
    return found


def sweep_of(
    markets: Sequence[Market],
    tables: Mapping[str, EvidenceTable],
    asked: Mapping[str, Asked],
    settings: Settings,
    *,
    threads: int = 1,
) -> Sweep:
    """Return the sweep on the markets."""
    told = [_told(m, tables[m.bars.symbol], asked.get(m.bars.symbol), settings) for m in markets]
    return Sweep(
        told, cash=settings.broker.cash, costs=settings.costs, epsilon=EPSILON, threads=threads
    )


def _told(
    market: Market, table: EvidenceTable, asked: Asked | None, settings: Settings
) -> SweepMarket:
    rows = np.flatnonzero(candidates(table, settings.strategy))
    rows = rows[rows >= market.first]
    probability, floors = np.full(len(rows), np.nan), np.full((4, len(rows)), np.nan)
    if asked is not None:
        _fill_in(asked, rows, probability, floors)
    return SweepMarket(
        bars=market.bars,
        first=market.first,
        rows=rows,
        holds=np.stack([column[rows] for column in table.holds.values()]),
        atr_fraction=table.values["atr_fraction"][rows],
        probability=probability,
        floors=None if asked is None else floors,
        rules=settings.rules_of(market.bars.symbol),
    )


def _fill_in(asked: Asked, rows: np.ndarray, probability: FloatArray, floors: FloatArray) -> None:
    said = asked.opinions
    assert isinstance(said, PredictionTable)
    place = {bar: row for row, bar in enumerate(asked.bars.tolist())}
    for column, bar in enumerate(rows.tolist()):
        row = place[bar]
        probability[column] = said.probability[row]
        fitted = said.thresholds[row] if said.thresholds else None
        if fitted is not None:
            floors[:, column] = fitted.strong, fitted.entry, fitted.weak, fitted.avoid


def engine_run(
    markets: Sequence[Market],
    tables: Mapping[str, EvidenceTable],
    asked: Mapping[str, Asked],
    settings: Settings,
) -> HybridRun:
    """Return the Engine's run."""
    return run_batch(markets, BatchViews(tables, settings.strategy, asked), settings)


def metrics_of(run: HybridRun, markets: Sequence[Market], settings: Settings) -> Metrics:
    """Return the metrics of the Engine's run."""
    ran = run.execution
    return compute_metrics(
        ran.trades,
        ran.equity,
        fills=ran.fills,
        initial_cash=settings.broker.cash,
        markets=[m.bars for m in markets],
    )
