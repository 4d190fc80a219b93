"""One run over more symbols and more years: what a bar costs, and what memory the process needs.

Each run is `run_backtest.py --ml off` on files of one-minute bars, in a process as a user starts
it: reading, evidence, the run, its tables and its page. CPU and peak memory are those that the
system counts of that process, imports included.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.scale_plot import Line, Panel, drawn
from engine.tables import rendered, table
from feeds.files import write_bars
from feeds.synthetic import synthetic_bars
from feeds.timeframe import Timeframe

ROOT = Path(__file__).resolve().parents[1]
TIMEFRAME = Timeframe.parse("1m")
SYMBOLS = (1, 5, 10, 20)
YEARS = (1, 2, 4)
_KB_PER_MB = 1024


@dataclass(frozen=True, slots=True)
class Scaled:
    """One run.

    Attributes
    ----------
    seconds : of CPU, of the whole process
    peak : of its memory, MB
    """

    symbols: int
    years: int
    bars: int
    trades: int
    seconds: float
    peak: float

    @property
    def per_bar(self) -> float:
        """CPU for each bar of each symbol, in µs."""
        return self.seconds / self.bars * 1e6


def measured(files: Sequence[Path], years: int, out: Path) -> Scaled:
    """Run the command on the files and return what it took."""
    command = [sys.executable, "run_backtest.py", "--ml", "off", "--json", "--out", str(out)]
    told = out / "told.json"
    with told.open("w") as stdout, (out / "log.txt").open("w") as log:
        started = subprocess.Popen(  # noqa: S603  our own command on files made here
            [*command, "--data", *map(str, files)], cwd=ROOT, stdout=stdout, stderr=log
        )
        _, status, used = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
    if started.returncode:
        raise RuntimeError(f"the run failed: {(out / 'log.txt').read_text()[-2000:]}")
    found = json.loads(told.read_text())
    return Scaled(
        symbols=len(files),
        years=years,
        bars=sum(facts["bars"] for facts in found["data"]["symbols"].values()),
        trades=found["runs"][0]["trades"],
        seconds=used.ru_utime + used.ru_stime,
        peak=used.ru_maxrss / _KB_PER_MB,
    )


def slope(amounts: Sequence[int], peaks: Sequence[float]) -> float:
    """Return the MB of one more, by least squares.

    >>> round(slope([1, 2, 4], [110.0, 120.0, 140.0]), 6)
    10.0
    """
    return float(np.polyfit(amounts, peaks, 1)[0])


def report(days: int, symbols: Sequence[int], years: Sequence[int], plot: Path | None) -> str:
    """Measure and return the tables.

    Parameters
    ----------
    days : of a year
    symbols : how many share a run of one year, ascending from 1
    years : how long runs of one symbol are, ascending from 1
    plot : where the picture of the same is written; None for nowhere
    """
    with TemporaryDirectory() as folder:
        root = Path(folder)
        wide = [_run(root, days, count, 1) for count in symbols]
        long = [wide[0], *(_run(root, days, 1, length) for length in years[1:])]
    if plot is not None:
        plot.write_text(_picture(wide, long), encoding="utf-8")
    return "\n".join([_table(wide, long), _slopes(wide, long)])


def _run(root: Path, days: int, symbols: int, years: int) -> Scaled:
    files = [root / f"C{number:02}-USDT_1m_{years}.parquet" for number in range(1, symbols + 1)]
    # In a process of its own: what making a market leaves behind is no matter of the run's.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for file in files:
            if not file.exists():
                pool.submit(_write, file, days * years).result()
    with TemporaryDirectory() as out:
        return measured(files, years, Path(out))


def _write(file: Path, days: int) -> None:
    symbol = f"{file.name.split('-')[0]}/USDT"
    write_bars(synthetic_bars(symbol, TIMEFRAME, days=days, seed=0), file)


def _table(wide: Sequence[Scaled], long: Sequence[Scaled]) -> str:
    one = wide[0]
    columns = ("million bars", "thousand trades", "CPU s", "µs a bar", "to one", "peak MB")
    shown = table("one run, ML off", *columns)
    for run in (*wide, *long[1:]):
        shown.add_row(
            f"{_counted(run.symbols, 'symbol')}, {_counted(run.years, 'year')}",
            f"{run.bars / 1e6:.2f}",
            f"{run.trades / 1e3:.1f}",
            f"{run.seconds:.0f}",
            f"{run.per_bar:.2f}",
            f"{run.per_bar / one.per_bar:.2f}",
            f"{run.peak:,.0f}",
        )
    return rendered(shown)


def _slopes(wide: Sequence[Scaled], long: Sequence[Scaled]) -> str:
    shown = table("peak memory of one more", "MB", "bytes per bar")
    for name, runs in (("symbol of a year", wide), ("year of a symbol", long)):
        if len(runs) > 1:
            amounts = [run.symbols * run.years for run in runs]
            more = slope(amounts, [run.peak for run in runs])
            a_year = runs[0].bars
            shown.add_row(name, f"{more:.1f}", f"{more * _KB_PER_MB**2 / a_year:.0f}")
    return rendered(shown)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''}"


def _picture(wide: Sequence[Scaled], long: Sequence[Scaled]) -> str:
    def line(name: str, runs: Sequence[Scaled], values: Sequence[float]) -> Line:
        return Line(name, [run.bars / 1e6 for run in runs], values)

    return drawn(
        [
            Panel(
                "CPU per bar, µs",
                [
                    line("more symbols, a year each", wide, [run.per_bar for run in wide]),
                    line("more years of one symbol", long, [run.per_bar for run in long]),
                ],
            ),
            Panel(
                "Peak memory of the process, MB",
                [
                    line("more symbols, a year each", wide, [run.peak for run in wide]),
                    line("more years of one symbol", long, [run.peak for run in long]),
                ],
            ),
        ],
        below="million bars in the run",
    )
