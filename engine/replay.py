"""What the Engine would trade, from entries whose exits are computed ahead.

Where an entry would fill and how its position would end depends on the market alone, so it is
computed once for every entry that can be thought of. A run then only has to say which of them
are made: by the score that is handed in, by the position that is open, by the wallet that all
symbols share. `tests/engine/jobs/test_replay.py` proves that the trades are the Engine's.

Within a moment the order is the broker's: market orders as they were sent, stops and targets, the
ends of segments; then decisions at the close, symbol by symbol.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple, TypeAlias

import numpy as np

from engine.equity import EquityCurve, last_close
from engine.rules import SymbolRules
from engine.sizing import Sized, Terms
from feeds.bars import Bars, BoolArray, FloatArray, IntArray, TimeArray
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

Size: TypeAlias = Callable[[Terms, float, float, float], Sized]
"""(terms, stop as a fraction of the price, equity, free cash) -> the size of an entry."""

_NEVER = -1
# What comes first within a moment.
_MARKET, _STOP_OR_TARGET, _SEGMENT_END = range(3)


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


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """What was traded, in the order in which the positions ended.

    Attributes
    ----------
    symbol : name of each trade's
    decided_at : when the bar closed on which the entry was decided
    units, entry_price, exit_price, pnl, returns : as in `engine.records.Trade`
    reason : `ExitReason` as a number
    equity : at the close of every bar
    """

    symbol: Sequence[str]
    decided_at: TimeArray
    units: FloatArray
    entry_price: FloatArray
    exit_price: FloatArray
    pnl: FloatArray
    returns: FloatArray
    reason: IntArray
    equity: EquityCurve

    def __len__(self) -> int:
        return len(self.decided_at)


class _Plan(NamedTuple):
    """One entry; moments are places in the run's moments."""

    moment: int
    market: int
    stop: float
    filled: int  # _NEVER if its segment ends before
    bought: float
    ended: int
    ended_by: int
    sent: int  # when the order that ended it was sent, for a market order
    sold: float


@dataclass(slots=True)
class _Account:
    """The wallet and what is under way in each symbol."""

    cash: float
    fee: float
    units: list[float]
    waiting: dict[int, float] = field(default_factory=dict)
    busy: set[int] = field(default_factory=set)
    due: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    done: list[tuple[int, float]] = field(default_factory=list)

    def order(self, number: int, plan: _Plan, units: float, cost: float) -> None:
        """Send an entry, whose cost nothing else may count on from now."""
        self.busy.add(plan.market)
        self.waiting[plan.market] = cost
        self.units[plan.market] = units
        kind = _SEGMENT_END if plan.filled == _NEVER else _MARKET
        at = plan.ended if plan.filled == _NEVER else plan.filled
        heappush(self.due, (at, kind, plan.moment, plan.market, number))

    def settle(self, number: int, plan: _Plan) -> None:
        """Let what is due happen: an entry fills or is dropped, a position ends."""
        if plan.market not in self.waiting:
            self._sell(number, plan)
            return
        del self.waiting[plan.market]
        paid = self.units[plan.market] * plan.bought
        left = self.cash - paid - paid * self.fee
        if plan.filled == _NEVER or left < 0.0:
            self._release(plan.market)
            return
        self.cash = left
        heappush(self.due, (plan.ended, plan.ended_by, plan.sent, plan.market, number))

    def held(self) -> list[int]:
        """Return the markets in which there is a position."""
        return [market for market in self.busy if market not in self.waiting]

    def _sell(self, number: int, plan: _Plan) -> None:
        units = self.units[plan.market]
        self.cash += units * plan.sold * (1.0 - self.fee)
        self.done.append((number, units))
        self._release(plan.market)

    def _release(self, market: int) -> None:
        self.busy.discard(market)
        self.units[market] = 0.0


