"""Our own speed, on a synthetic market: `python -m benchmarks [--days N]`.

Seconds do not travel between machines; the ratios, taken within one run, do.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import backtrader as bt
import numpy as np
from rich.console import Console
from rich.table import Table

from engine.jobs.markets import Market
from engine.jobs.run import run_batch, run_stream
from engine.jobs.serving import serving_analyzer
from engine.jobs.settings import Settings, load_settings
from engine.jobs.train import train_bundle
from feeds.bars import Bars
from feeds.synthetic import synthetic_bars
from feeds.timeframe import Timeframe
from ml.analyzer import Analyzer
from ml.features.matrix import feature_matrix
from strategies.evidence import candidate_mask, evidence_table
from strategies.signals import BatchSignals, WindowSignals

TIMEFRAME = Timeframe.parse("5m")
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Timing:
    """CPU seconds of one job over so many units of work."""

    name: str
    seconds: float
    units: int
    unit: str


class Idle(bt.Strategy):
    """Does nothing: what is left is the engine."""


def cpu_seconds(work: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Return the median CPU seconds of `work`, after one call that is not counted."""
    work()
    taken = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return median(taken)


def trained(market: Bars, folder: Path) -> tuple[Settings, Analyzer]:
    """Return settings and analyzer of a small ensemble, trained on the first part."""
    settings = load_settings(
        overrides={
            "training": {"preset": "small"},
            "strategy": {"ml_model_path": folder / "ensemble"},
        }
    )
    train_bundle([market], settings, until=market.time[len(market) // 2])
    return settings, serving_analyzer(settings, TIMEFRAME)


def stock_cerebro(bars: Bars) -> Any:
    """Return what plain backtrader does on the same bars with a strategy that does nothing."""
    cerebro = bt.Cerebro(stdstats=False)
    frame = bars.frame().set_index("timestamp").tz_localize(None)  # backtrader wants naive UTC
    cerebro.adddata(bt.feeds.PandasData(dataname=frame))
    cerebro.addstrategy(Idle)
    return cerebro.run()


def timings(bars: Bars, settings: Settings, analyzer: Analyzer) -> list[Timing]:
    """Return the timing of each job."""
    strategy = settings.strategy
    market = Market(bars, strategy.warmup_bars)
    tables = {bars.symbol: evidence_table(bars, strategy)}
    few = Market(bars[: strategy.warmup_bars + 3000], strategy.warmup_bars)
    asked = np.flatnonzero(candidate_mask(bars, strategy))
    rows = asked[:: max(1, len(asked) // 100)]

    def one_by_one() -> None:
        for row in rows.tolist():
            analyzer.predict_last(bars[row - strategy.warmup_bars : row + 1])

    def job(name: str, units: int, unit: str, work: Callable[[], Any]) -> Timing:
        return Timing(name, cpu_seconds(work), units, unit)

    def run(ensemble: Analyzer | None) -> None:
        run_batch([market], BatchSignals(tables, strategy, ensemble), settings)

    return [
        job("features, batch", len(bars), "bar", lambda: feature_matrix(bars)),
        job("evidence, batch", len(bars), "bar", lambda: evidence_table(bars, strategy)),
        job("opinions, batch", len(asked), "asked bar", lambda: analyzer.predict(bars, asked)),
        job("opinions, one by one", len(rows), "asked bar", one_by_one),
        job("stock Cerebro, idle strategy", len(bars), "bar", lambda: stock_cerebro(bars)),
        job("run, ML off", len(bars), "bar", lambda: run(None)),
        job("run, ML on", len(bars), "bar", lambda: run(analyzer)),
        job(
            "rehearsal, ML on",
            len(few.bars) - few.first,
            "bar",
            lambda: run_stream([few], WindowSignals(strategy, analyzer), settings),
        ),
    ]


def table(found: Sequence[Timing]) -> Table:
    """Return the timings beside each other, per unit and against the ML-off run."""
    base = next(t.seconds / t.units for t in found if t.name == "run, ML off")
    shown = Table(title="CPU seconds, median of 3; ratio: per unit, ML-off run = 1")
    for column in ("job", "CPU s", "units", "per unit, µs", "ratio"):
        shown.add_column(column, justify="left" if column == "job" else "right")
    for timing in found:
        each = timing.seconds / timing.units
        shown.add_row(
            timing.name,
            f"{timing.seconds:.3f}",
            f"{timing.units:,} {timing.unit}s",
            f"{each * 1e6:,.2f}",
            f"{each / base:.3g}",
        )
    return shown


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--days", type=int, default=365, help="length of the market, 5m bars")
    args = parser.parse_args(argv)
    bars = synthetic_bars("BTC/USDT", TIMEFRAME, days=args.days, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        settings, analyzer = trained(bars, Path(folder))
        Console().print(table(timings(bars, settings, analyzer)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
