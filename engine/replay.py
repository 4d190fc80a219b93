"""What the Engine would trade, from entries whose fills and exits are computed ahead.

A run only has to say which of the entries are made: by the score that is handed in, by the position
that is open, by the wallet that all symbols share, by the protections. That the trades are the
Engine's is proved in `tests/engine/jobs/test_replay.py`.

Within a moment the order is the broker's (`Turn`), and orders of one kind come as they were sent;
then come decisions at the close, symbol by symbol.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple, TypeAlias

import numpy as np

from engine.account import AccountHistory
from engine.equity import EquityCurve, last_close, merged_times
from engine.plans import NEVER, Columns, Entries, Plan, plan_columns, terms_of
from engine.protections import Proposal, ProtectionsConfig, checks_of, first_veto
from engine.sizing import Sized, Terms
from feeds.bars import BoolArray, FloatArray, IntArray, TimeArray
from feeds.costs import Costs

Size: TypeAlias = Callable[[Terms, float, float, float], Sized]
"""(terms, stop as a fraction of the price, equity, free cash) -> the size of an entry."""


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


class _Ended(NamedTuple):
    """A trade, as far as the history asks."""

    symbol: str
    pnl: float
    closed_at: np.datetime64


@dataclass(slots=True)
class _Account:
    """The wallet and what is under way, by place of the symbol."""

    cash: float
    history: AccountHistory
    units: dict[int, float] = field(default_factory=dict)
    waiting: dict[int, tuple[float, float]] = field(default_factory=dict)  # units, cost
    due: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    done: list[tuple[int, float]] = field(default_factory=list)
    marked: int = NEVER

    def busy(self, market: int) -> bool:
        """Return whether a position or a waiting entry is in the way."""
        return market in self.units or market in self.waiting

    def worth(self, closes: Sequence[float]) -> float:
        """Return the equity at these closes."""
        return self.cash + sum(units * closes[market] for market, units in self.units.items())

    def free(self) -> float:
        """Return the cash that no waiting entry has spoken for."""
        return self.cash - sum(cost for _, cost in self.waiting.values())

    def order(self, number: int, plan: Plan, units: float, cost: float) -> None:
        """Send an entry."""
        self.waiting[plan.market] = units, cost
        fills = plan.filled != NEVER
        at, turn = (plan.filled, plan.entry_turn) if fills else (plan.ended, plan.exit_turn)
        heappush(self.due, (at, turn, plan.moment, plan.market, number))

    def fill(self, number: int, plan: Plan) -> None:
        """Let a waiting entry be bought, or dropped if it cannot be."""
        units, _ = self.waiting.pop(plan.market)
        paid = units * plan.bought
        left = self.cash - paid - paid * plan.entry_fee
        if plan.filled != NEVER and left >= 0.0:
            self.cash, self.units[plan.market] = left, units
            heappush(self.due, (plan.ended, plan.exit_turn, plan.sent, plan.market, number))

    def sell(self, number: int, plan: Plan) -> float:
        """Let a position end, and return its net profit."""
        units = self.units.pop(plan.market)
        self.done.append((number, units))
        gained = units * plan.sold * (1.0 - plan.exit_fee)
        self.cash += gained
        return gained - units * plan.bought * (1.0 + plan.entry_fee)


class Replay:
    """Entries of one or several symbols that share a wallet, to be run any number of times.

    Parameters
    ----------
    entries : of each symbol, in the order of the run
    cash : what the account begins with, in quote currency
    costs : fee, spread and slippage
    size : how many units to buy
    protections : what may veto an entry
    """

    def __init__(
        self,
        entries: Sequence[Entries],
        *,
        cash: float,
        costs: Costs,
        size: Size,
        protections: ProtectionsConfig,
    ) -> None:
        self._cash, self._size = cash, size
        self._checks, self._watches = checks_of(protections), protections.watches_equity
        self._symbols = [each.bars.symbol for each in entries]
        self._bar_length = entries[0].bars.timeframe.delta
        self._time = merged_times([each.bars.closed_at[each.first :] for each in entries])
        # A row of closes for each moment.
        self._closes = np.stack([last_close(e.bars, self._time) for e in entries], axis=1)
        parts = [plan_columns(i, each, self._time, costs) for i, each in enumerate(entries)]
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        terms = [each for of_symbol in entries for each in terms_of(of_symbol, costs)]
        # Of each plan, in the order of decisions: its place in the masks laid end to end.
        self._place = np.lexsort([columns["market"], columns["moment"]])
        self._columns = {name: column[self._place] for name, column in columns.items()}
        self._terms = [terms[place] for place in self._place]
        fields = (self._columns[name].tolist() for name in Plan._fields)
        self._plans = [Plan(*row) for row in zip(*fields, strict=True)]
        self._marks: list[list[float]] = self._closes[self._columns["moment"]].tolist()

    def run(self, suffices: Sequence[BoolArray]) -> Replayed:
        """Return what is traded where the score suffices.

        Parameters
        ----------
        suffices : for each symbol, one per row of its entries
        """
        account = _Account(self._cash, AccountHistory(self._cash))
        wanted = np.flatnonzero(np.concatenate(suffices)[self._place])
        for number in wanted.tolist():
            plan = self._plans[number]
            self._settle(account, plan.moment)
            if plan.ended != NEVER and not account.busy(plan.market):
                self._decide(account, number, plan)
        self._settle(account, len(self._time) - 1)
        return self._replayed(account)

    # ---------------------------------------------------------------- a bar passes

    def _settle(self, account: _Account, moment: int) -> None:
        """Let happen what is due until `moment`."""
        while account.due and account.due[0][0] <= moment:
            now = account.due[0][0]
            self._mark(account, now - 1)
            while account.due and account.due[0][0] == now:
                self._happen(account, heappop(account.due)[-1])
            self._mark(account, now)
        self._mark(account, moment)

    def _happen(self, account: _Account, number: int) -> None:
        plan = self._plans[number]
        if plan.market in account.waiting:
            account.fill(number, plan)
            return
        pnl = account.sell(number, plan)
        if self._checks:
            closed_at = self._columns["closed_at"][number]
            account.history.note_trade(_Ended(self._symbols[plan.market], pnl, closed_at))

    def _mark(self, account: _Account, until: int) -> None:
        """Count the equity at the closes until then; it stands still where nothing is held."""
        if not self._watches or until <= account.marked:
            return
        start = account.marked + 1 if account.units else until
        for moment, closes in enumerate(self._closes[start : until + 1].tolist(), start):
            account.history.mark(self._time[moment], account.worth(closes))
        account.marked = until

    def _decide(self, account: _Account, number: int, plan: Plan) -> None:
        equity, terms = account.worth(self._marks[number]), self._terms[number]
        sized = self._size(terms, plan.stop, equity, account.free())
        cost = sized.units * terms.paid
        if sized.units > 0.0 and not self._vetoed(account, number, cost, equity):
            account.order(number, plan, sized.units, cost)

    def _vetoed(self, account: _Account, number: int, cost: float, equity: float) -> bool:
        if not self._checks:
            return False
        closes, names = self._marks[number], self._symbols
        held = {names[market]: units * closes[market] for market, units in account.units.items()}
        entry = Proposal(
            symbol=names[self._plans[number].market],
            decided_at=self._columns["decided_at"][number],
            bar_length=self._bar_length,
            cost=cost,
            equity=equity,
            at_work=held | {names[market]: c for market, (_, c) in account.waiting.items()},
        )
        return first_veto(entry, account.history, self._checks) is not None

    # ---------------------------------------------------------------- after the run

    def _replayed(self, account: _Account) -> Replayed:
        which = np.array([number for number, _ in account.done], np.int64)
        units = np.array([bought for _, bought in account.done], np.float64)
        of = {name: column[which] for name, column in self._columns.items()}
        paid, received = units * of["bought"], units * of["sold"]
        spent, gained = paid * (1.0 + of["entry_fee"]), received * (1.0 - of["exit_fee"])
        return Replayed(
            symbol=[self._symbols[market] for market in of["market"]],
            decided_at=of["decided_at"],
            units=units,
            entry_price=of["bought"],
            exit_price=of["sold"],
            pnl=gained - spent,
            returns=(gained - spent) / paid,
            reason=of["reason"],
            equity=self._equity(of, units, spent, gained),
        )

    def _equity(
        self, of: Columns, units: FloatArray, spent: FloatArray, gained: FloatArray
    ) -> EquityCurve:
        moments = len(self._time)
        paid = np.bincount(of["filled"], spent, moments)
        cash = self._cash + np.cumsum(np.bincount(of["ended"], gained, moments) - paid)
        value = np.zeros(moments)
        for market in range(len(self._symbols)):
            own = of["market"] == market
            bought = np.bincount(of["filled"][own], units[own], moments)
            sold = np.bincount(of["ended"][own], units[own], moments)
            value += np.cumsum(bought - sold) * self._closes[:, market]
        return EquityCurve(self._time, cash + value, cash, value)
