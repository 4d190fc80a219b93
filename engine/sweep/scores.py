"""Scores of candidates: points of rules, and of the ensemble's opinion."""

import math

from engine.sweep.account import Account
from engine.sweep.arithmetic import summed
from engine.sweep.compiling import part
from engine.sweep.ground import Candidates
from engine.sweep.terms import Scoring
from feeds.bars import BoolArray, FloatArray

Five = tuple[float, float, float, float, float]
Four = tuple[float, float, float, float]


@part
def score_rules(spoken: BoolArray, points: FloatArray, account: Account) -> None:
    """Reckon the technical score of each way in which the rules speak."""
    patterns, rules = spoken.shape
    for pattern in range(patterns):
        for rule in range(rules):
            account.parts[rule] = points[rule] if spoken[pattern, rule] else 0.0
        account.scores[pattern] = summed(account.parts, rules)


@part
def opinion_points(candidates: Candidates, k: int, scoring: Scoring) -> float:
    """Return what the opinion on a candidate is worth; none is worth nothing."""
    probability = candidates.probability[k]
    if math.isnan(probability):
        return 0.0
    fitted, off = candidates.floors[k], scoring.epsilon
    if math.isnan(fitted[0]):
        return _worth(probability, scoring.floors, scoring.worths)
    floors = (fitted[0] - off, fitted[1] - off, fitted[2] - off, fitted[3] - off)
    return _worth(probability, floors, scoring.worths)


@part
def _worth(probability: float, floors: Four, worths: Five) -> float:
    for i in range(4):
        if probability >= floors[i]:
            return worths[i]
    return worths[4]
