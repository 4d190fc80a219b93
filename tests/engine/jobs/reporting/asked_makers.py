"""A run that asked the ensemble of the small world, without the run."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.jobs.markets import Market, cut
from engine.jobs.reporting.model import AskedRun
from engine.jobs.reporting.opinions import Opinions, opinions_of
from engine.jobs.settings import Settings
from ml.analyzer import Analyzer
from ml.bundle import Bundle, load_bundle
from strategies.evidence import evidence_table
from strategies.views import ask
from tests.world import UNTIL, World


def asked_run(world: World, *, end: np.datetime64 | None = None, **changes: Any) -> AskedRun:
    """Return the answers on what the world's bundle has not seen.

    Parameters
    ----------
    changes : to the manifest of the bundle
    """
    settings = world.settings()
    markets = [cut(bars, start=UNTIL, end=end, warmup_bars=400) for bars in world.bars]
    bundle = load_bundle(world.bundle)
    manifest = bundle.manifest.model_copy(update=changes)
    return asked_of(markets, settings, Analyzer(replace(bundle, manifest=manifest)))


def asked_of(markets: list[Market], settings: Settings, analyzer: Analyzer) -> AskedRun:
    """Ask the analyzer about the markets."""
    tables = {m.bars.symbol: evidence_table(m.bars, settings.strategy) for m in markets}
    asked = ask(tables, settings.strategy, analyzer)
    return AskedRun(markets, settings, analyzer, asked, tables, [])


def opinions(run: AskedRun) -> Opinions:
    return opinions_of(run.asked, run.markets, run.tables, run.analyzer, run.settings)


@dataclass(frozen=True, slots=True)
class Planted:
    """Outcomes that are drawn, and what members say of them."""

    bundle: Bundle
    rows: int = 4000

    def opinions(self, votes: Mapping[str, Any], came: Any) -> Opinions:
        """Return the planted votes as answers, the first member's as those of the ensemble."""
        first = next(iter(votes.values()))
        moments = np.datetime64("2024-01-01", "ms") + np.arange(self.rows) * np.timedelta64(1, "h")
        return Opinions(
            decided_at=moments,
            probability=first,
            votes=votes,
            bundle=np.zeros(self.rows, np.int64),
            bundles=[self.bundle],
            volatility=np.random.default_rng(8).random(self.rows),
            came=came,
            settled=np.ones(self.rows, np.bool_),
            weight=None,
            features=None,
            reasons={},
            silent={},
        )
