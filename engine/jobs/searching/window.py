"""One window of a search in windows: what its settings are chosen on, and what they trade."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.jobs.markets import Market
from engine.jobs.searching.record import Ground
from engine.jobs.searching.stitching import Stretch
from engine.jobs.settings import Settings
from engine.jobs.walking.spans import part
from engine.jobs.walking.windows import Window
from feeds.moments import parse_utc
from ml.analyzer import Analyzer


@dataclass(frozen=True, slots=True, eq=False)
class SearchWindow:
    """One window: its markets, and who is asked in it; without an ensemble it is ML-off.

    Attributes
    ----------
    digests : of the whole bars, by symbol
    """

    window: Window
    markets: Sequence[Market]
    digests: Mapping[str, str]
    settings: Settings
    ensemble: Analyzer | None

    def ground(self) -> Ground:
        """Return what its settings are chosen on."""
        start = self.window.train_start
        if self.ensemble is not None:
            training: Any = self.ensemble.bundle.manifest.metrics["training"]
            start = parse_utc(training["parts"]["calibrate"]["first"])
        cut = self._cut(start, self.window.train_end)
        return Ground(self.settings, cut, self.ensemble, self.digests)

    def test(self, settings: Settings) -> Stretch:
        """Return what is traded with settings that were chosen before."""
        cut = self._cut(self.window.train_end, self.window.test_end)
        return Stretch(settings, cut, self.ensemble)

    def _cut(self, start: np.datetime64, end: np.datetime64) -> list[Market]:
        return [part(market, self.settings, start, end) for market in self.markets]
