"""How much memory a run takes above the process with its libraries loaded, and after many runs.

From a file of bars to a result of the hybrid strategy without ML, in a process of its own.
"""

import gc
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.engine_cost import DAY, USUAL, Hybrid
from benchmarks.ensemble import SYMBOL, market
from benchmarks.harness import in_child
from benchmarks.resident import forget_peak, now_mb, peak_mb
from engine.tables import rendered, table
from feeds.files import read_bars, write_bars

RUNS = 5
LOADING = 2000  # bars: enough to load every library and all compiled code


def grown(file: Path) -> Mapping[str, float]:
    """Return MB above the loaded process: the peak of reading and a first run, then after each run.

    Parameters
    ----------
    file : of bars
    """
    Hybrid.on([read_bars(file)[0][:LOADING]], USUAL).run()
    gc.collect()
    loaded = now_mb()
    forget_peak()
    bars = read_bars(file)[0]
    found = {"peak, bars read": peak_mb() - loaded}
    hybrid = Hybrid.on([bars], USUAL)
    found["peak, evidence at hand"] = peak_mb() - loaded
    for run in range(1, RUNS + 1):
        hybrid.run()
        found.setdefault("peak, first run done", peak_mb() - loaded)
        gc.collect()
        found[f"in use after run {run}"] = now_mb() - loaded
    found[f"peak of all {RUNS} runs"] = peak_mb() - loaded
    return found


def report(bars: int) -> str:
    """Measure and return the table."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{SYMBOL.replace('/', '-')}_1m.parquet"
        write_bars(market(-(-bars // DAY))[:bars], file)
        found = in_child(grown, file)
    shown = table(f"memory, {bars:,} bars", "MB above the loaded process")
    for name, megabytes in found.items():
        shown.add_row(name, f"{megabytes:.0f}")
    return rendered(shown)
