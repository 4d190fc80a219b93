"""Many sets on the same markets: the Engine's trades and figures, without the Engine.

It is for searching. What it finds best is run on the Engine again, which is the result of record;
that both are the same to the last bit is proved in `tests/engine/sweep`.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import numpy as np
from joblib import cpu_count

from engine.sweep.account import Account, begin, new_account
from engine.sweep.figures import Swept, figures_of
from engine.sweep.ground import ground_of
from engine.sweep.market import SweepMarket
from engine.sweep.sets import SweepSet
from engine.sweep.terms import terms_of
from feeds.bars import FloatArray, IntArray, TimeArray
from feeds.costs import Costs

if TYPE_CHECKING:
    from engine.sweep.loop import Loop


@dataclass(frozen=True, slots=True, eq=False)
class SweptTrades:
    """What one set trades, in the order in which the positions ended.

    Attributes
    ----------
    symbol : name of each trade's
    decided_at, opened_at, closed_at, units, entry_price, exit_price, pnl, returns : as in
        `engine.records.Trade`
    reason : `ExitReason` as a number
    """

    symbol: Sequence[str]
    decided_at: TimeArray
    opened_at: TimeArray
    closed_at: TimeArray
    units: FloatArray
    entry_price: FloatArray
    exit_price: FloatArray
    pnl: FloatArray
    returns: FloatArray
    reason: IntArray

    def __len__(self) -> int:
        return len(self.decided_at)


class Sweep:
    """Markets that share a wallet, on which any number of sets can be run.

    Parameters
    ----------
    markets : of the symbols, in the order of the run
    cash : what the account begins with, in quote currency
    costs : of fills
    epsilon : a score or a probability this close below a threshold counts as reaching it
    threads : that run sets at the same time; None for the cores that the process may use

    Raises
    ------
    ValueError
        if one run cannot hold these markets

    Notes
    -----
    Beside the markets it keeps as many accounts as sets were run at the same time, at most one for
    each thread, however many sets there are.
    """

    def __init__(
        self,
        markets: Sequence[SweepMarket],
        *,
        cash: float,
        costs: Costs,
        epsilon: float,
        threads: int | None = None,
    ) -> None:
        self._ground, self._time = ground_of(markets)
        self._cash, self._costs, self._epsilon = float(cash), costs, epsilon
        self._symbols = [market.bars.symbol for market in markets]
        self._bar_length = markets[0].bars.timeframe.delta
        self._opened = np.concatenate([market.bars.time for market in markets])
        self._threads = threads or cpu_count()
        self._idle: SimpleQueue[Account] = SimpleQueue()

    def run(self, sets: Sequence[SweepSet]) -> list[Swept]:
        """Return the figures of each set, in their order; a thread takes one set at a time."""
        loop = self._loop()

        def tried(one: SweepSet) -> Swept:
            with self._account() as account:
                self._run_set(loop, one, account)
                return figures_of(account, self._cash)

        with ThreadPoolExecutor(self._threads, "sweep") as pool:
            return list(pool.map(tried, sets))

    def trades(self, one: SweepSet) -> SweptTrades:
        """Return what a set trades, which a search need not know; the proof of equality does."""
        with self._account() as account:
            self._run_set(self._loop(), one, account)
            return self._trades_of(account)

    @contextmanager
    def _account(self) -> Iterator[Account]:
        """Lend an account that nobody works on."""
        try:
            account = self._idle.get_nowait()
        except Empty:
            account = self._new_account()
        try:
            yield account
        finally:
            self._idle.put(account)

    def _run_set(self, loop: "Loop", one: SweepSet, account: Account) -> None:
        rules = self._ground.spoken.shape[1]
        if len(one.points) != rules:
            raise ValueError(f"a set must have points for {rules} rules, found {len(one.points)}")
        begin(account, self._cash)
        points = np.array(one.points, np.float64)
        loop(self._ground, terms_of(one, self._costs, self._epsilon), points, account)

    def _loop(self) -> "Loop":
        """Return the compiled loop."""
        from engine.sweep.loop import compiled  # loads the compiler, which not every command needs

        return compiled()

    def _new_account(self) -> Account:
        spoken, moments = self._ground.spoken, self._ground.moments
        return new_account(
            symbols=len(self._symbols),
            rules=spoken.shape[1],
            patterns=len(spoken),
            days=int(moments.day[-1]) + 1,
            most_trades=len(self._ground.candidates.bar),
        )

    def _trades_of(self, account: Account) -> SweptTrades:
        done = account.trades[: int(account.wallet["trades"])]
        candidates = self._ground.candidates
        return SweptTrades(
            symbol=[self._symbols[each] for each in candidates.market[done["candidate"]]],
            decided_at=self._time[candidates.moment[done["candidate"]]],
            opened_at=self._opened[done["entry_bar"]],
            closed_at=self._opened[done["exit_bar"]],
            units=done["units"].copy(),
            entry_price=done["entry_price"].copy(),
            exit_price=done["exit_price"].copy(),
            pnl=done["pnl"].copy(),
            returns=done["returns"].copy(),
            reason=done["reason"].copy(),
        )