class Replay:
    """Entries of one or several symbols that share a wallet, ready to be run any number of times.

    Parameters
    ----------
    entries : of each symbol, in the order of the run
    cash : what the account begins with, in quote currency
    costs : fee, spread and slippage
    size : how many units to buy
    """

    def __init__(
        self, entries: Sequence[Entries], *, cash: float, costs: Costs, size: Size
    ) -> None:
        self._entries, self._cash, self._costs, self._size = entries, cash, costs, size
        self._time = np.unique(np.concatenate([e.bars.closed_at[e.first :] for e in entries]))
        self._close = [last_close(e.bars, self._time) for e in entries]
        tables = [self._table(market, each) for market, each in enumerate(entries)]
        columns = {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}
        order = np.lexsort([columns["market"], columns["moment"]])
        self._columns = {name: column[order] for name, column in columns.items()}
        # Of each plan: its place in the masks laid end to end.
        self._place = order
        self._plans = [
            _Plan(*row)
            for row in zip(*(self._columns[n].tolist() for n in _Plan._fields), strict=True)
        ]
        terms = np.concatenate([self._terms_of(each) for each in entries])[order]
        self._terms: list[Terms] = terms.tolist()
        marks = np.stack([close[self._columns["moment"]] for close in self._close], axis=1)
        self._marks = marks.tolist()

    def run(self, suffices: Sequence[BoolArray]) -> Replayed:
        """Return what is traded where the score suffices.

        Parameters
        ----------
        suffices : for each symbol, one per row of its entries
        """
        account = _Account(self._cash, self._costs.fee, [0.0] * len(self._entries))
        wanted = np.flatnonzero(np.concatenate(suffices)[self._place])
        for number in wanted.tolist():
            plan = self._plans[number]
            self._settle(account, plan.moment)
            if plan.market not in account.busy and plan.ended != _NEVER:
                self._decide(account, number, plan)
        self._settle(account, len(self._time))
        return self._replayed(account)

    def _settle(self, account: _Account, moment: int) -> None:
        while account.due and account.due[0][0] <= moment:
            number = heappop(account.due)[-1]
            account.settle(number, self._plans[number])

    def _decide(self, account: _Account, number: int, plan: _Plan) -> None:
        marks, units = self._marks[number], account.units
        equity = account.cash + sum(units[market] * marks[market] for market in account.held())
        free = account.cash - sum(account.waiting.values())
        terms = self._terms[number]
        sized = self._size(terms, plan.stop, equity, free)
        if sized.units > 0.0:
            account.order(number, plan, sized.units, sized.units * terms.paid)

    # ---------------------------------------------------------------- before the runs

    def _terms_of(self, entries: Entries) -> np.ndarray:
        """Return the terms on which each entry of a symbol is sized."""
        bars, rows = entries.bars, entries.rows
        terms = np.empty(len(rows), object)
        seen = zip(bars.close[rows].tolist(), range_at(bars, rows).tolist(), strict=True)
        for row, (close, bar_range) in enumerate(seen):
            terms[row] = Terms(
                price=close, bar_range=bar_range, costs=self._costs, rules=entries.rules
            )
        return terms

    def _table(self, market: int, entries: Entries) -> dict[str, np.ndarray]:
        """Return the columns of the plans of one symbol, and what the result says of them."""
        bars, rows = entries.bars, np.asarray(entries.rows, np.int64)
        moment = np.searchsorted(self._time, bars.closed_at)
        filled = next_fill_bar(bars)[rows]
        ends = _segment_ends(bars)[rows]
        fills = filled >= 0
        table = {
            "moment": moment[rows],
            "market": np.full(len(rows), market),
            "stop": np.broadcast_to(np.asarray(entries.away.stop, np.float64), len(rows)),
            "filled": np.where(fills, moment[filled], _NEVER),
            "bought": np.full(len(rows), np.nan),
            # An order of the last bar is refused at once: nothing comes of it.
            "ended": np.where(ends > rows, moment[ends], _NEVER),
            "ended_by": np.full(len(rows), _SEGMENT_END),
            "sent": np.full(len(rows), _NEVER),
            "sold": np.full(len(rows), np.nan),
            "reason": np.full(len(rows), -1),
            "decided_at": bars.closed_at[rows],
        }
        for name, values in self._ends(entries, filled[fills], fills, moment).items():
            table[name][fills] = values
        return table

    def _ends(
        self, entries: Entries, filled: IntArray, fills: BoolArray, moment: IntArray
    ) -> dict[str, np.ndarray]:
        """Return prices and ends of the positions of the entries that fill."""
        bars, costs = entries.bars, self._costs
        below, above, behind = (
            np.broadcast_to(np.asarray(x, np.float64), len(fills))[fills] for x in entries.away
        )
        bought = costs.bought_at(bars.open[filled], range_at(bars, filled))
        exits = Exits(
            target=tick_up(bought * (1.0 + above), entries.rules.tick),
            stop=tick_down(bought * (1.0 - below), entries.rules.tick),
            trail=behind,
            max_bars=np.full(len(filled), entries.max_bars),
            tick=entries.rules.tick,
        )
        found = first_exit(bars, filled, exits)
        late = found.reason == ExitReason.TIME_LIMIT
        closed = found.reason == ExitReason.SEGMENT_END
        return {
            "bought": bought,
            "ended": moment[found.bar],
            "ended_by": np.select([late, closed], [_MARKET, _SEGMENT_END], _STOP_OR_TARGET),
            "sent": np.where(
                late, moment[np.minimum(filled + entries.max_bars - 1, len(bars) - 1)], _NEVER
            ),
            "sold": found.received(bars, costs),
            "reason": found.reason,
        }

    # ---------------------------------------------------------------- after a run

    def _replayed(self, account: _Account) -> Replayed:
        which = np.array([number for number, _ in account.done], np.int64)
        units = np.array([bought for _, bought in account.done], np.float64)
        of = {name: column[which] for name, column in self._columns.items()}
        fee = self._costs.fee
        paid, received = units * of["bought"], units * of["sold"]
        spent, gained = paid + paid * fee, received - received * fee
        equity = self._equity(of, units, spent, gained)
        return Replayed(
            symbol=[self._entries[market].bars.symbol for market in of["market"]],
            decided_at=of["decided_at"],
            units=units,
            entry_price=of["bought"],
            exit_price=of["sold"],
            pnl=gained - spent,
            returns=(gained - spent) / paid,
            reason=of["reason"],
            equity=equity,
        )

    def _equity(
        self, of: dict[str, np.ndarray], units: FloatArray, spent: FloatArray, gained: FloatArray
    ) -> EquityCurve:
        moments = len(self._time)
        change = np.bincount(of["ended"], gained, moments) - np.bincount(
            of["filled"], spent, moments
        )
        cash = self._cash + np.cumsum(change)
        value = np.zeros(moments)
        for market, close in enumerate(self._close):
            own = of["market"] == market
            bought = np.bincount(of["filled"][own], units[own], moments)
            sold = np.bincount(of["ended"][own], units[own], moments)
            value += np.cumsum(bought - sold) * close
        return EquityCurve(self._time, cash + value, cash, value)


def _segment_ends(bars: Bars) -> IntArray:
    """Return for each bar the last one of its segment."""
    last = np.flatnonzero(bars.last_of_segment())
    return last[np.searchsorted(last, np.arange(len(bars)))]
