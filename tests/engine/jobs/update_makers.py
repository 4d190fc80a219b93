"""Bundles of two quick members that keep their bars, and what they are extended by."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from engine.config import DataConfig
from engine.jobs.settings import Settings, load_settings
from engine.jobs.train import metrics_of, origin_of
from engine.jobs.training_rows import training_rows
from feeds.bars import Bars
from feeds.synthetic import synthetic_bars
from feeds.timeframe import Timeframe
from ml.bundle import save_bundle
from ml.manifest import Manifest
from ml.training.trainer import train
from tests.ml.trained import quick_model

FIVE_MINUTES = Timeframe.parse("5m")
UNTIL = np.datetime64("2022-02-15", "ms")
MEMBERS = {"logistic": 0.4, "random_forest": 0.6}
LEARNED = {"label": "horizon", "lookahead": 8, "profit_threshold": 0.004}


@dataclass(frozen=True, slots=True)
class Given:
    """A source that has these bars; it remembers how it was asked for them."""

    markets: Sequence[Bars]
    asked: list[DataConfig] = field(default_factory=list)

    def read(self, config: DataConfig, /) -> list[Bars]:
        self.asked.append(config)
        return list(self.markets)


def market(symbol: str, *, days: int = 60) -> Bars:
    return synthetic_bars(symbol, FIVE_MINUTES, days=days, seed=5)


def since(bars: Bars, day: str) -> Bars:
    return bars[bars.index_from(np.datetime64(day, "ms")) :]


def settings_at(path: Path, **training: Any) -> Settings:
    """Return settings for a bundle at `path`; what it was trained for is left at the defaults."""
    training = {"jobs": 1, **training}
    return load_settings(overrides={"strategy": {"ml_model_path": path}, "training": training})


def make_bundle(path: Path, markets: Sequence[Bars], **facts: Any) -> Path:
    """Train the members on the bars and keep them with their bars; return the version's folder.

    Parameters
    ----------
    facts : of the manifest, other than those of the training
    """
    settings = settings_at(path, **LEARNED)
    rows = training_rows(markets, settings)
    models = {name: (weight, quick_model(name)) for name, weight in MEMBERS.items()}
    trained = train(rows, settings.training, models, seed=0)
    known = {
        "created_at": np.datetime64("2022-02-15T01:00"),
        "metrics": metrics_of(trained, rows),
        **origin_of(markets, settings),
    }
    manifest = Manifest(**{**known, **facts})
    return save_bundle(trained.ensemble, manifest, path, bars=markets)
