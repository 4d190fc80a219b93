"""What changes while one set runs, and what it leaves: records that the loop writes to.

A record is given to compiled code by its place in memory, so its fields are read and set there.
"""

from typing import Any, NamedTuple, TypeAlias

import numpy as np

from engine.sweep.terms import NEVER
from feeds.bars import FloatArray, IntArray

Record: TypeAlias = Any
"""One row of an array of the types below."""

IDLE, WAITING, HELD = range(3)  # what a symbol may be: what `Position.stage` says

_COUNT, _NUMBER = np.int64, np.float64


def _record(*, counts: tuple[str, ...], numbers: tuple[str, ...]) -> np.dtype[np.void]:
    kinds = [*((name, _COUNT) for name in counts), *((name, _NUMBER) for name in numbers)]
    return np.dtype(kinds, align=True)


# The money, as the broker counts it, and what `engine.account` knows of the past; `marked` is the
# last moment whose close was counted, `soonest` the next at which an order fills or ends.
WALLET = _record(
    counts=(
        *("soonest", "marked", "held", "waiting", "trades"),
        *("day", "losses_in_a_row", "streak_at"),
    ),
    numbers=(
        "began_with",
        "cash",
        "equity",
        "peak",
        "deepest_fall",
        "day_began_with",
        "lowest_of_day",
    ),
)
# The same money, as the metrics count it: from the fills of one symbol after the other. Sums of
# floats depend on their order.
CURVE = _record(counts=(), numbers=("money", "last", "peak", "lowest", "deepest_fall"))
# One symbol: its order or position, and when (`at`), and after what (`turn`, `sent`), it next
# fills or ends; `entry_bar` is -1 for an order that does not fill.
POSITION = _record(
    counts=(
        *("stage", "at", "turn", "sent", "candidate", "lost_at"),
        *("entry_bar", "exit_bar", "reason"),
    ),
    numbers=(
        *("units", "cost", "bought", "entry_fee", "sold", "exit_fee"),
        *("below", "above", "behind"),
        *("spent", "earned", "change"),  # cash of the entry; of all fills before, and at this bar
    ),
)
# A trade, as `engine.records.Trade` has it; `candidate` is its place in `Candidates`.
TRADE = _record(
    counts=("candidate", "entry_bar", "exit_bar", "reason"),
    numbers=("units", "entry_price", "exit_price", "pnl", "returns"),
)


class Account(NamedTuple):
    """One run as it stands.

    Attributes
    ----------
    positions : of each symbol
    held, held_units : of the symbols that are held, in the order of the run, their places and units
    waiting : places of the symbols whose entries wait, in the order in which they were sent
    parts : space for the terms of a sum
    scores : technical score of each way in which the rules speak
    day_ends : equity at the end of each day; NaN where it is that of the day before
    trades : in the order in which they ended
    """

    wallet: Record
    curve: Record
    positions: Record
    held: IntArray
    held_units: FloatArray
    waiting: IntArray
    parts: FloatArray
    scores: FloatArray
    day_ends: FloatArray
    trades: Record


def new_account(symbols: int, rules: int, patterns: int, days: int, most_trades: int) -> Account:
    """Return space for one run at a time."""
    return Account(
        wallet=np.zeros(1, WALLET)[0],
        curve=np.zeros(1, CURVE)[0],
        positions=np.zeros(symbols, POSITION),
        held=np.zeros(symbols, np.int64),
        held_units=np.zeros(symbols),
        waiting=np.zeros(symbols, np.int64),
        parts=np.zeros(max(symbols, rules) + 1),
        scores=np.zeros(patterns),
        day_ends=np.zeros(days),
        trades=np.zeros(most_trades, TRADE),
    )


def begin(account: Account, cash: float) -> None:
    """Make the account that of a run that begins."""
    for record in (account.wallet, account.curve):
        for name in record.dtype.names:
            record[name] = 0
    account.positions[...] = np.zeros(1, POSITION)
    account.positions["at"] = NEVER
    account.positions["lost_at"] = account.wallet["streak_at"] = -NEVER // 2
    account.wallet["soonest"], account.wallet["marked"] = NEVER, -1
    account.wallet["day"] = -1
    for name in ("began_with", "cash", "equity", "peak"):
        account.wallet[name] = cash
    for name in ("money", "last", "peak", "lowest"):
        account.curve[name] = cash
    account.day_ends.fill(np.nan)
