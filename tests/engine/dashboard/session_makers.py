"""Sessions for the dashboard: the real engine's decisions, orders and fills, moment by moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.jobs.hybrid_run import size_of
from engine.jobs.markets import Market
from engine.jobs.settings import Settings
from engine.paper.engine import PaperEngine
from engine.paper.health import Health, SessionState
from engine.paper.moments import Moments
from engine.paper.reading import Latencies
from engine.paper.records import Event, MomentRecord, SessionFacts
from engine.paper.state import PaperState
from feeds.bars import Bars
from feeds.live.moment import FeedHealth
from feeds.synthetic import synthetic_bars
from feeds.timeframe import Timeframe
from ml.prediction import Confidence, Prediction, Unavailable, signal_of
from strategies.config import WARMUP_BARS, CryptoScalpingConfig, ExitRules
from strategies.crypto_scalping import CryptoScalpingStrategy
from strategies.views import WindowViews
from tests.engine.paper.paper_makers import LATER, moments_of

MEMBERS = ("logistic", "lstm", "random_forest", "svm", "xgboost")
BUNDLE = "3f9c" * 16
WEBHOOK = "https://hooks.example/T0/secret-of-the-webhook"


class Opinionated:
    """Five votes on every bar, drawn from its close; now and then none."""

    def predict_last(self, window: Bars) -> Prediction | Unavailable:
        rng = np.random.default_rng(int(window.close[-1] * 1e6) % 2**32)
        if rng.random() < 0.1:
            return Unavailable("the model in /srv/models/mine did not answer")
        votes = np.clip(0.58 + rng.normal(0.0, 0.09, len(MEMBERS)), 0.02, 0.98)
        probability = float(votes.mean())
        return Prediction(
            probability=probability,
            signal=signal_of(probability),
            confidence=Confidence.HIGH if min(votes) > 0.5 else Confidence.MEDIUM,
            votes=dict(zip(MEMBERS, votes.tolist(), strict=True)),
            left_out={},
        )

    def predict(self, bars: Bars, rows: np.ndarray) -> Any:
        raise NotImplementedError


@dataclass(frozen=True)
class Recorded:
    """A session from its beginning to its end, to be committed as far as a test wants it."""

    facts: SessionFacts
    warmup: dict[str, Bars]
    records: Sequence[MomentRecord]

    def begin(self, path: Path, moments: int) -> PaperState:
        """Return a state with so many moments in it."""
        state = PaperState.create(path, self.facts, self.warmup)
        for record in self.records[:moments]:
            state.commit(record)
        if moments:
            state.note(Event(at=self.facts.created_at, kind="started", text="warm-up is complete"))
            state.beat(make_health(self.records[moments - 1]).to_json())
        return state


def record_session(symbols: Sequence[str], *, days: int = 1, seed: int = 11) -> Recorded:
    """Return a session of one-minute bars of simulated markets."""
    exits = ExitRules(take_profit=0.12, stop_loss=0.12, max_bars=15)
    settings = Settings(strategy=CryptoScalpingConfig(min_entry_score=6.5, exits=exits))
    minute = Timeframe.parse("1m")
    markets = [
        Market(synthetic_bars(symbol, minute, days=days, seed=seed), WARMUP_BARS)
        for symbol in symbols
    ]
    return Recorded(
        facts=SessionFacts(
            exchange="binance",
            symbols=tuple(symbols),
            timeframe="1m",
            cash=10_000.0,
            settings={
                **settings.model_dump(mode="json"),
                "paper": {"webhook": WEBHOOK, "state": "/srv/paper.sqlite"},
            },
            rules={},
            recording={"synthetic": True, "digests": dict.fromkeys(symbols, "ab" * 32)},
            created_at=markets[0].bars.time[WARMUP_BARS],
            versions={"python": "3"},
        ),
        warmup={market.bars.symbol: market.bars[:WARMUP_BARS] for market in markets},
        records=_lived_through(markets, settings),
    )


def make_health(record: MomentRecord, **changed: Any) -> Health:
    """Return what a session says of itself after a moment."""
    symbols = list(record.bars)
    given: dict[str, Any] = {
        "pid": 4711,
        "beat_at": record.closed_at + LATER,
        "now": record.closed_at + LATER,
        "state": SessionState.LIVE,
        "last_closed_at": record.closed_at,
        "feed": FeedHealth(
            connected=True,
            clock_offset_ms=-42.0,
            reconnects=1,
            repaired=2,
            filled=3,
            revised=1,
            differed=4,
            halted=(),
            failures={"RequestTimeout": 2},
        ),
        "ml": BUNDLE,
        "ml_asked_for": True,
        "ml_answers": True,
        "decided_in": Latencies(p50_ms=11.4, p99_ms=38.9, moments=300),
        "watching": {s: f"RSI {40 + 3 * i:.1f}, needs below 30" for i, s in enumerate(symbols)},
    }
    return Health(**{**given, **changed})


def _lived_through(markets: Sequence[Market], settings: Settings) -> list[MomentRecord]:
    """Return what came of every moment of the markets."""
    records: list[MomentRecord] = []
    moments = Moments(iter(moments_of(markets)), lambda: moments.current.closed_at + LATER)

    def lived(strategy: Any) -> None:
        records.append(_record(moments, strategy, engine))

    engine = PaperEngine(
        moments,
        lived,
        cash=settings.broker.cash,
        costs=settings.costs,
        rules=settings.symbols,
        protections=settings.protections,
    )
    for market in markets:
        engine.add_symbol(market.bars[: market.first], keep=WARMUP_BARS + 1)
    engine.pass_bars(
        CryptoScalpingStrategy,
        config=settings.strategy,
        views=WindowViews(settings.strategy, Opinionated()),
        size_of=size_of(engine, settings),
        veto=engine.veto,
    )
    return records


def _record(moments: Moments, strategy: Any, engine: PaperEngine) -> MomentRecord:
    moment, broker = moments.current, engine.broker
    account, cash = broker.account(), float(broker.getcash())
    return MomentRecord(
        closed_at=moment.closed_at,
        offline=False,
        late=False,
        arrived_at=moment.closed_at + LATER,
        latency_ms=11.4,
        bars=moment.bars,
        decisions=drained(strategy.journal),
        orders=broker.changed_orders(),
        fills=drained(broker.priced),
        rejections=drained(broker.rejections),
        revisions=(),
        cash=cash,
        position_value=float(broker.getvalue()) - cash,
        ml=BUNDLE,
        account=None if account is None else account.history,
    )


def drained(grown: list[Any]) -> list[Any]:
    taken = grown[:]
    grown.clear()
    return taken
