"""From bars and settings to training rows: which bars are asked, and what came of them."""

from collections.abc import Sequence

from engine.jobs.settings import Settings
from feeds.bars import Bars
from ml.labels import Labels, barrier_labels, horizon_labels
from ml.training.data_pipeline import Source, TrainingSet, build_training_set
from strategies.evidence import EvidenceTable, candidates, evidence_table
from strategies.scoring import opinion_matters, technical_scores


def training_rows(markets: Sequence[Bars], settings: Settings) -> TrainingSet:
    """Return the rows that the markets hold for a training or an evaluation.

    Raises
    ------
    TrainingError
        if there are none
    """
    return build_training_set(
        [training_source(bars, settings) for bars in markets],
        warmup_bars=settings.strategy.warmup_bars,
        max_rows=settings.training.max_rows,
    )


def training_source(bars: Bars, settings: Settings) -> Source:
    """Return one market with the bars on which the ensemble is asked, and their labels."""
    table = evidence_table(bars, settings.strategy)
    candidate = candidates(table, settings.strategy)
    technical = technical_scores(table, settings.strategy.points)
    return Source(
        bars,
        population=candidate if settings.training.population == "candidates" else ~bars.filled,
        asked=candidate & opinion_matters(technical, settings.strategy),
        labels=_labels(table, settings),
    )


def _labels(table: EvidenceTable, settings: Settings) -> Labels:
    training, exits = settings.training, settings.strategy.exits
    if training.label == "horizon":
        return horizon_labels(
            table.bars,
            lookahead=training.lookahead,
            profit_threshold=training.profit_threshold,
        )
    return barrier_labels(
        table.bars,
        exits.fractions(table.values["atr_fraction"]),
        max_bars=exits.max_bars,
        costs=settings.costs,
        tick=settings.rules_of(table.bars.symbol).tick,
    )
