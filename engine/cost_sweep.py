"""What the trades of a run would have come to at other fees, and at which costs nothing is left.

The same trades are counted again. What stays fixed: which orders were made and filled, their
units, and the prices paid and received, half spread and slippage included; what changes is the fee
that is taken from each fill; a maker fee keeps its proportion to it. Money that a lower fee would
have left in the account is not invested, and no entry that cash refused comes back.

With entry price p, exit price q and a fee f per side, a trade returns, on the money put in,

    (q - p) / p - f * (1 + q / p)          (signs turned for a short position)

which is linear in f, and so is the expectancy, its mean: the break-even fee is where that line
meets zero. Where limit orders pay another fee, what they paid stands for their part of 1 + q / p.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from engine.metrics import profit_factor
from engine.records import Fill, Trade, trades_of
from feeds.bars import FloatArray

MULTIPLES = (0.0, 0.5, 1.0, 1.5, 2.0)
# What the sweep reaches up to where a run pays no fee, so that there is something to see.
FALLBACK_FEE = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepStep:
    """The trades at one fee; None where a figure is undefined.

    Attributes
    ----------
    fee : a fraction of the value, per side
    expectancy : mean net return per trade, of the money put in
    win_rate : trades with a net profit above 0, of all
    profit_factor : net profits over net losses
    pnl : net profit of all trades together, in quote currency
    """

    fee: float
    expectancy: float | None
    win_rate: float | None
    profit_factor: float | None
    pnl: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CostSweep:
    """The trades at several fees; None where there are no trades.

    Attributes
    ----------
    steps : from no fee to twice the fee of the run, or to `FALLBACK_FEE` if it has none
    before_fees : expectancy at the prices paid and received, without any fee
    before_costs : expectancy at the prices aimed at: without fee, half spread and slippage
    break_even_fee : the fee per side at which the expectancy is zero; None without trades, or if
        they lose even without a fee
    """

    steps: tuple[SweepStep, ...]
    before_fees: float | None
    before_costs: float | None
    break_even_fee: float | None

    @property
    def break_even_cost(self) -> float | None:
        """The cost of a round trip, of the money put in, at which nothing is left.

        None if the trades lose even without costs.
        """
        gross = self.before_costs
        return gross if gross is not None and gross > 0.0 else None

    def to_json(self) -> dict[str, Any]:
        """Return the figures by the names that JSON uses."""
        return {
            "cost_sweep": [asdict(step) for step in self.steps],
            "break_even_fee": self.break_even_fee,
            "break_even_cost": self.break_even_cost,
            "expectancy_before_fees": self.before_fees,
            "expectancy_before_costs": self.before_costs,
        }


@dataclass(frozen=True, slots=True, eq=False)
class _Counted:
    """The trades before fees, and what a fee of 1 would take from each; both in quote currency."""

    gained: FloatArray
    load: FloatArray
    put_in: FloatArray

    def pnl(self, fee: float) -> FloatArray:
        """Return the net profit of each trade at a fee."""
        return self.gained - fee * self.load

    def expectancy(self, fee: float) -> float | None:
        """Return the mean net return at a fee, as a fraction of the money put in."""
        return _mean(self.pnl(fee) / self.put_in)


def cost_sweep(trades: Sequence[Trade], fills: Sequence[Fill], fee: float) -> CostSweep:
    """Return the trades at fees from none to twice `fee`, and where they break even.

    Parameters
    ----------
    trades : of the run
    fills : of the run, for the prices that were aimed at
    fee : that the run paid, as a fraction per side
    """
    top = 2.0 * fee or FALLBACK_FEE
    counted = _counted(trades, fee)
    aimed = trades_of(replace(fill, price=fill.aimed_price, fee=0.0) for fill in fills)
    return CostSweep(
        steps=tuple(_step(counted, multiple * top / 2.0) for multiple in MULTIPLES),
        before_fees=counted.expectancy(0.0),
        before_costs=_counted(aimed, 0.0).expectancy(0.0),
        break_even_fee=_break_even(counted),
    )


def _counted(trades: Sequence[Trade], fee: float) -> _Counted:
    """Count the trades of a run that paid `fee`; without one, every fill bears the same."""
    units = np.array([abs(trade.units) for trade in trades], np.float64)
    entry = np.array([trade.entry_price for trade in trades], np.float64)
    leave = np.array([trade.exit_price for trade in trades], np.float64)
    side = np.array([np.sign(trade.units) for trade in trades], np.float64)
    paid = np.array([trade.fees for trade in trades], np.float64)
    return _Counted(
        gained=side * units * (leave - entry),
        load=paid / fee if fee else units * (entry + leave),
        put_in=units * entry,
    )


def _break_even(counted: _Counted) -> float | None:
    """Return the fee at which the expectancy is zero; None if the trades lose without any."""
    gross, load = counted.expectancy(0.0), _mean(counted.load / counted.put_in)
    return gross / load if gross and load and gross > 0.0 < load else None


def _step(counted: _Counted, fee: float) -> SweepStep:
    pnl = counted.pnl(fee)
    return SweepStep(
        fee=fee,
        expectancy=counted.expectancy(fee),
        win_rate=_mean((pnl > 0).astype(np.float64)),
        profit_factor=profit_factor(pnl),
        pnl=float(pnl.sum()),
    )


def _mean(values: FloatArray) -> float | None:
    return float(np.mean(values)) if len(values) else None
