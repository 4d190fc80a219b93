"""A market, bundles that know what is usual on it, and sessions that ask them bar by bar."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from engine.jobs.live.ensemble import LiveEnsemble
from engine.jobs.serving import serving_analyzer
from engine.jobs.settings import Settings, load_settings
from engine.jobs.train import origin_of
from engine.jobs.training_rows import asked_facts
from engine.paper.records import Event
from feeds.bars import Bars
from feeds.timeframe import Timeframe
from ml.analyzer import Analyzer
from ml.bundle import save_bundle
from ml.calibration import PlattCalibrator
from ml.ensemble import Ensemble, Member
from ml.labels import horizon_labels
from ml.manifest import Manifest
from ml.prediction import Prediction, Unavailable
from ml.references import References
from ml.training.data_pipeline import TrainingSet, build_training_set
from ml.training.references import references_of
from strategies.views import NoEnsemble
from tests.makers import make_bars
from tests.ml.trained import WARMUP_BARS, quick_model
from tests.ml.training.makers import source

FIVE_MINUTES = Timeframe.parse("5m")
LABEL = {"label": "horizon", "lookahead": 5, "profit_threshold": 0.002}
MARKET = make_bars(5200, seed=3, start="2022-01-01")  # each bar under the same law
TRAINED = 4500  # bars; the others come live


def settings_at(path: Path, **changes: Any) -> Settings:
    strategy = {"ml_model_path": path, **changes}
    return load_settings(overrides={"strategy": strategy, "training": LABEL})


def rows_of(bars: Bars) -> TrainingSet:
    """Return rows of which every bar is asked."""
    labels = horizon_labels(bars, lookahead=5, profit_threshold=0.002)
    return build_training_set([source(bars, labels)], warmup_bars=WARMUP_BARS)


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """What a bundle is made of."""

    ensemble: Ensemble
    references: References

    def save(self, path: Path, *, day: int = 1, **facts: Any) -> Path:
        """Add a version; its folder is returned."""
        settings = settings_at(path)
        known: dict[str, Any] = {
            "created_at": np.datetime64(f"2022-03-{day:02}"),
            "references": self.references,
            **origin_of([MARKET[:TRAINED]], settings),
        }
        return save_bundle(self.ensemble, Manifest(**{**known, **facts}), path)


def make() -> Made:
    """Train one quick member on the head of the market."""
    rows = rows_of(MARKET[:TRAINED])
    model = quick_model("logistic")
    X = rows.samples.latest()
    model.fit(X, rows.y)
    calibrator = PlattCalibrator.from_fit(model.predict_proba(X)[:, 1], rows.y)
    ensemble = Ensemble((Member("logistic", 1.0, model, calibrator),), float(rows.y.mean()))
    held_from = rows.decided_at[len(rows) // 2]
    asked = asked_facts(settings_at(Path("none")).strategy)
    references = references_of(ensemble, rows, held_from=held_from, asked=asked)
    assert references is not None
    return Made(ensemble, references)


@dataclass
class Session:
    """A live session in small: every bar is asked about, and kept as a journal keeps it."""

    market: Bars
    bar: int
    ensemble: LiveEnsemble = field(init=False)
    events: list[Event] = field(default_factory=list)
    moments: list[tuple[np.datetime64, str]] = field(default_factory=list)
    journal: list[dict[str, Any]] = field(default_factory=list)

    def bars_of(self, symbol: str, n: int) -> Bars:
        """Return what is on record while a bar is decided on: those before it."""
        assert symbol == self.market.symbol
        return self.market[max(0, self.bar - n) : self.bar]

    def next(self) -> Prediction | Unavailable:
        """Live through a bar."""
        now = self.market.closed_at[self.bar]
        self.events += self.ensemble.refresh(now)
        opinion = self.ensemble.predict_last(self.market[self.bar - WARMUP_BARS : self.bar + 1])
        answered = isinstance(opinion, Prediction)
        self.journal.append(
            {
                "symbol": self.market.symbol,
                "decided_at": now,
                "ml": "answered" if answered else "unavailable",
                "probability": opinion.probability if isinstance(opinion, Prediction) else None,
            }
        )
        self.moments.append((now, self.ensemble.state))
        self.bar += 1
        return opinion

    def go(self, bars: int) -> list[Prediction | Unavailable]:
        return [self.next() for _ in range(bars)]

    def kinds(self) -> Sequence[str]:
        return [event.kind for event in self.events]


def session_at(
    path: Path, market: Bars = MARKET, bar: int = TRAINED, *, before: Session | None = None
) -> Session:
    """Begin a session on the bundle in force, or go on after one."""
    settings = settings_at(path)
    first: Analyzer | NoEnsemble
    first = serving_analyzer(settings, FIVE_MINUTES) if path.exists() else NoEnsemble("none yet")
    session = Session(market, bar if before is None else before.bar)
    session.ensemble = LiveEnsemble(settings, FIVE_MINUTES, first, session.bars_of)
    if before is not None:
        session.moments, session.journal = [*before.moments], [*before.journal]
        session.ensemble.restore(session.moments, session.journal)
    return session
