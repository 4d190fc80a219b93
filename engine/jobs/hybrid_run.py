"""One run of the hybrid strategy on the Engine, from views to a result."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from engine.cerebro import Engine, Execution
from engine.clock import Pace
from engine.data import StreamFeed, stream_of
from engine.jobs.markets import Market
from engine.jobs.settings import Settings
from engine.jobs.sizing_rule import size_rule
from engine.protections import Protection
from engine.records import Rejection
from engine.sizing import Sized
from strategies.catalog import strategy_of
from strategies.journal import Outcome
from strategies.journal_rows import Journal
from strategies.views import Views


@dataclass(frozen=True, slots=True, eq=False)
class HybridRun:
    """What the strategy did: execution, journal with outcomes, vetoes, how often ML was asked."""

    execution: Execution
    decisions: pd.DataFrame
    vetoes: Mapping[str, int]
    ml_asked: int
    ml_unavailable: int


def run_batch(
    markets: Sequence[Market], views: Views, settings: Settings, *, clock: Pace = "sparse"
) -> HybridRun:
    """Run over whole recorded markets: the backtest."""
    engine = _engine(settings, clock)
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


def _engine(settings: Settings, clock: Pace = "sparse") -> Engine:
    return Engine(
        cash=settings.broker.cash,
        costs=settings.costs,
        rules=settings.symbols,
        protections=settings.protections,
        clock=clock,
    )


def _execute(engine: Engine, views: Views, settings: Settings) -> HybridRun:
    execution = engine.execute(
        strategy_of(settings.strategy),
        config=settings.strategy,
        views=views,
        size_of=size_of(engine, settings),
        veto=engine.veto,
    )
    strategy = execution.strategy
    return hybrid_run(
        execution, strategy.journal, asked=strategy.ml_asked, unavailable=strategy.ml_unavailable
    )


def hybrid_run(
    execution: Execution, journal: Sequence[Mapping[str, Any]], *, asked: int, unavailable: int
) -> HybridRun:
    """Return a run from what was executed and the strategy's journal."""
    rows = journal if isinstance(journal, Journal) else Journal(dict(row) for row in journal)
    refused = [*execution.rejections, *_shortfalls(rows, execution)]
    refused.sort(key=lambda rejection: rejection.decided_at)
    vetoes = Counter(row["veto"] for row in rows.having("veto"))
    return HybridRun(
        execution=replace(execution, rejections=tuple(refused)),
        decisions=_with_outcomes(rows, execution),
        vetoes={str(name): vetoes[name] for name in Protection if name in vetoes},
        ml_asked=asked,
        ml_unavailable=unavailable,
    )


def size_of(engine: Engine, settings: Settings) -> Callable[[Any, float, float | None], Sized]:
    """Return the sizing rule of the configuration, bound to the engine's wallet."""
    broker, rule = engine.broker, size_rule(settings)
    return lambda data, stop_fraction, limit: rule(
        broker.terms_of(data, limit, by_limit=limit is not None),
        stop_fraction,
        broker.getvalue(),
        broker.free_cash(),
    )


def _shortfalls(journal: Journal, execution: Execution) -> Iterator[Rejection]:
    """Yield a record for each entry that was never sent, or bought in part.

    An order that was reduced and then refused has its record as a refused order.
    """
    bought = {(f.symbol, f.decided_at) for f in execution.fills if f.units > 0}
    for row in journal.having("shortfall"):
        key = row["symbol"], row["decided_at"]
        if row["outcome"] == Outcome.TOO_SMALL or key in bought:
            yield Rejection(
                symbol=row["symbol"],
                units=row["missing_units"],
                decided_at=row["decided_at"],
                reason=row["shortfall"],
            )


def _with_outcomes(journal: Journal, execution: Execution) -> pd.DataFrame:
    """Return the journal with what became of each order: its trade, or its refusal."""
    frame = journal.frame()
    if frame.empty:
        return frame
    done: dict[tuple[str, np.datetime64], dict[str, Any]] = {
        (r.symbol, r.decided_at): {"outcome": str(Outcome.REJECTED), "rejection": r.reason}
        for r in execution.rejections
    }
    done |= {
        (t.symbol, t.decided_at): {
            "outcome": str(Outcome.ENTERED),
            "pnl": t.pnl,
            "return_fraction": t.return_fraction,
            "exit_reason": t.exit_reason,
        }
        for t in execution.trades
    }
    keys = zip(frame["symbol"], frame["decided_at"].to_numpy("datetime64[ms]"), strict=True)
    nothing: dict[str, Any] = {}
    outcomes = pd.DataFrame([done.get(key, nothing) for key in keys], index=frame.index)
    if "outcome" in outcomes:
        outcomes["outcome"] = outcomes["outcome"].fillna(frame.pop("outcome"))
    for name in outcomes:  # a join would copy the whole journal
        frame[name] = outcomes[name]
    return frame
