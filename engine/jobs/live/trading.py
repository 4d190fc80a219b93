"""The hybrid strategy on the moments of a session: the same for going on and for proving."""

import numpy as np

from engine.jobs.hybrid_run import size_of
from engine.jobs.settings import Settings
from engine.paper.engine import Lived, PaperEngine
from engine.paper.moments import Moments
from engine.paper.reading import Checkpoint, StateReader
from engine.paper.tracking import Account
from engine.rules import SymbolRules
from feeds.synthetic import synthetic_bars
from feeds.timeframe import Timeframe
from strategies.catalog import strategy_of
from strategies.evidence import evidence_table
from strategies.views import OpinionSource, WindowViews

_DAY_MS = 86_400_000


def session_engine(
    reader: StateReader,
    settings: Settings,
    moments: Moments,
    lived: Lived,
    checkpoint: Checkpoint | None,
) -> PaperEngine:
    """Return an engine that goes on after a checkpoint, or begins the session."""
    facts = reader.facts()
    engine = PaperEngine(
        moments,
        lived,
        None if checkpoint is None else Account(checkpoint.cash, checkpoint.account),
        cash=facts.cash,
        costs=settings.costs,
        rules=session_rules(reader),
        protections=settings.protections,
    )
    warmup, first = settings.strategy.warmup_bars, _first_bar(reader, checkpoint)
    for symbol in facts.symbols:
        engine.add_symbol(reader.bars(symbol, end=first, last=warmup), keep=warmup + 1)
    return engine


def session_rules(reader: StateReader) -> dict[str, SymbolRules]:
    """Return what the exchange asked of orders when the session began."""
    return {
        symbol: SymbolRules.model_validate(rules) for symbol, rules in reader.facts().rules.items()
    }


def warm_up(settings: Settings, timeframe: Timeframe, ensemble: OpinionSource | None) -> None:
    """Decide once on a simulated market: the first decision of a process loads what it needs."""
    length = settings.strategy.warmup_bars + 1
    days = -(-length * timeframe.ms // _DAY_MS)
    bars = synthetic_bars("BTC/USDT", timeframe, days=days, seed=0)[-length:]
    evidence_table(bars, settings.strategy)
    if ensemble is not None:
        ensemble.predict_last(bars)


def trade(
    engine: PaperEngine, moments: Moments, settings: Settings, ensemble: OpinionSource | None
) -> None:
    """Let the strategy decide as long as moments come."""
    engine.pass_bars(
        strategy_of(settings.strategy),
        config=settings.strategy,
        views=WindowViews(settings.strategy, ensemble),
        size_of=size_of(engine, settings),
        veto=engine.veto,
        late=lambda: moments.current.late,
    )


def _first_bar(reader: StateReader, checkpoint: Checkpoint | None) -> np.datetime64 | None:
    """Return when the first bar opens that the engine is given; None if it is to come."""
    if checkpoint is not None:
        return checkpoint.closed_at
    moments = reader.moments()
    if not moments:
        return None
    return np.datetime64(moments[0].closed_at - Timeframe.parse(reader.facts().timeframe).delta)
