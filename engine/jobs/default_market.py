"""The embedded default: a synthetic market and an ensemble trained on its first part."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.config import DataConfig
from engine.jobs.markets import Market, cut
from engine.jobs.members import check_configured
from engine.jobs.serving import serving_analyzer
from engine.jobs.settings import Settings
from feeds.bars import Bars
from feeds.synthetic import synthetic_bars
from feeds.timeframe import Timeframe
from ml.analyzer import Analyzer
from ml.manifest import Manifest

log = logging.getLogger("tandem.ml")

TIMEFRAME = Timeframe.parse("5m")
SYMBOLS = ("BTC/USDT", "ETH/USDT")
DAYS = 240
TRAINED_DAYS = 156


@dataclass(frozen=True, slots=True, eq=False)
class DefaultRun:
    """Markets after the training part, and the ensemble that was trained before it."""

    settings: Settings
    markets: Sequence[Market]
    analyzer: Analyzer | None


def default_run(settings: Settings, out: Path, *, train: bool) -> DefaultRun:
    """Make the market; train on its first part and keep the bundle under `out`."""
    small, markets = default_markets(settings, out)
    split = markets[0].time[0] + np.timedelta64(TRAINED_DAYS, "D")
    analyzer = None
    if train:
        from engine.jobs.train import train_bundle  # a run without ML starts without learning

        check_configured(small)
        log.info("a simulated market of %d days, the first %d to learn from", DAYS, TRAINED_DAYS)
        train_bundle(markets, small, until=split)
        analyzer = serving_analyzer(small, TIMEFRAME)
    warmup = small.strategy.warmup_bars
    rest = [cut(bars, start=split, end=None, warmup_bars=warmup) for bars in markets]
    return DefaultRun(small, rest, analyzer)


def default_markets(settings: Settings, out: Path) -> tuple[Settings, list[Bars]]:
    """Return the settings of the embedded default and the bars of its whole market."""
    return _small(settings, out), _simulated(settings.seed)


@dataclass(frozen=True, slots=True)
class DefaultSource:
    """The embedded default's whole market, as a source of bars; `seed` is that of its run."""

    seed: int

    def read(self, _config: DataConfig) -> list[Bars]:
        """Return the bars of each symbol."""
        return _simulated(self.seed)

    def taught(self, manifest: Manifest) -> bool:
        """Return whether a bundle learned from the first part of just this market."""
        if not manifest.synthetic or manifest.data_digests.keys() != {*SYMBOLS}:
            return False
        bars = _simulated(self.seed)
        split = bars[0].time[0] + np.timedelta64(TRAINED_DAYS, "D")
        learned = {each.symbol: each.known_at(split).digest() for each in bars}
        return learned == manifest.data_digests


def _simulated(seed: int) -> list[Bars]:
    return [synthetic_bars(symbol, TIMEFRAME, days=DAYS, seed=seed) for symbol in SYMBOLS]


def _small(settings: Settings, out: Path) -> Settings:
    """Return the settings with the small preset and a bundle of their own."""
    training = settings.training.model_copy(update={"preset": "small", "optimize": False})
    strategy = settings.strategy.model_copy(update={"ml_model_path": out / "default_ensemble"})
    return settings.model_copy(update={"training": training, "strategy": strategy})
