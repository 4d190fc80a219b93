"""Sessions without a network: moments pass through the engine, and their state is kept."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import backtrader as bt
import numpy as np

from engine.jobs.live.ensemble import LiveEnsemble
from engine.jobs.live.recorder import Recorder
from engine.jobs.live.trading import session_engine, trade
from engine.jobs.markets import Market
from engine.jobs.settings import Settings
from engine.paper.moments import Moments, PaperMoment
from engine.paper.records import SessionFacts
from engine.paper.state import PaperState
from feeds.bars import Bars
from tests.engine.paper.paper_makers import LATER, moments_of, with_tapes
from tests.engine.paper.test_broker import tapes_of

EnsembleOf = Callable[[PaperState], LiveEnsemble]


def facts_for(markets: Sequence[Market], settings: Settings, ml: str) -> SessionFacts:
    """Return what a session of the command would be begun with."""
    first = markets[0].bars
    rules = {symbol: rule.model_dump(mode="json") for symbol, rule in settings.symbols.items()}
    return SessionFacts(
        exchange="binance",
        symbols=tuple(market.bars.symbol for market in markets),
        timeframe=str(first.timeframe),
        cash=settings.broker.cash,
        settings={"ml": ml} | settings.model_dump(mode="json"),
        rules=rules,
        recording=None,
        created_at=first.time[0],
        versions={},
    )


def keep_session(
    path: Path,
    moments: Iterable[PaperMoment],
    markets: Sequence[Market],
    settings: Settings,
    ensemble_of: EnsembleOf | None = None,
    *,
    decided_after: np.timedelta64 = LATER,
) -> None:
    """Live through the moments and keep their state at a path.

    Parameters
    ----------
    decided_after : so long after the close, as far as the exchange's clock is known
    """
    warmup: Mapping[str, Bars] = {m.bars.symbol: m.bars[: m.first] for m in markets}
    ml = "off" if ensemble_of is None else "on"
    with PaperState.create(path, facts_for(markets, settings, ml), warmup) as state:
        ensemble = None if ensemble_of is None else ensemble_of(state)

        def source() -> Iterator[PaperMoment]:
            for moment in moments:
                recorder.begin()
                if ensemble is not None:
                    ensemble.refresh(moment.closed_at)
                yield moment

        def lived(strategy: bt.Strategy) -> None:
            ml = "off" if ensemble is None else ensemble.state
            recorder.commit(strategy, engine.broker, ml)

        followed = Moments(
            source(), lambda: np.datetime64(followed.current.closed_at + decided_after)
        )
        recorder = Recorder(state, followed, {})
        engine = session_engine(state.reader, settings, followed, lived, None)
        trade(engine, followed, settings, ensemble)


def taped(traded: Market, seed: int) -> list[PaperMoment]:
    """Return the moments of a market with all its trades on tape."""
    tapes = tapes_of(traded, np.random.default_rng(seed))
    return list(with_tapes(moments_of([traded]), tapes))
