"""What the trades of a run would have come to at other fees, and at which costs nothing is left.

The same trades are counted again. What stays fixed: which orders were made and filled, their
units, and the prices paid and received, half spread and slippage included; what changes is the fee
that is taken from each fill. Money that a lower fee would have left in the account is not
invested, and no entry that cash refused comes back.

With entry price p, exit price q and a fee f per side, a trade of u units returns, on the money
put in,

    (q - p) / p - f * (1 + q / p)          (signs turned for a short position)

which is linear in f, and so is the expectancy, its mean: the break-even fee is where that line
meets zero.
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


def cost_sweep(trades: Sequence[Trade], fills: Sequence[Fill], fee: float) -> CostSweep:
    """Return the trades at fees from none to twice `fee`, and where they break even.

    Parameters
    ----------
    trades : of the run
    fills : of the run, for the prices that were aimed at
    fee : that the run paid, as a fraction per side
    """
    top = 2.0 * fee or FALLBACK_FEE
    aimed = trades_of(replace(fill, price=fill.aimed_price, fee=0.0) for fill in fills)
    return CostSweep(
        steps=tuple(_step(trades, multiple * top / 2.0) for multiple in MULTIPLES),
        before_fees=_mean(_returns(trades, 0.0)),
        before_costs=_mean(_returns(aimed, 0.0)),
        break_even_fee=break_even_fee(trades),
    )


def break_even_fee(trades: Sequence[Trade]) -> float | None:
    """Return the fee per side at which the expectancy is zero.

    None without trades, or if they lose even without a fee.
    """
    gross = _mean(_returns(trades, 0.0))
    if gross is None or gross <= 0.0:
        return None
    per_fee = gross - float(np.mean(_returns(trades, 1.0)))  # the mean of 1 + q / p, about 2
    return gross / per_fee


def _step(trades: Sequence[Trade], fee: float) -> SweepStep:
    pnl = np.array([_pnl(trade, fee) for trade in trades], np.float64)
    return SweepStep(
        fee=fee,
        expectancy=_mean(_returns(trades, fee)),
        win_rate=_mean((pnl > 0).astype(np.float64)),
        profit_factor=profit_factor(pnl),
        pnl=float(pnl.sum()),
    )


def _pnl(trade: Trade, fee: float) -> float:
    gained = trade.units * (trade.exit_price - trade.entry_price)
    return gained - fee * abs(trade.units) * (trade.entry_price + trade.exit_price)


def _returns(trades: Sequence[Trade], fee: float) -> FloatArray:
    """Return the net return of each trade at a fee, as a fraction of the money put in."""
    return np.array([_pnl(t, fee) / (abs(t.units) * t.entry_price) for t in trades], np.float64)


def _mean(values: FloatArray) -> float | None:
    return float(np.mean(values)) if len(values) else None
