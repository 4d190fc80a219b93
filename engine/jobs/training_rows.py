"""From bars and settings to training rows: which bars are asked, and what came of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.jobs.settings import Settings
from feeds.bars import Bars, FloatArray
from ml.labels import Labels, barrier_labels, horizon_labels
from ml.training.data_pipeline import Source, TrainingSet, build_training_set
from strategies.config import HybridConfig
from strategies.evidence import EvidenceTable, candidates, evidence_table
from strategies.scoring import opinion_matters, technical_scores

_ASKED = {
    "digest",
    "min_entry_score",
    "bollinger_deviations",
    "volume_ratio",
    "stochastic_oversold",
    "support_period",
    "support_distance_percent",
    "points",
}

LARGEST_PAYOFF = 0.05  # of the money put in; no single crash outweighs a hundred ordinary trades


def training_rows(
    markets: Sequence[Bars], settings: Settings, *, thinned: bool = True
) -> TrainingSet:
    """Return the rows that the markets hold for a training or an evaluation.

    Parameters
    ----------
    thinned : to `training.max_rows`

    Raises
    ------
    TrainingError
        if there are none
    """
    return build_training_set(
        [training_source(bars, settings) for bars in markets],
        warmup_bars=settings.strategy.warmup_bars,
        max_rows=settings.training.max_rows if thinned else None,
    )


def asked_facts(strategy: HybridConfig) -> dict[str, Any]:
    """Return the settings, mandatory filter aside, that decide which bars are asked about."""
    return strategy.model_dump(mode="json", include=_ASKED)


def training_source(bars: Bars, settings: Settings) -> Source:
    """Return one market with the bars on which the ensemble is asked, and their labels."""
    return source_of(evidence_table(bars, settings.strategy), settings)


def source_of(table: EvidenceTable, settings: Settings) -> Source:
    """Return the same of a market whose evidence is at hand."""
    bars = table.bars
    candidate = candidates(table, settings.strategy)
    technical = technical_scores(table, settings.strategy.points)
    labels = _labels(table, settings)
    return Source(
        bars,
        population=candidate if settings.training.population == "candidates" else ~bars.filled,
        asked=candidate & opinion_matters(technical, settings.strategy),
        labels=labels,
        weight=_payoff(labels) if settings.training.label == "payoff" else None,
    )


def _payoff(labels: Labels) -> FloatArray:
    """Return how much each row counts: what its position won or lost, up to LARGEST_PAYOFF.

    So the share of the weight that lies with the ones is the share of profits in all that was won
    and lost: p / (1 - p) is a profit factor, and at 0.5 a trade is worth nothing on average.
    """
    size = np.minimum(np.abs(labels.outcome), LARGEST_PAYOFF)
    return np.where(labels.valid, size, 0.0)


def _labels(table: EvidenceTable, settings: Settings) -> Labels:
    training = settings.training
    if training.label == "horizon":
        return horizon_labels(
            table.bars,
            lookahead=training.lookahead,
            profit_threshold=training.profit_threshold,
        )
    return exit_labels(table, settings)


def exit_labels(table: EvidenceTable, settings: Settings) -> Labels:
    """Return what the strategy's own exits make of an entry at each bar, after costs."""
    exits = settings.strategy.exits
    return barrier_labels(
        table.bars,
        exits.fractions(table.values_of_all("atr_fraction")),
        max_bars=exits.max_bars,
        costs=settings.costs,
        tick=settings.rules_of(table.bars.symbol).tick,
        limit=settings.strategy.entry.limit,
    )
