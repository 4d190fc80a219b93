"""Sets in, figures out: what each of many settings would have come to on the markets of a search.

What depends on the market alone is computed once: the evidence for each way to see it, and the
ensemble's opinion on every candidate bar. Sets that see the bars alike are run side by side. The
bars are seen one way after the other: TA-Lib lets no other thread work meanwhile.
"""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from functools import lru_cache

import numpy as np

from engine.jobs.markets import Market
from engine.jobs.searching.trial import Figures, Outcome
from engine.jobs.settings import Settings
from engine.sweep.market import SweepMarket
from engine.sweep.sets import SweepExits, SweepSet, SweepSizing
from engine.sweep.sweep import Sweep
from feeds.bars import FloatArray
from ml.analyzer import Analyzer
from ml.prediction import EPSILON, PredictionTable
from strategies.config import HybridConfig
from strategies.evidence import EvidenceTable, candidates, evidence_table
from strategies.rule_books import rules_of
from strategies.scoring import floors_of

# What says how evidence is used, not what is seen: everything else of a strategy is evidence.
_USE = {
    "use_ml_ensemble",
    "ml_model_path",
    "ml_strong_threshold",
    "ml_entry_threshold",
    "ml_weak_threshold",
    "ml_avoid_threshold",
    "min_entry_score",
    "points",
    "entry",
    "exits",
    "sizing",
}
_SEEN_AT_ONCE = 4  # ways to see the bars that are kept


class Sweeps:
    """Runs sets on the markets of a search.

    Parameters
    ----------
    markets : of the search; they share a wallet
    settings : cash, costs and what the exchange asks of orders
    ensemble : whom to ask; None for ML-off
    """

    def __init__(
        self, markets: Sequence[Market], settings: Settings, ensemble: Analyzer | None
    ) -> None:
        self._markets, self._settings, self._ensemble = markets, settings, ensemble
        self._seen = lru_cache(_SEEN_AT_ONCE)(self._look)

    def run(self, sets: Sequence[Settings]) -> list[Outcome]:
        """Return what each set comes to, in their order."""
        groups: dict[_Sight, list[int]] = {}
        for place, each in enumerate(sets):
            groups.setdefault(_Sight(each.strategy), []).append(place)
        found: dict[int, Outcome] = {}
        for sight, places in groups.items():
            outcomes = self._run(sight, [sets[place] for place in places])
            found |= dict(zip(places, outcomes, strict=True))
        return [found[place] for place in range(len(sets))]

    def _run(self, sight: "_Sight", sets: Sequence[Settings]) -> Iterator[Outcome]:
        names = rules_of(sight.config).names
        swept = self._seen(sight).run([sweep_set(each, names) for each in sets])
        for each in swept:
            figures = {field.name: getattr(each, field.name) for field in fields(Figures)}
            yield Outcome(Figures(**figures), each.daily)

    def _look(self, sight: "_Sight") -> Sweep:
        return Sweep(
            [self._see(market, sight.config) for market in self._markets],
            cash=self._settings.broker.cash,
            costs=self._settings.costs,
            epsilon=EPSILON,
        )

    def _see(self, market: Market, config: HybridConfig) -> SweepMarket:
        table = evidence_table(market.bars, config)
        rows = np.flatnonzero(candidates(table, config))
        rows = rows[rows >= market.first]
        probability, floors = np.full(len(rows), np.nan), None
        if self._ensemble is not None:
            said = self._ensemble.predict(market.bars, rows)
            probability, floors = np.asarray(said.probability, np.float64), _floors(said, config)
        return SweepMarket(
            bars=market.bars,
            first=market.first,
            rows=rows,
            holds=_holds(table, rows),
            atr_fraction=table.values["atr_fraction"][rows],
            probability=probability,
            floors=floors,
            rules=self._settings.rules_of(market.bars.symbol),
        )


class _Sight:
    """A configuration, equal to those that see the bars alike."""

    def __init__(self, config: HybridConfig) -> None:
        self.config = config
        self._key = repr(sorted(config.model_dump(exclude=_USE).items(), key=str))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Sight) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


def sweep_set(settings: Settings, rules: Sequence[str]) -> SweepSet:
    """Return the settings as plain numbers.

    Parameters
    ----------
    rules : names, in the order in which their points are added
    """
    config = settings.strategy
    points, exits, sizing = config.points, config.exits, config.sizing
    unit = 0.01 if exits.unit == "percent" else 1.0
    return SweepSet(
        points=tuple(points.of(rule) for rule in rules),
        opinion_points=(
            points.ml_strong,
            points.ml_entry,
            points.ml_weak,
            points.ml_neutral,
            points.ml_avoid,
        ),
        floors=floors_of(None, config),
        min_entry_score=config.min_entry_score,
        entry=config.entry.limit,
        exits=SweepExits(
            unit=exits.unit,
            stop=exits.stop_loss * unit,
            target=exits.take_profit * unit,
            trail=(exits.trailing_stop or 0.0) * unit,
            max_bars=exits.max_bars,
        ),
        sizing=SweepSizing(
            method=sizing.method,
            fraction=sizing.fraction,
            risk=sizing.risk,
            reserve_percent=sizing.reserve_percent,
        ),
        protections=settings.protections,
    )


def _holds(table: EvidenceTable, rows: np.ndarray) -> np.ndarray:
    """Return (rules, rows) which rule speaks at which candidate bar."""
    return np.array([holds[rows] for holds in table.holds.values()]).reshape(-1, len(rows))


def _floors(said: PredictionTable, config: HybridConfig) -> FloatArray | None:
    """Return (4, n) the thresholds that came with the opinions; None if there are none."""
    if not any(said.thresholds):
        return None
    return np.array(
        [[np.nan] * 4 if each is None else floors_of(each, config) for each in said.thresholds]
    ).T
