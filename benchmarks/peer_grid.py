"""A grid of sets on our sweep, as other engines do it: `peer_grid.py N SETS`.

The bars are those of `benchmarks/peer_job.py`, and so is the score. Long only, one position a set:

    enter   at the set's score or more, at the next open, for a fraction of the cash
    leave   inside the bar that touches the stop, at the stop or the open beyond it; else where it
            touches the target, there; after so many bars at the open. The entry's bar counts
    costs   0.1 % per side and nothing else; no entry before bar 300

A position that the data end in is closed at the last close. `grid_N_SETS.npz` is left beside the
bars: the score of each bar where RSI is below 30 (0 elsewhere), and the sets, a row each, for
engines that cannot import this file.

It prints one JSON line after @@; trades and equity are those of all sets together.
"""

import argparse
import json
import os
import resource
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, islice, product
from pathlib import Path
from typing import TypeAlias

if not __package__:  # run as a script
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import engine  # noqa: F401  settles threads before NumPy starts them

import numpy as np
import talib

from benchmarks.peer_job import CASH, FEE, FIRST_ENTRY, Phases, bars_of, read
from engine.protections import ProtectionsConfig
from engine.rules import SymbolRules
from engine.sweep.market import SweepMarket
from engine.sweep.sets import SweepExits, SweepSet, SweepSizing
from engine.sweep.sweep import Sweep
from feeds.bars import Bars, BoolArray, FloatArray
from feeds.costs import Costs

POINTS = (3.0, 2.0, 1.0, 1.0, 1.0)
COSTS = Costs(fee=FEE, half_spread=0.0, slippage=0.0, range_slippage=0.0)
COLUMNS = ("enough", "target", "stop", "max_bars", "fraction")
Grid: TypeAlias = Mapping[str, FloatArray]


def grid_of(count: int) -> Grid:
    """Return so many sets, a column for each number; again from the first where they run out."""
    sets = product(
        (5.0, 6.0, 7.0), (0.003, 0.006, 0.01, 0.02), (0.002, 0.004, 0.008), (5, 15, 30, 60),
        (0.25, 0.95),
    )  # fmt: skip
    rows = np.array(list(islice(cycle(sets), count)), np.float64)
    return dict(zip(COLUMNS, rows.T, strict=True))


def evidence(bars: Bars) -> BoolArray:
    """Return which rules speak at each bar; the first is mandatory."""
    close = bars.close
    _, _, lower = talib.BBANDS(close, 20, 2.0, 2.0)
    _, _, histogram = talib.MACD(close, 12, 26, 9)
    slow_k, _ = talib.STOCH(bars.high, bars.low, close, 14, 3, 0, 3, 0)
    holds = np.stack(
        [
            talib.RSI(close, 14) < 30,
            close <= lower,
            bars.volume > 1.5 * talib.SMA(bars.volume, 20),
            np.diff(histogram, prepend=np.nan) > 0,
            slow_k < 20,
        ]
    )
    holds[:, :FIRST_ENTRY] = False
    return holds


def sets_of(grid: Grid) -> Iterator[SweepSet]:
    """Yield the sets of the grid."""
    for enough, target, stop, bars, fraction in zip(*(grid[c] for c in COLUMNS), strict=True):
        yield SweepSet(
            points=POINTS,
            opinion_points=(2.0, 1.0, 0.5, 0.0, -1.0),
            floors=(0.7, 0.6, 0.5, 0.45),
            min_entry_score=enough,
            entry=None,
            exits=SweepExits(unit="percent", stop=stop, target=target, max_bars=int(bars)),
            sizing=SweepSizing(method="fraction", fraction=fraction, risk=0.01, reserve_percent=0),
            protections=ProtectionsConfig(),
        )


def sweep_on(bars: Bars, holds: BoolArray) -> Sweep:
    """Return the sweep."""
    rows = np.flatnonzero(holds[0])
    market = SweepMarket(
        bars=bars,
        first=0,
        rows=rows,
        holds=holds[:, rows],
        atr_fraction=np.full(len(rows), np.nan),
        probability=np.full(len(rows), np.nan),
        rules=SymbolRules(),
    )
    return Sweep([market], cash=CASH, costs=COSTS, epsilon=0.0)


def job(bars: Bars, grid: Grid) -> tuple[int, float, Phases]:
    """Return the trades of all sets, their last equity together, and how long it took."""
    holds = evidence(bars)
    sets = list(sets_of(grid))
    list(sweep_on(bars[:FIRST_ENTRY], holds[:, :FIRST_ENTRY]).run(sets[:1]))  # loads the loop
    phases = Phases()
    trades, equity = 0, 0.0
    for found in sweep_on(bars, holds).run(sets):
        trades += found.trades
        equity += CASH * (1.0 + found.total_return)
    phases.end("sweep")
    phases.total("sweep")
    return trades, equity, phases


def main(argv: Sequence[str] | None = None) -> int:
    """Do the job and print its line."""
    parser = argparse.ArgumentParser(prog="peer_grid", description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int, metavar="N", help="bars")
    parser.add_argument("sets", type=int, metavar="SETS")
    args = parser.parse_args(argv)
    folder = Path(os.environ.get("PEERS_DATA", "data"))
    bars, grid = bars_of(read(folder / f"bars_{args.count}.parquet")), grid_of(args.sets)
    holds = evidence(bars)
    score = np.where(holds[0], np.array(POINTS) @ holds, 0.0)
    sets = np.stack([grid[column] for column in COLUMNS], axis=1)
    np.savez(folder / f"grid_{args.count}_{args.sets}.npz", score=score, sets=sets)
    trades, equity, phases = job(bars, grid)
    record = {
        "engine": "tandem sweep",
        "n": args.count,
        "sets": args.sets,
        "wall": phases.wall,
        "cpu": phases.cpu,
        "trades": trades,
        "equity": equity,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print("@@" + json.dumps(record), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
