"""Entries that can be thought of, and what would become of each: fill, exit, prices.

All of it depends on the market alone, so it is computed once, however often the entries are run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from engine.rules import SymbolRules
from engine.sizing import Terms
from feeds.bars import Bars, IntArray, TimeArray
from feeds.costs import Costs
from feeds.entries import EntryLimit, EntryTable
from feeds.entries import entries as entry_fills
from feeds.exit_reasons import ExitReason
from feeds.exits import ExitFractions, Exits, first_exit, range_at

NEVER = -1


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Entries:
    """The entries of one symbol that can be thought of.

    Attributes
    ----------
    bars : the market, warm-up included
    first : position of the first bar of the run
    rows : positions of the bars at whose close an entry may be decided, ascending, from `first` on
    away : distances of the exits, one per row
    max_bars : bars held before a market order ends the position
    rules : what the exchange asks of orders in the symbol
    limit : how entries wait; None for market orders
    """

    bars: Bars
    first: int
    rows: IntArray
    away: ExitFractions
    max_bars: int
    rules: SymbolRules
    limit: EntryLimit | None = None


class Turn:
    """What comes first within a moment, as with the broker.

    A woken stop is that of a limit order which has filled on the same bar.
    """

    MARKET, STOP, LIMIT, WOKEN_STOP, EXPIRY, SEGMENT_END = range(6)


class Plan(NamedTuple):
    """What would become of one entry; moments are places in the run's moments.

    Attributes
    ----------
    moment : of the decision
    market : place of the symbol in the run
    stop : distance, as a fraction of the price
    filled : when the order fills; NEVER if it does not
    entry_turn, exit_turn : of what fills the entry, and of what ends the position or drops the
        order
    bought, sold : prices, spread and slippage included
    entry_fee, exit_fee : fractions of the value
    ended : when the position ends, or the order that never fills is dropped; NEVER if the order is
        refused at once, because nothing follows the bar in its segment
    sent : when the order that ends the position was sent
    """

    moment: int
    market: int
    stop: float
    filled: int
    entry_turn: int
    bought: float
    entry_fee: float
    ended: int
    exit_turn: int
    sent: int
    sold: float
    exit_fee: float


Columns = dict[str, np.ndarray]


def plan_columns(market: int, entries: Entries, time: TimeArray, costs: Costs) -> Columns:
    """Return the fields of the plans of one symbol as columns, and what records say of them.

    Parameters
    ----------
    market : place of the symbol in the run
    entries : of the symbol
    time : the moments of the run
    costs : of fills
    """
    bars, rows = entries.bars, entries.rows
    moment = np.searchsorted(time, bars.closed_at)
    fills = entry_fills(bars, rows, costs, limit=entries.limit, tick=entries.rules.tick)
    dropped, drop_turn = _drops(entries)
    columns = {
        "moment": moment[rows],
        "market": np.full(len(rows), market),
        "stop": _column(entries.away.stop, rows),
        "filled": np.where(fills.made, moment[fills.bar], NEVER),
        "entry_turn": np.full(len(rows), Turn.LIMIT if fills.inside else Turn.MARKET),
        "bought": fills.price,
        "entry_fee": fills.fee,
        "ended": np.where(dropped > rows, moment[dropped], NEVER),
        "exit_turn": drop_turn,
        "sent": moment[rows],
        "sold": np.full(len(rows), np.nan),
        "exit_fee": np.full(len(rows), np.nan),
        "reason": np.full(len(rows), NEVER),
        "decided_at": bars.closed_at[rows],
        "closed_at": np.full(len(rows), np.datetime64("NaT", "ms")),
    }
    for name, values in _positions(entries, fills, moment, costs).items():
        columns[name][fills.made] = values
    return columns


def terms_of(entries: Entries, costs: Costs) -> list[Terms]:
    """Return the terms on which each entry of a symbol is sized."""
    bars, rows, limit, rules = entries.bars, entries.rows, entries.limit, entries.rules
    seen = zip(bars.close[rows].tolist(), range_at(bars, rows).tolist(), strict=True)
    return [
        Terms(
            price=close if limit is None else limit.price(close, rules.tick),
            bar_range=bar_range,
            costs=costs,
            rules=rules,
            by_limit=limit is not None,
        )
        for close, bar_range in seen
    ]


def _drops(entries: Entries) -> tuple[IntArray, IntArray]:
    """Return on which bar an order is dropped that has not filled, and in which turn."""
    ends = _segment_ends(entries.bars)[entries.rows]
    if entries.limit is None:
        return ends, np.full(len(ends), Turn.SEGMENT_END)
    expires = entries.rows + entries.limit.valid_bars
    turn = np.where(expires <= ends, Turn.EXPIRY, Turn.SEGMENT_END)
    return np.minimum(expires, ends), turn


def _positions(entries: Entries, fills: EntryTable, moment: IntArray, costs: Costs) -> Columns:
    """Return what becomes of the entries that fill."""
    bars, tick, made = entries.bars, entries.rules.tick, fills.made
    filled, bought = fills.bar[made], fills.price[made]
    below, above, behind = (_column(x, made)[made] for x in entries.away)
    stop, target = ExitFractions(below, above).prices(bought, tick)
    exits = Exits(
        target=target,
        stop=stop,
        trail=behind,
        max_bars=np.full(len(filled), entries.max_bars),
        tick=tick,
        inside=fills.inside,
    )
    found = first_exit(bars, filled, exits)
    late, closed, hit = (
        found.reason == reason
        for reason in (ExitReason.TIME_LIMIT, ExitReason.SEGMENT_END, ExitReason.TAKE_PROFIT)
    )
    woken = fills.inside & (found.bar == filled)
    turns = [Turn.MARKET, Turn.SEGMENT_END, Turn.LIMIT, Turn.WOKEN_STOP]
    # The time limit is sent when its bars are over; stop and target come with the entry.
    over = np.minimum(filled + entries.max_bars - 1, len(bars) - 1)
    return {
        "ended": moment[found.bar],
        "exit_turn": np.select([late, closed, hit, woken], turns, Turn.STOP),
        "sent": np.select([late, closed], [moment[over], NEVER], moment[entries.rows[made]]),
        "sold": found.received(bars, costs),
        "exit_fee": found.fee(costs),
        "reason": found.reason,
        "closed_at": bars.time[found.bar],
    }


def _column(value: float | Sequence[float] | np.ndarray, like: np.ndarray) -> np.ndarray:
    return np.broadcast_to(np.asarray(value, np.float64), len(like))


def _segment_ends(bars: Bars) -> IntArray:
    """Return for each bar the last one of its segment."""
    last = np.flatnonzero(bars.last_of_segment())
    return last[np.searchsorted(last, np.arange(len(bars)))]
