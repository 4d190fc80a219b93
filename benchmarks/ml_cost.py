"""What the ensemble adds to a run of the hybrid strategy at its defaults.

A run goes from bars to a result: evidence, with ML also features and the opinions on the bars where
they can matter, then the engine. Beside it stands what it would be to ask bar by bar.
"""

from collections.abc import Iterable, Mapping
from functools import partial

import numpy as np

from benchmarks.harness import Work, medians, seconds_of
from engine.jobs.hybrid_run import HybridRun, run_batch
from engine.jobs.markets import Market
from engine.jobs.settings import Settings
from engine.tables import formatted, rendered, table
from feeds.bars import Bars, IntArray
from ml.analyzer import Analyzer
from ml.base import Samples
from ml.features.matrix import feature_matrix
from strategies.evidence import evidence_table
from strategies.views import BatchViews, ask

SINGLY = 100  # rows asked one by one; what all of them would take is reckoned from these
LOADING = 4000  # bars: enough for candidates, so that every library and all compiled code is loaded
OFF, ON = "bars to result, ML off", "bars to result, ML on"


def whole_run(bars: Bars, settings: Settings, analyzer: Analyzer | None) -> HybridRun:
    """Return what the strategy did, without or with the ensemble."""
    strategy = settings.strategy
    tables = {bars.symbol: evidence_table(bars, strategy)}
    asked = {} if analyzer is None else ask(tables, strategy, analyzer)
    views = BatchViews(tables, strategy, asked)
    return run_batch([Market(bars, strategy.warmup_bars)], views, settings)


def report(bars: Bars, settings: Settings, analyzer: Analyzer, rounds: int) -> str:
    """Measure and return the tables."""
    whole_run(bars[:LOADING], settings, analyzer)
    tables = {bars.symbol: evidence_table(bars, settings.strategy)}
    rows = ask(tables, settings.strategy, analyzer)[bars.symbol].bars
    samples = Samples(feature_matrix(bars, analyzer.features), rows)
    trades: dict[str, int] = {}

    def run(name: str, ensemble: Analyzer | None) -> None:
        trades[name] = len(whole_run(bars, settings, ensemble).execution.trades)

    works: dict[str, Work] = {
        OFF: partial(run, OFF, None),
        ON: partial(run, ON, analyzer),
        "evidence": partial(evidence_table, bars, settings.strategy),
        "features": partial(feature_matrix, bars, analyzer.features),
        **_votes(analyzer, samples),
    }
    seconds = medians(works, rounds)
    return "\n".join([_runs(bars, rows, seconds, trades), _singly(bars, rows, analyzer, seconds)])


def _votes(analyzer: Analyzer, samples: Samples) -> dict[str, Work]:
    """Return the work of each model, on all of the rows."""
    ensemble = analyzer.bundle.ensemble
    return {m.name: partial(m.vote, samples, ensemble.base_rate) for m in ensemble.members}


def _runs(
    bars: Bars, rows: IntArray, seconds: Mapping[str, float], trades: Mapping[str, int]
) -> str:
    title = f"{len(bars):,} bars, {len(rows):,} asked about"
    shown = table(title, "CPU s", "to ML off", "trades")
    for name, each in seconds.items():
        made = formatted(trades.get(name), ",")
        shown.add_row(name, f"{each:.3f}", f"{each / seconds[OFF]:.2f}", made)
    return rendered(shown)


def _singly(bars: Bars, rows: IntArray, analyzer: Analyzer, batch: Mapping[str, float]) -> str:
    """Return what features and five models cost row by row, measured on some and reckoned for all.

    Beside each model stands its share of a row, and of a row in the batch.
    """
    few = rows[np.linspace(0, len(rows) - 1, min(SINGLY, len(rows)), dtype=int)]
    windows = [bars[row - analyzer.lookback : row + 1] for row in few.tolist()]
    last = [Samples(feature_matrix(w, analyzer.features), np.array([len(w) - 1])) for w in windows]
    taken = {"features and models": _each(partial(analyzer.predict_last, w) for w in windows)}
    taken["features"] = _each(partial(feature_matrix, w, analyzer.features) for w in windows)
    base_rate = analyzer.bundle.ensemble.base_rate
    for member in analyzer.bundle.ensemble.members:
        taken[member.name] = _each(partial(member.vote, one, base_rate) for one in last)
    asked, all_ = f"{len(rows):,} rows, s", f"{len(bars):,} bars, h"
    shown = table("row by row", "ms a row", asked, all_, "in the batch, ms a row")
    for name, each in taken.items():
        together = f"{batch[name] / len(rows) * 1e3:.3f}" if name in batch else "-"
        every = f"{each * len(bars) / 3600:.2f}"
        shown.add_row(name, f"{each * 1e3:.2f}", f"{each * len(rows):.1f}", every, together)
    return rendered(shown)


def _each(works: Iterable[Work]) -> float:
    """Return the CPU seconds of one of the works, on average; the first is done once before."""
    first, *others = works
    first()
    return seconds_of(lambda: [work() for work in (first, *others)]) / (1 + len(others))
