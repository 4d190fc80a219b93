"""From evidence and the ensemble's opinion to a score and a decision."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from feeds.bars import BoolArray, FloatArray
from ml.prediction import EPSILON, Prediction, Thresholds, Unavailable
from strategies.config import HybridConfig, OpinionPoints
from strategies.evidence import Evidence, EvidenceTable
from strategies.rule_books import rules_of

Opinion: TypeAlias = Prediction | Unavailable | None
"""What the ensemble said; None where it was not asked."""


@dataclass(frozen=True, slots=True)
class Score:
    """Points by rule, and what the opinion added."""

    items: Mapping[str, float]
    ml: float

    @property
    def technical(self) -> float:
        """The points of the technical evidence."""
        return sum(self.items.values())

    @property
    def total(self) -> float:
        """The final score."""
        return self.technical + self.ml


@dataclass(frozen=True, slots=True)
class Decision:
    """To enter or not at a bar where the mandatory rules hold, with all it rests on."""

    enter: bool
    evidence: Evidence
    opinion: Opinion
    score: Score


def decide(evidence: Evidence, opinion: Opinion, config: HybridConfig) -> Decision:
    """Score the evidence with the opinion; the mandatory filter stands above every score."""
    holds, rules = evidence.holds, rules_of(config)
    items = {rule: config.points.of(rule) if holds[rule] else 0.0 for rule in rules.names}
    score = Score(items, ml_points(opinion, config))
    enough = score.total >= config.min_entry_score - EPSILON
    may = all(holds[rule] for rule in rules.mandatory)
    return Decision(may and enough, evidence, opinion, score)


def ml_points(opinion: Opinion, config: HybridConfig) -> float:
    """Return the points that the opinion is worth; no opinion is worth nothing."""
    if not isinstance(opinion, Prediction):
        return 0.0
    steps = zip(floors_of(opinion.thresholds, config), _worths(config), strict=True)
    reached = (worth for floor, worth in steps if opinion.probability >= floor - EPSILON)
    return next(reached, config.points.ml_avoid)


def ml_scores(
    probability: FloatArray, config: HybridConfig, floors: FloatArray | None = None
) -> FloatArray:
    """Return the points of many opinions; NaN stands for none.

    Parameters
    ----------
    floors : (4, n) the thresholds of each opinion, see `floors_of`; None for the configured ones
    """
    configured = np.array(floors_of(None, config))[:, None]
    reached = probability >= (configured if floors is None else floors) - EPSILON
    worths = [*_worths(config), config.points.ml_avoid]
    scores = np.select([*reached, ~np.isnan(probability)], worths, 0.0)
    return np.asarray(scores, np.float64)


def floors_of(fitted: Thresholds | None, config: HybridConfig) -> tuple[float, float, float, float]:
    """Return the thresholds in force, the highest first: those fitted, else the configured ones."""
    if fitted is not None:
        return fitted.strong, fitted.entry, fitted.weak, fitted.avoid
    return (
        config.ml_strong_threshold,
        config.ml_entry_threshold,
        config.ml_weak_threshold,
        config.ml_avoid_threshold,
    )


def _worths(config: HybridConfig) -> tuple[float, float, float, float]:
    """Return the points from each threshold on."""
    points = config.points
    return points.ml_strong, points.ml_entry, points.ml_weak, points.ml_neutral


def technical_scores(table: EvidenceTable, points: OpinionPoints) -> FloatArray:
    """Return the technical score of every bar."""
    scores = np.zeros(len(table.bars))
    for rule, holds in table.holds.items():
        scores += np.where(holds, points.of(rule), 0.0)
    return scores


def opinion_matters(technical: FloatArray, config: HybridConfig) -> BoolArray:
    """Return True where the score is an entry already, or the largest bonus would make it one."""
    best = np.asarray(technical + max(config.points.largest_bonus, 0.0))
    return best >= config.min_entry_score - EPSILON
