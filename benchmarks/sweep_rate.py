"""How many parameter sets a sweep tries a second, and what it keeps for each.

The sets are a grid of points, thresholds, exits and sizes on one market of one-minute bars, without
ML; every one of them trades. The evidence is computed before and the sets are run in batches, as a
search does.
"""

import gc
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice, product

import numpy as np

from benchmarks.resident import forget_peak, now_mb, peak_mb
from engine.jobs.searching.choosing import BATCH
from engine.protections import ProtectionsConfig
from engine.rules import SymbolRules
from engine.sweep.market import SweepMarket
from engine.sweep.sets import SweepExits, SweepSet, SweepSizing
from engine.sweep.sweep import Sweep
from engine.tables import rendered, table
from feeds.bars import Bars
from feeds.costs import Costs
from ml.prediction import EPSILON
from strategies.config import CryptoScalpingConfig
from strategies.evidence import candidates, evidence_table

CASH = 10_000.0
SETS = 1000
LOADING = 2000  # bars: enough to have compiled code loaded
MB = 2**20


@dataclass(frozen=True, slots=True)
class Tried:
    """What trying some sets took: seconds of wall and of CPU, and MB at most above the start."""

    sets: int
    trades: int
    wall: float
    cpu: float
    grown: float


def sets_of(count: int) -> Iterator[SweepSet]:
    """Yield sets that differ in nearly everything, again from the first where they run out."""
    grid = product(
        (4.0, 5.0, 6.0), (0.004, 0.007, 0.012), (0.004, 0.008), (0.0, 0.004), (5, 15, 60),
        (1.0, 2.0), (0.1, 0.25), ("percent", "atr"),
    )  # fmt: skip
    for least, target, stop, trail, bars, rsi, fraction, unit in islice(cycle(grid), count):
        far = 1.0 if unit == "percent" else 400.0  # a minute's ATR is some 0.1 %
        yield SweepSet(
            points=(rsi, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0),
            opinion_points=(2.0, 1.0, 0.5, 0.0, -1.0),
            floors=(0.7, 0.6, 0.5, 0.45),
            min_entry_score=least,
            entry=None,
            exits=SweepExits(
                unit="percent" if unit == "percent" else "atr",
                stop=stop * far,
                target=target * far,
                trail=trail * far,
                max_bars=bars,
            ),
            sizing=SweepSizing(
                method="fraction", fraction=fraction, risk=0.005, reserve_percent=0.5
            ),
            protections=ProtectionsConfig(),
        )


def sweep_on(bars: Bars, threads: int | None = None) -> Sweep:
    """Return the sweep on one market at the usual evidence and costs."""
    config = CryptoScalpingConfig()
    seen = evidence_table(bars, config)
    rows = np.flatnonzero(candidates(seen, config))
    told = SweepMarket(
        bars=bars,
        first=config.warmup_bars,
        rows=rows,
        holds=np.stack([column[rows] for column in seen.holds.values()]),
        atr_fraction=seen.values["atr_fraction"][rows],
        probability=np.full(len(rows), np.nan),
        rules=SymbolRules(),
    )
    return Sweep([told], cash=CASH, costs=Costs(), epsilon=EPSILON, threads=threads)


def tried(sweep: Sweep, count: int) -> Tried:
    """Try the sets, keep nothing of them, and return what it took."""
    sets = list(sets_of(count))
    batches = [sets[i : i + BATCH] for i in range(0, count, BATCH)]
    gc.collect()
    before = now_mb()
    forget_peak()
    wall, cpu = time.perf_counter(), time.process_time()
    trades = sum(each.trades for batch in batches for each in sweep.run(batch))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Tried(count, trades, wall, cpu, peak_mb() - before)


def report(bars: Bars, rounds: int) -> str:
    """Measure and return the table."""
    tried(sweep_on(bars[:LOADING]), 1)
    shown = table(
        f"sweep, {len(bars):,} bars",
        *("sets", "wall, s", "CPU, s", "ms of CPU a set", "trades a set", "MB on top"),
    )
    for threads in (1, None):
        sweep = sweep_on(bars, threads)
        for count in (SETS // 10, SETS):
            found = min((tried(sweep, count) for _ in range(rounds)), key=lambda each: each.wall)
            shown.add_row(
                "one thread" if threads else "all cores",
                f"{count:,}",
                f"{found.wall:.2f}",
                f"{found.cpu:.2f}",
                f"{found.cpu / count * 1e3:.3f}",
                f"{found.trades / count:,.0f}",
                f"{found.grown:.0f}",
            )
    return rendered(shown)
