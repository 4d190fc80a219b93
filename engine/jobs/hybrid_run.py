"""One run of the hybrid strategy on the Engine, from views to a result."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from engine.cerebro import Engine, Execution
from engine.data import StreamFeed, stream_of
from engine.jobs.markets import Market
from engine.jobs.settings import Settings
from engine.records import Rejection, Trade
from engine.sizing import units_for_fraction, units_for_risk
from strategies.crypto_scalping import CryptoScalpingStrategy
from strategies.journal import Outcome
from strategies.views import Views


@dataclass(frozen=True, slots=True, eq=False)
class HybridRun:
    """What the strategy did: execution, journal with outcomes, how often ML was asked."""

    execution: Execution
    decisions: pd.DataFrame
    ml_asked: int
    ml_unavailable: int


def run_batch(markets: Sequence[Market], views: Views, settings: Settings) -> HybridRun:
    """Run over whole recorded markets: the backtest."""
    engine = _engine(settings)
    for market in markets:
        engine.add_bars(market.bars, first=market.first)
    return _execute(engine, views, settings)


def run_stream(markets: Sequence[Market], views: Views, settings: Settings) -> HybridRun:
    """Run bar by bar, as live: the rehearsal."""
    engine = _engine(settings)
    for market in markets:
        engine.add_stream(
            StreamFeed(
                stream_of(market.bars, market.first),
                market.bars[: market.first],
                keep=settings.strategy.warmup_bars + 1,
            )
        )
    return _execute(engine, views, settings)


def _engine(settings: Settings) -> Engine:
    return Engine(cash=settings.broker.cash, costs=settings.costs, rules=settings.symbols)


def _execute(engine: Engine, views: Views, settings: Settings) -> HybridRun:
    execution = engine.execute(
        CryptoScalpingStrategy,
        config=settings.strategy,
        views=views,
        units_for=_units_for(engine, settings),
    )
    strategy = execution.strategy
    refused = [*execution.rejections, *_never_sent(strategy.journal)]
    refused.sort(key=lambda rejection: rejection.decided_at)
    execution = replace(execution, rejections=tuple(refused))
    decisions = _with_outcomes(strategy.journal, execution.trades, execution.rejections)
    return HybridRun(execution, decisions, strategy.ml_asked, strategy.ml_unavailable)


def _units_for(engine: Engine, settings: Settings) -> Callable[[Any, float], float]:
    """Return the sizing rule of the configuration, bound to the engine's wallet."""
    sizing, broker = settings.strategy.sizing, engine.broker

    def units(data: Any, stop_fraction: float) -> float:
        equity = broker.getvalue()
        wallet: Mapping[str, Any] = {
            "equity": equity,
            "cash": max(0.0, broker.free_cash() - equity * sizing.reserve_percent / 100.0),
            "price": data.close[0],
            "costs": settings.costs,
            "rules": settings.rules_of(data.symbol),
        }
        if sizing.method == "risk":
            return units_for_risk(risk_fraction=sizing.risk, stop_fraction=stop_fraction, **wallet)
        return units_for_fraction(fraction=sizing.fraction, **wallet)

    return units


def _never_sent(journal: Sequence[Mapping[str, Any]]) -> list[Rejection]:
    """Return a record for each entry that was too small to be ordered."""
    return [
        Rejection(
            symbol=row["symbol"],
            units=0.0,
            decided_at=row["decided_at"],
            reason=str(Outcome.TOO_SMALL),
        )
        for row in journal
        if row["outcome"] == Outcome.TOO_SMALL
    ]


def _with_outcomes(
    journal: Sequence[Mapping[str, Any]],
    trades: Sequence[Trade],
    rejections: Sequence[Rejection],
) -> pd.DataFrame:
    """Return the journal with what became of each order: its trade, or its refusal."""
    frame = pd.DataFrame(journal)
    if frame.empty:
        return frame
    done: dict[tuple[str, np.datetime64], dict[str, Any]] = {
        (r.symbol, r.decided_at): {"outcome": str(Outcome.REJECTED), "rejection": r.reason}
        for r in rejections
        if r.reason != Outcome.TOO_SMALL  # says so in the journal already
    }
    done |= {
        (t.symbol, t.decided_at): {
            "outcome": str(Outcome.ENTERED),
            "pnl": t.pnl,
            "return_fraction": t.return_fraction,
            "exit_reason": t.exit_reason,
        }
        for t in trades
    }
    keys = zip(frame["symbol"], frame["decided_at"].to_numpy("datetime64[ms]"), strict=True)
    outcomes = pd.DataFrame([done.get(key, {}) for key in keys], index=frame.index)
    if "outcome" in outcomes:
        outcomes["outcome"] = outcomes["outcome"].fillna(frame["outcome"])
        frame = frame.drop(columns="outcome")
    return frame.join(outcomes)
