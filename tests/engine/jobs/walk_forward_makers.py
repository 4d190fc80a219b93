"""A short market and walk-forwards of quick members over it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.config import DataConfig
from engine.jobs.markets import AskedBars
from engine.jobs.run_request import RunRequest
from engine.jobs.settings import Settings, load_settings
from engine.jobs.spreading.task import Backend
from engine.jobs.walk_forward import walk_forward
from engine.jobs.walking.report import WalkForwardReport
from engine.jobs.walking.windows import Window, WindowSpec, cut_windows
from feeds.bars import PRICES, Bars
from feeds.synthetic import synthetic_bars
from feeds.timeframe import Timeframe
from tests.ml.trained import quick_model

SPEC = WindowSpec(48, 16)
QUICK = {name: (0.5, quick_model(name)) for name in ("logistic", "xgboost", "svm")}
LEARNED: dict[str, Any] = {
    "label": "horizon",
    "lookahead": 8,
    "profit_threshold": 0.004,
    "preset": "small",
    "fractions": (0.5, 0.2, 0.2, 0.1),
}


@dataclass(frozen=True, slots=True)
class Given:
    """A source that has these bars."""

    markets: Sequence[Bars]

    def read(self, _config: DataConfig, /) -> list[Bars]:
        return list(self.markets)


def market(symbol: str = "BTC/USDT") -> Bars:
    """Return bars of 98 days: three windows, the last test two days longer."""
    return synthetic_bars(symbol, Timeframe.parse("5m"), days=98, seed=5)


def windows_of(bars: Bars, spec: WindowSpec = SPEC) -> list[Window]:
    return cut_windows(bars.time[0], bars.closed_at[-1], spec)


def settings_for(**training: object) -> Settings:
    return load_settings(
        overrides={
            "training": {**LEARNED, "jobs": 1, **training},
            "statistics": {"gate_seeds": 2},
        }
    )


def walked(
    markets: Sequence[Bars],
    out: Path,
    settings: Settings,
    spec: WindowSpec = SPEC,
    backend: Backend | None = None,
) -> WalkForwardReport:
    asked = AskedBars(Given(markets))
    return walk_forward(RunRequest(settings=settings, bars=asked, out=out), spec, backend)


def altered_after(bars: Bars, moment: np.datetime64, *, seed: int = 1) -> Bars:
    """Return the bars with other prices and volumes from `moment` on."""
    late = bars.time >= moment
    rng = np.random.default_rng(seed)
    factor = np.where(late, np.exp(np.cumsum(late * rng.normal(0.0, 0.003, len(bars)))), 1.0)
    columns = {name: getattr(bars, name) * factor for name in PRICES}
    volume = np.where(late, bars.volume * rng.lognormal(0.0, 1.0, len(bars)), bars.volume)
    return replace(bars, **columns, volume=volume)
