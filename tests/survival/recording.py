"""What is rehearsed: two simulated markets, settings under which something is held most of the
time, and a bundle that was trained for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.jobs.settings import Settings, load_settings
from engine.jobs.train import train_bundle
from feeds.bars import Bars
from feeds.files import write_bars
from feeds.synthetic import synthetic_bars
from feeds.timeframe import Timeframe

FIVE_MINUTES = Timeframe.parse("5m")
SYMBOLS = ("BTC/USDT", "ETH/USDT")
DAYS, UNTIL = 30, np.datetime64("2022-01-20", "ms")
EAGER = """\
[strategy]
rsi_oversold = 55.0
min_entry_score = 2.0
exits = { take_profit = 0.6, stop_loss = 0.6, max_bars = 12 }
"""


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """Bars, and how they are rehearsed.

    Attributes
    ----------
    bars : whole markets; those from `begin` on, `count` of them, are traded
    bar_s : real seconds that one bar takes
    bundle : that is asked; None trades without one
    """

    bars: tuple[Bars, ...]
    files: tuple[Path, ...]
    config: Path
    bundle: Path | None
    begin: int
    count: int
    bar_s: float = 0.4

    def part(self, begin: int, count: int, bar_s: float | None = None) -> "Recording":
        """Return another part of the same markets; `begin` counts from the first clean bar."""
        clean = self.bars[0].index_from(UNTIL)
        return replace(self, begin=clean + begin, count=count, bar_s=bar_s or self.bar_s)

    @property
    def settings(self) -> Settings:
        return load_settings(self.config, {"strategy": {"ml_model_path": self.bundle}})

    @property
    def traded(self) -> Sequence[Bars]:
        """The bars that are traded, without warm-up."""
        return [bars[self.begin : self.begin + self.count] for bars in self.bars]

    def words(self, state: Path, *more: str) -> list[str]:
        """Return the words of the command that rehearses it."""
        time = self.bars[0].time
        words = [
            "--rehearse", *self.files,
            "--start-date", time[self.begin],
            "--end-date", time[self.begin + self.count],
            "--speed", f"{FIVE_MINUTES.ms / 1000 / self.bar_s:.6g}",
            *(("--ml", "off") if self.bundle is None else ("--ml", "on", "--model", self.bundle)),
            "--config", self.config,
            "--state", state,
            "--out", state.parent / "runs",
            *more,
        ]  # fmt: skip
        return [*map(str, words)]


def without_ml(folder: Path) -> Recording:
    """Simulate and write the files."""
    bars = tuple(synthetic_bars(name, FIVE_MINUTES, days=DAYS, seed=5) for name in SYMBOLS)
    files = tuple(folder / f"{name.replace('/', '-')}_5m.parquet" for name in SYMBOLS)
    for market, file in zip(bars, files, strict=True):
        write_bars(market, file)
    config = folder / "eager.toml"
    config.write_text(EAGER)
    return Recording(bars, files, config, None, begin=0, count=0)


def with_ml(recording: Recording, folder: Path) -> Recording:
    """Train a small ensemble for these settings."""
    made = replace(recording, bundle=folder / "ensemble")
    training = {"strategy": {"ml_model_path": made.bundle}, "training": {"preset": "small"}}
    train_bundle(made.bars, load_settings(made.config, training), until=UNTIL)
    return made
