"""Entries that can be thought of, and what would become of each: fill, exit, prices.

All of it depends on the market alone, so it is computed once, however often the entries are run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from engine.rules import SymbolRules
from engine.sizing import Terms
from feeds.bars import Bars, BoolArray, IntArray, TimeArray
from feeds.costs import Costs
from feeds.exits import (
    ExitFractions,
    ExitReason,
    Exits,
    first_exit,
    next_fill_bar,
    range_at,
    tick_down,
    tick_up,
)

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
    """

    bars: Bars
    first: int
    rows: IntArray
    away: ExitFractions
    max_bars: int
    rules: SymbolRules


class Turn:
    """What comes first within a moment, as with the broker."""

    MARKET, STOP, TARGET, SEGMENT_END = range(4)


class Plan(NamedTuple):
    """What would become of one entry; moments are places in the run's moments.

    Attributes
    ----------
    moment : of the decision
    market : place of the symbol in the run
    stop : distance, as a fraction of the price
    filled : when the order fills; NEVER if its segment ends before
    bought, sold : prices, spread and slippage included
    ended : when the position ends, or the order that never fills is dropped; NEVER if the order is
        refused at once, because nothing follows the bar in its segment
    turn : of what ends it
    sent : when the order that ends it was sent
    """

    moment: int
    market: int
    stop: float
    filled: int
    bought: float
    ended: int
    turn: int
    sent: int
    sold: float


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
    filled, ends = next_fill_bar(bars)[rows], _segment_ends(bars)[rows]
    fills = filled >= 0
    columns = {
        "moment": moment[rows],
        "market": np.full(len(rows), market),
        "stop": _column(entries.away.stop, rows),
        "filled": np.where(fills, moment[filled], NEVER),
        "bought": np.full(len(rows), np.nan),
        "ended": np.where(ends > rows, moment[ends], NEVER),
        "turn": np.full(len(rows), Turn.SEGMENT_END),
        "sent": moment[rows],
        "sold": np.full(len(rows), np.nan),
        "reason": np.full(len(rows), NEVER),
        "decided_at": bars.closed_at[rows],
        "closed_at": np.full(len(rows), np.datetime64("NaT", "ms")),
    }
    for name, values in _positions(entries, filled[fills], fills, costs).items():
        of_moments = name in {"ended", "sent"}
        columns[name][fills] = moment[values] if of_moments else values
    return columns


def terms_of(entries: Entries, costs: Costs) -> list[Terms]:
    """Return the terms on which each entry of a symbol is sized."""
    bars, rows = entries.bars, entries.rows
    seen = zip(bars.close[rows].tolist(), range_at(bars, rows).tolist(), strict=True)
    return [
        Terms(price=close, bar_range=bar_range, costs=costs, rules=entries.rules)
        for close, bar_range in seen
    ]


def _positions(entries: Entries, filled: IntArray, fills: BoolArray, costs: Costs) -> Columns:
    """Return what becomes of the entries that fill; moments are positions of bars."""
    bars, tick = entries.bars, entries.rules.tick
    below, above, behind = (_column(x, fills)[fills] for x in entries.away)
    bought = costs.bought_at(bars.open[filled], range_at(bars, filled))
    exits = Exits(
        target=tick_up(bought * (1.0 + above), tick),
        stop=tick_down(bought * (1.0 - below), tick),
        trail=behind,
        max_bars=np.full(len(filled), entries.max_bars),
        tick=tick,
    )
    found = first_exit(bars, filled, exits)
    late, closed, hit = (
        found.reason == reason
        for reason in (ExitReason.TIME_LIMIT, ExitReason.SEGMENT_END, ExitReason.TAKE_PROFIT)
    )
    return {
        "bought": bought,
        "ended": found.bar,
        "turn": np.select(
            [late, closed, hit], [Turn.MARKET, Turn.SEGMENT_END, Turn.TARGET], Turn.STOP
        ),
        # The time limit is sent when its bars are over; stop and target come with the entry.
        "sent": np.where(late, filled + entries.max_bars - 1, entries.rows[fills]),
        "sold": found.received(bars, costs),
        "reason": found.reason,
        "closed_at": bars.time[found.bar],
    }


def _column(value: float | Sequence[float] | np.ndarray, like: np.ndarray) -> np.ndarray:
    return np.broadcast_to(np.asarray(value, np.float64), len(like))


def _segment_ends(bars: Bars) -> IntArray:
    """Return for each bar the last one of its segment."""
    last = np.flatnonzero(bars.last_of_segment())
    return last[np.searchsorted(last, np.arange(len(bars)))]
