"""The grid of `benchmarks/peer_grid.py` in vectorbt, in its environment: N SETS [VARIANT].

    flexible    the job to the letter: a position may begin and end within a bar, so an order
                function that may order more than once a bar
    order_func  one order a bar at most: the bar of the entry is not looked at, a lighter job whose
                trades differ

The time is that of `Portfolio.from_order_func` alone, compiled before: no figures of any set. Ten
sets are columns at once; more only take memory.
"""

import argparse
import json
import os
import resource
import time
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import vectorbt as vbt  # type: ignore[import-not-found]  # it lives in an environment of its own
from numba import njit
from vectorbt.portfolio import nb  # type: ignore[import-not-found]  # the same
from vectorbt.portfolio.enums import (  # type: ignore[import-not-found]  # the same
    Direction,
    NoOrder,
    SizeType,
)

Columns: TypeAlias = Any

CASH, FEE = 1e8, 0.001
AT_ONCE = 10
ENOUGH, TARGET, STOP, MAX_BARS, FRACTION = range(5)
PRICE, BAR, LEFT, LAST_CASH = range(4)  # of an entry; on which bar it ended; cash at the end


@njit
def exit_price(i: int, prices: Columns, own: Columns, sets: Columns) -> Any:
    """Return what the position is sold at within a bar; 0 if it is kept."""
    open_, high, low, close = prices[0, i], prices[1, i], prices[2, i], prices[3, i]
    stop, target = own[PRICE] * (1.0 - sets[STOP]), own[PRICE] * (1.0 + sets[TARGET])
    if i - own[BAR] >= sets[MAX_BARS]:
        return open_
    if low <= stop:
        return min(open_, stop)
    if high >= target:
        return target
    return close if i == prices.shape[1] - 1 else 0.0


@njit
def buy(i: int, cash: float, prices: Columns, own: Columns, sets: Columns) -> Any:
    """Order what the close before has decided."""
    own[PRICE], own[BAR] = prices[0, i], i
    size = cash * sets[FRACTION] / (prices[3, i - 1] * (1.0 + FEE))
    return nb.order_nb(
        size=size, price=prices[0, i], size_type=SizeType.Amount, fees=FEE,
        direction=Direction.LongOnly,
    )  # fmt: skip


@njit
def sell(i: int, units: float, price: float, own: Columns) -> Any:
    """Order the end of the position."""
    own[LEFT] = i
    return nb.order_nb(
        size=-units, price=price, size_type=SizeType.Amount, fees=FEE, direction=Direction.LongOnly
    )


@njit
def flexible(c: Any, prices: Columns, score: Columns, own: Columns, sets: Columns) -> Any:
    """Order what is next to be ordered on a bar."""
    i, col = c.i, c.from_col
    units = c.last_position[col]
    if units > 0.0:
        price = exit_price(i, prices, own[col], sets[col])
        if price > 0.0:
            return col, sell(i, units, price, own[col])
    elif i > 0 and own[col, LEFT] != i and score[i - 1] >= sets[col, ENOUGH]:
        return col, buy(i, c.last_cash[col], prices, own[col], sets[col])
    own[col, LAST_CASH] = c.last_cash[col]
    return -1, NoOrder


@njit
def order_func(c: Any, prices: Columns, score: Columns, own: Columns, sets: Columns) -> Any:
    """Order at most once on a bar."""
    i, col = c.i, c.col
    if c.position_now > 0.0:
        price = exit_price(i, prices, own[col], sets[col])
        return sell(i, c.position_now, price, own[col]) if price > 0.0 else NoOrder
    own[col, LAST_CASH] = c.cash_now
    if i > 0 and own[col, LEFT] != i and score[i - 1] >= sets[col, ENOUGH]:
        return buy(i, c.cash_now, prices, own[col], sets[col])
    return NoOrder


def swept(
    close: pd.DataFrame, prices: Columns, score: Columns, sets: Columns, variant: str
) -> tuple[int, float]:
    """Return the orders and the last cash of some sets."""
    own = np.full((len(sets), 4), -1.0)
    done = vbt.Portfolio.from_order_func(
        close.iloc[:, : len(sets)],
        flexible if variant == "flexible" else order_func,
        *(prices, score, own, sets),
        flexible=variant == "flexible",
        init_cash=CASH,
        fill_pos_record=False,
        max_orders=close.shape[0] * len(sets) // 4,
        freq="1min",
    )
    return len(done.order_records), float(own[:, LAST_CASH].sum())


def main() -> None:
    """Do the job and print its line."""
    parser = argparse.ArgumentParser(prog="peer_grid_vectorbt")
    parser.add_argument("count", type=int)
    parser.add_argument("sets", type=int)
    parser.add_argument(
        "variant", nargs="?", default="flexible", choices=["flexible", "order_func"]
    )
    args = parser.parse_args()
    folder = Path(os.environ.get("PEERS_DATA", "data"))
    frame = pd.read_parquet(folder / f"bars_{args.count}.parquet")
    found = np.load(folder / f"grid_{args.count}_{args.sets}.npz")
    score, sets = found["score"], found["sets"]
    prices = frame[["open", "high", "low", "close"]].to_numpy().T.copy()
    close = pd.DataFrame(np.repeat(prices[3][:, None], AT_ONCE, axis=1), index=frame.index)
    swept(close, prices, score, sets[:AT_ONCE], args.variant)  # compiles
    wall, cpu = time.perf_counter(), time.process_time()
    orders, equity = 0, 0.0
    for start in range(0, len(sets), AT_ONCE):
        more, cash = swept(close, prices, score, sets[start : start + AT_ONCE], args.variant)
        orders, equity = orders + more, equity + cash
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    record = {
        "engine": "vectorbt",
        "variant": args.variant,
        "version": vbt.__version__,
        "n": args.count,
        "sets": args.sets,
        "wall": {"run": wall},
        "cpu": {"run": cpu},
        "trades": orders // 2,
        "equity": equity,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print("@@" + json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
