"""One scalping job on our Engine, as other engines do it: `peer_job.py N [CLOCK]`.

The bars are `bars_N.parquet` (one-minute bars; columns ts, open, high, low, close, volume) in the
folder that the environment variable PEERS_DATA names. Long only, one position:

    score   3 RSI(14) < 30, mandatory; 2 close <= lower Bollinger(20, 2); 1 volume > 1.5 SMA(20);
            1 MACD(12, 26, 9) histogram rising; 1 slow %K(14, 3) < 20
    enter   at a score of 6 or more, at the next open, floor(0.95 cash / close) units
    leave   at the next open when the close is 0.6 % above or 0.4 % below the entry, or 30 bars on
    costs   0.1 % per side and nothing else; no entry before bar 300

A position that the data end in is closed at the last close, paid for and counted as a trade.

It prints one JSON line after @@: the phases in seconds of wall and CPU, trades, final equity,
Sharpe ratio of the days, peak memory, and the clock. `run` is their sum: imports are done and the
columns are in memory. Nothing is compiled. As a script it does without Python's cyclic collector.
"""

import argparse
import gc
import json
import os
import resource
import sys
import time
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, get_args

if not __package__:  # run as a script
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import engine  # noqa: F401  settles threads before NumPy starts them

    # Imports and a run leave few cycles behind: looking for them would only cost.
    gc.disable()

import backtrader as bt
import numpy as np
import pyarrow.parquet as pq
import talib

from engine.cerebro import Engine, Execution
from engine.clock import Pace
from feeds.bars import PRICES, Bars, BoolArray, FloatArray
from feeds.costs import Costs
from feeds.timeframe import Timeframe

Columns: TypeAlias = Mapping[str, Any]

CASH = 1e8
FRACTION = 0.95
FEE = 0.001
TARGET, STOP, MOST_BARS = 0.006, 0.004, 30
FIRST_ENTRY = 300
ENOUGH = 6
DAY = 1440  # bars


