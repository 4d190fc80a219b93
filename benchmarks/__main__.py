"""Our own speed, on a simulated market: `python -m benchmarks [--days N]`.

Every job is a stage of a run, or a run. Seconds do not travel between machines; the ratios, taken
within one run of this program, do.
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

from engine.jobs.hybrid_run import run_batch, run_stream
from engine.jobs.markets import Market
from engine.jobs.serving import serving_analyzer
from engine.jobs.settings import Settings, load_settings
from engine.jobs.train import train_bundle
from feeds.bars import Bars
from feeds.synthetic import synthetic_bars
from feeds.timeframe import Timeframe
from ml.analyzer import Analyzer
from ml.features.matrix import feature_matrix
from strategies.evidence import candidates, evidence_table
from strategies.views import BatchViews, WindowViews, ask

TIMEFRAME = Timeframe.parse("5m")
ROUNDS = 3
FEWEST_DAYS = 10  # enough for a warm-up and candidates after it
TRAINING_DAYS = 180  # of another market, so that `--days` may be few
MOST_ASKED_ONE_BY_ONE = 100
MOST_REHEARSED = 3000  # bars; a rehearsal goes bar by bar
BASE = "run, ML off"


@dataclass(frozen=True, slots=True)
class Job:
    """Work to be timed, and what it is measured in."""

    name: str
    units: int
    unit: str
    work: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Timing:
    """CPU seconds, of all threads, that a job took."""

    job: Job
    seconds: float

    @property
    def each(self) -> float:
        """CPU seconds per unit."""
        return self.seconds / self.job.units


class Idle(bt.Strategy):
    """Does nothing: what is left is the engine."""


def timed(job: Job) -> Timing:
    """Return the median of `ROUNDS` rounds, after one that is not counted."""
    job.work()
    taken = []
    for _ in range(ROUNDS):
        started = time.process_time()
        job.work()
        taken.append(time.process_time() - started)
    return Timing(job, median(taken))


def trained(folder: Path) -> tuple[Settings, Analyzer]:
    """Return settings, and the analyzer of a small ensemble trained with them."""
    settings = load_settings(
        overrides={
            "training": {"preset": "small"},
            "strategy": {"ml_model_path": folder / "ensemble"},
        }
    )
    market = synthetic_bars("BTC/USDT", TIMEFRAME, days=TRAINING_DAYS, seed=1)
    train_bundle([market], settings)
    return settings, serving_analyzer(settings, TIMEFRAME)


def stock_cerebro(bars: Bars) -> Any:
    """Return what plain backtrader does on the same bars with a strategy that does nothing."""
    cerebro = bt.Cerebro(stdstats=False)
    frame = bars.frame().set_index("timestamp").tz_localize(None)  # backtrader wants naive UTC
    cerebro.adddata(bt.feeds.PandasData(dataname=frame))
    cerebro.addstrategy(Idle)
    return cerebro.run()


def stages(bars: Bars, settings: Settings, analyzer: Analyzer) -> list[Job]:
    """Return the parts of a run that compute; those of a batch, and one opinion at a time."""
    strategy = settings.strategy
    asked = np.flatnonzero(candidates(evidence_table(bars, strategy), strategy))
    few = asked[:MOST_ASKED_ONE_BY_ONE]

    def one_by_one() -> None:
        for row in few.tolist():
            analyzer.predict_last(bars[row - strategy.warmup_bars : row + 1])

    return [
        Job("features, batch", len(bars), "bar", lambda: feature_matrix(bars)),
        Job("evidence, batch", len(bars), "bar", lambda: evidence_table(bars, strategy)),
        Job("opinions, batch", len(asked), "candidate", lambda: analyzer.predict(bars, asked)),
        Job("opinions, one by one", len(few), "candidate", one_by_one),
    ]


def runs(bars: Bars, settings: Settings, analyzer: Analyzer) -> list[Job]:
    """Return whole runs; those over recorded bars start from evidence that is at hand."""
    strategy = settings.strategy
    market = Market(bars, strategy.warmup_bars)
    short = Market(bars[: strategy.warmup_bars + MOST_REHEARSED], strategy.warmup_bars)
    tables = {bars.symbol: evidence_table(bars, strategy)}
    stepped = len(short.bars) - short.first

    def batch(ensemble: Analyzer | None) -> None:
        asked = {} if ensemble is None else ask(tables, strategy, ensemble)
        run_batch([market], BatchViews(tables, strategy, asked), settings)

    def rehearsal() -> None:
        run_stream([short], WindowViews(strategy, analyzer), settings)

    return [
        Job("stock Cerebro, idle strategy", len(bars), "bar", lambda: stock_cerebro(bars)),
        Job(BASE, len(bars), "bar", lambda: batch(None)),
        Job("run, ML on", len(bars), "bar", lambda: batch(analyzer)),
        Job("rehearsal, ML on", stepped, "bar", rehearsal),
    ]


def table(timings: Sequence[Timing]) -> Table:
    """Return the timings beside each other, per unit and against the run without ML."""
    base = next(timing.each for timing in timings if timing.job.name == BASE)
    shown = Table(title=f"CPU seconds, median of {ROUNDS}; ratio: per unit, '{BASE}' = 1")
    for column in ("job", "CPU s", "units", "per unit, µs", "ratio"):
        shown.add_column(column, justify="left" if column == "job" else "right")
    for timing in timings:
        shown.add_row(
            timing.job.name,
            f"{timing.seconds:.3f}",
            f"{timing.job.units:,} {timing.job.unit}s",
            f"{timing.each * 1e6:,.2f}",
            f"{timing.each / base:.3g}",
        )
    return shown


def length(text: str) -> int:
    """Read the length of the market in days."""
    days = int(text)
    if days < FEWEST_DAYS:
        raise argparse.ArgumentTypeError(f"must be {FEWEST_DAYS} or more, found {days}")
    return days


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--days", type=length, default=365, help="length of the market, 5m bars")
    days = parser.parse_args(argv).days
    bars = synthetic_bars("BTC/USDT", TIMEFRAME, days=days, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        settings, analyzer = trained(Path(folder))
        jobs = stages(bars, settings, analyzer) + runs(bars, settings, analyzer)
        Console().print(table([timed(job) for job in jobs]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
