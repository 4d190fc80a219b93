"""A small simulated world with a trained bundle, made once for all tests that need one."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.jobs.settings import Settings, load_settings
from engine.jobs.train import train_bundle
from feeds.bars import Bars
from feeds.files import write_bars
from feeds.synthetic import synthetic_bars
from feeds.timeframe import Timeframe

DAYS = 60
UNTIL = np.datetime64("2022-02-15", "ms")


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """Bars of two symbols, their files, and a bundle that has seen them until `UNTIL`."""

    bars: tuple[Bars, ...]
    files: tuple[Path, ...]
    bundle: Path

    def settings(self) -> Settings:
        """Return the settings under which the bundle serves."""
        return load_settings(overrides={"strategy": {"ml_model_path": self.bundle}})


def make_world(folder: Path) -> World:
    """Simulate, write the files, train a small ensemble."""
    bars = tuple(
        synthetic_bars(symbol, Timeframe.parse("5m"), days=DAYS, seed=5)
        for symbol in ("BTC/USDT", "ETH/USDT")
    )
    files = (folder / "BTC-USDT_5m.parquet", folder / "ETH-USDT_5m.csv")
    for market, file in zip(bars, files, strict=True):
        write_bars(market, file)
    world = World(bars, files, folder / "ensemble")
    small = load_settings(
        overrides={
            "strategy": {"ml_model_path": world.bundle},
            "training": {"preset": "small"},
        }
    )
    train_bundle(bars, small, until=UNTIL)
    return world