class PeerJob(bt.Strategy):
    """Enters where the score is enough; decides its exits by the close."""

    params: Any = (("enough", None),)

    def __init__(self) -> None:
        self._enough: bytes = self.p.enough.tobytes()  # a byte a bar: quick to look up
        self._entries: list[int] = np.flatnonzero(self.p.enough).tolist()
        self._entered = 0

    def next(self) -> None:
        bar, close = self.data.index, self.data.close[0]
        if self.position.size:
            low, high = self._levels()
            if close >= high or close <= low or bar - self._entered >= MOST_BARS:
                self.close()
        elif self._enough[bar]:
            self.buy(size=self.broker.getcash() * FRACTION // close)

    def notify_order(self, order: Any) -> None:
        if order.status == order.Completed and order.isbuy():
            self._entered = order.data.index

    def wakes_at(self, data: Any) -> int | None:
        """Return the next bar at whose close `next` can send an order."""
        bar: int = data.index
        if not self.position.size:
            place = bisect_right(self._entries, bar)
            return self._entries[place] if place < len(self._entries) else None
        last = self._entered + MOST_BARS
        close = data.recorded.close[bar + 1 : last]
        low, high = self._levels()
        left = (close >= high) | (close <= low)
        return bar + 1 + int(left.argmax()) if left.any() else max(last, bar + 1)

    def _levels(self) -> tuple[float, float]:
        price = self.position.price
        return price * (1 - STOP), price * (1 + TARGET)


class Phases:
    """Seconds of wall and of CPU that the phases of the job took."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = {}
        self.cpu: dict[str, float] = {}
        self._since = time.perf_counter(), time.process_time()

    def end(self, name: str) -> None:
        """Book the time since the last phase ended."""
        now = time.perf_counter(), time.process_time()
        self.wall[name], self.cpu[name] = (b - a for a, b in zip(self._since, now, strict=True))
        self._since = now

    def total(self, *names: str) -> None:
        """Book the sum of the phases as the run."""
        for seconds in (self.wall, self.cpu):
            seconds["run"] = sum(seconds[name] for name in names)


def read(path: Path) -> Columns:
    """Return the columns of a file of bars."""
    table = pq.ParquetFile(path).read()  # read_table would import pyarrow.dataset: 0.1 s
    return {name: table[name].to_numpy() for name in ("ts", *PRICES, "volume")}


def bars_of(columns: Columns) -> Bars:
    """Return one-minute bars without holes."""
    count = len(columns["ts"])
    return Bars(
        symbol="PEER/USD",
        timeframe=Timeframe.parse("1m"),
        time=columns["ts"],
        open=columns["open"],
        high=columns["high"],
        low=columns["low"],
        close=columns["close"],
        volume=columns["volume"],
        filled=np.zeros(count, np.bool_),
        segment=np.zeros(count, np.int64),
    )


def entry_bars(bars: Bars) -> BoolArray:
    """Return True where the score is enough to enter."""
    close = bars.close
    _, _, lower = talib.BBANDS(close, 20, 2.0, 2.0)
    _, _, histogram = talib.MACD(close, 12, 26, 9)
    slow_k, _ = talib.STOCH(bars.high, bars.low, close, 14, 3, 0, 3, 0)
    score = 2 * (close <= lower)
    score += bars.volume > 1.5 * talib.SMA(bars.volume, 20)
    score += np.diff(histogram, prepend=np.nan) > 0
    score += slow_k < 20
    enough = (talib.RSI(close, 14) < 30) & (score + 3 >= ENOUGH)
    enough[:FIRST_ENTRY] = False
    return np.asarray(enough)


def daily_sharpe(equity: FloatArray) -> float:
    """Return the Sharpe ratio of the days' returns over a year of 365 days; 0 where none moves."""
    ends = equity[DAY - 1 :: DAY]
    if len(equity) % DAY:  # a last part of a day counts
        ends = np.append(ends, equity[-1])
    returns = np.diff(ends, prepend=CASH) / np.append(CASH, ends[:-1])
    return float(returns.mean() / returns.std() * np.sqrt(365)) if returns.std() > 0 else 0.0


def job(columns: Columns, clock: Pace) -> tuple[Execution, float, Phases]:
    """Return what came of the job, its Sharpe ratio, and how long each phase took."""
    phases = Phases()
    bars = bars_of(columns)
    costs = Costs(fee=FEE, half_spread=0.0, slippage=0.0, range_slippage=0.0)
    engine = Engine(cash=CASH, costs=costs, clock=clock)
    engine.add_bars(bars)
    phases.end("feed")
    enough = entry_bars(bars)
    phases.end("indicators")
    execution = engine.execute(PeerJob, enough=enough)
    phases.end("loop")
    sharpe = daily_sharpe(execution.equity.equity)
    phases.end("stats")
    phases.total("feed", "indicators", "loop", "stats")
    return execution, sharpe, phases


def main(argv: Sequence[str] | None = None) -> int:
    """Do the job and print its line."""
    parser = argparse.ArgumentParser(prog="peer_job", description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int, nargs="?", default=131_400, metavar="N")
    parser.add_argument("clock", nargs="?", default="sparse", choices=get_args(Pace))
    args = parser.parse_args(argv)
    path = Path(os.environ.get("PEERS_DATA", "data")) / f"bars_{args.count}.parquet"
    if not path.exists():
        parser.error(f"{path} must hold {args.count} bars, found no file; set PEERS_DATA")
    execution, sharpe, phases = job(read(path), args.clock)
    record = {
        "engine": "tandem",
        "variant": args.clock,
        "version": f"backtrader {bt.__version__}",
        "n": args.count,
        "wall": phases.wall,
        "cpu": phases.cpu,
        "trades": len(execution.trades),
        "equity": float(execution.equity.equity[-1]),
        "sharpe": sharpe,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "clock": execution.clock.kind,
        "moments_run": execution.clock.run,
    }
    print("@@" + json.dumps(record), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
