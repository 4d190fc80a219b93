"""Trades, positions and orders as the page shows them."""

from typing import Any

from engine.dashboard.ledger import Ended, Held, Ledger
from engine.paper.columns import ms
from engine.paper.health import is_bundle
from engine.paper.records import OrderRecord, PricedFill

Json = dict[str, Any]


def position_view(held: Held, ledger: Ledger, price: float | None) -> Json:
    """Return an open position.

    Parameters
    ----------
    price : of its symbol now; None if that is not known
    """
    position, now = held.position, held.entry.fill.price if price is None else price
    gain = now / position.entry_price - 1.0
    return {
        **_common(held.entry, ledger),
        "symbol": position.symbol,
        "units": position.units,
        "entry_price": position.entry_price,
        "exit_time": None,
        "price": now,
        "pnl": position.units * (now - position.entry_price) - held.fees,
        "return": gain if position.units > 0 else -gain,
    }


def ended_view(ended: Ended, ledger: Ledger) -> Json:
    """Return a trade that has ended."""
    trade = ended.trade
    return {
        **_common(ended.entry, ledger),
        "symbol": trade.symbol,
        "units": trade.units,
        "entry_price": trade.entry_price,
        "exit_time": when(ended.exit),
        "exit_price": trade.exit_price,
        "pnl": trade.pnl,
        "return": trade.return_fraction,
        "reason": trade.exit_reason,
        "exit_model": ended.exit.model.value,
    }


def order_view(order: OrderRecord) -> Json:
    """Return an order that waits."""
    names = ("id", "symbol", "units", "kind", "price", "reason", "status")
    return {name: getattr(order, name) for name in names}


def when(priced: PricedFill) -> int:
    """Return when a fill happened (ms): with the trade that priced it, else as its bar opened."""
    return ms(priced.fill.filled_at if priced.quoted_at is None else priced.quoted_at)


def _common(entry: PricedFill, ledger: Ledger) -> Json:
    levels = ledger.levels(entry)
    return {
        "entry_time": when(entry),
        "target": levels.target,
        "stop": levels.stop,
        "model": entry.model.value,
        "ml_on": is_bundle(ledger.ml_at(ms(entry.fill.decided_at))),
    }
