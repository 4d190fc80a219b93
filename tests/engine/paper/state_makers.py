"""Small states of sessions for tests."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.paper.records import (
    MomentRecord,
    OrderRecord,
    PricedFill,
    PriceModel,
    SessionFacts,
)
from engine.paper.state import PaperState
from engine.records import Fill, Rejection
from feeds.bars import Bars
from feeds.live.moment import LiveBar, Origin, Revision
from tests.makers import START, make_bars

WARMUP = 20
MINUTE = np.timedelta64(60_000, "ms")


def make_facts(symbols: Sequence[str] = ("BTC/USDT",), **changed: Any) -> SessionFacts:
    """Return the facts of a session at one minute."""
    given: dict[str, Any] = {
        "exchange": "binance",
        "symbols": tuple(symbols),
        "timeframe": "1m",
        "cash": 10_000.0,
        "settings": {"seed": 7, "exits": {"stop": 0.01}},
        "rules": {symbol: {"tick": 0.01} for symbol in symbols},
        "recording": None,
        "created_at": START,
        "versions": {"numpy": "2"},
    }
    return SessionFacts(**{**given, **changed})


def make_market(
    n: int, symbols: Sequence[str] = ("BTC/USDT",), *, warmup: int = WARMUP
) -> dict[str, Bars]:
    """Return bars of a minute each: warm-up, and `n` more."""
    return {
        symbol: make_bars(warmup + n, seed, symbol=symbol, timeframe="1m")
        for seed, symbol in enumerate(symbols)
    }


def warmup_of(market: dict[str, Bars], warmup: int = WARMUP) -> dict[str, Bars]:
    """Return the bars that are known before the session."""
    return {symbol: bars[:warmup] for symbol, bars in market.items()}


def make_moment(market: dict[str, Bars], number: int, **changed: Any) -> MomentRecord:
    """Return what came of the moment so many bars after the warm-up: nothing, unless said."""
    row = WARMUP + number
    closed_at = next(iter(market.values())).closed_at[row]
    given: dict[str, Any] = {
        "closed_at": closed_at,
        "offline": False,
        "late": False,
        "arrived_at": closed_at + np.timedelta64(700, "ms"),
        "latency_ms": 3.5 + number,
        "bars": {s: LiveBar(bars[row : row + 1], Origin.REST) for s, bars in market.items()},
        "decisions": [],
        "orders": [],
        "fills": [],
        "rejections": [],
        "revisions": [],
        "cash": 10_000.0,
        "position_value": 0.0,
        "ml": "off",
        "account": None,
    }
    return MomentRecord(**{**given, **changed})


def make_order(closed_at: np.datetime64, name: str = "1", **changed: Any) -> OrderRecord:
    """Return a market order to buy, decided at the moment."""
    given: dict[str, Any] = {
        "id": name,
        "symbol": "BTC/USDT",
        "units": 0.3,
        "kind": "market",
        "price": None,
        "reason": "entry",
        "decided_at": closed_at,
        "sent_at": closed_at + np.timedelta64(812, "ms"),
        "status": "waiting",
    }
    return OrderRecord(**{**given, **changed})


def make_priced_fill(order: OrderRecord, price: float = 100.07, **changed: Any) -> PricedFill:
    """Return the fill of an order by the first trade after it."""
    fill = Fill(
        symbol=order.symbol,
        units=order.units,
        price=price * 1.0002,
        aimed_price=price,
        fee=abs(order.units) * price * 0.001,
        decided_at=order.decided_at,
        filled_at=order.decided_at,
        bar=21,
        reason=order.reason,
    )
    given: dict[str, Any] = {
        "fill": fill,
        "order": order.id,
        "kind": order.kind,
        "order_price": order.price,
        "model": PriceModel.TRADE,
        "quote": price,
        "quoted_at": order.sent_at + np.timedelta64(31, "ms"),
        "bar_range": 0.11,
    }
    return PricedFill(**{**given, **changed})


def make_line(closed_at: np.datetime64, symbol: str = "BTC/USDT", **values: Any) -> dict[str, Any]:
    """Return a row of the journal."""
    return {
        "symbol": symbol, "decided_at": closed_at, "outcome": "score_below", "score": 1.0 / 3.0,
        "rsi": 28.4, "macd_histogram": math.nan, "pattern": None, "ml": "not_asked", **values,
    }  # fmt: skip


def full_moment(market: dict[str, Bars], number: int) -> MomentRecord:
    """Return a moment with one of everything: an entry that fills, and its stop that waits."""
    plain = make_moment(market, number)
    at = plain.closed_at
    entry = make_order(at - MINUTE, f"e{number}", status="filled")
    stop = make_order(at, f"s{number}", units=-0.3, kind="stop", price=98.5, reason="stop_loss")
    values = (100.0, 101.0, 99.0, 100.5, 12.0)
    return make_moment(
        market,
        number,
        decisions=[make_line(at), make_line(at, rsi=math.inf, ml=None)],
        orders=[entry, stop],
        fills=[make_priced_fill(entry)],
        rejections=[Rejection(symbol="BTC/USDT", units=0.1, decided_at=at, reason="cash")],
        revisions=[Revision("BTC/USDT", at - 2 * MINUTE, values, (*values[:4], 13.0), at)],
        cash=9_969.97,
        position_value=30.02,
        ml="3f" * 32,
    )


def make_state(path: Path, market: dict[str, Bars], **facts: Any) -> PaperState:
    """Return the state of a session that has begun."""
    return PaperState.create(path, make_facts(tuple(market), **facts), warmup_of(market))
