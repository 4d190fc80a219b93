"""The contribution of each member: what the vote without it loses."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from feeds.bars import FloatArray
from ml.ensemble import Ensemble, weighted_mean
from ml.training.data_pipeline import TrainingSet
from ml.training.evaluator import score


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """How much worse the ensemble's scores are without a member. Above 0 the member helps.

    None where there is nobody else to ask, or where the rows cannot tell.

    Attributes
    ----------
    weight : its share of the weight of those that answered
    roc_auc : with the member - without it
    log_loss, brier : without the member - with it, at natural frequencies
    """

    name: str
    weight: float
    roc_auc: float | None
    log_loss: float | None
    brier: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contributions:
    """The contribution of each member that answers, on how many rows."""

    rows: int
    members: tuple[Contribution, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the contributions in JSON's own types."""
        return {"rows": self.rows, "members": [asdict(each) for each in self.members]}


def member_contributions(ensemble: Ensemble, rows: TrainingSet) -> Contributions:
    """Leave each member that answers out of the vote, the others' weights renormalised.

    Rows count in the scores as they do in those of an evaluation: by their weight, if any.
    """
    votes = ensemble.votes(rows.samples).by_name
    weights = {m.name: m.weight for m in ensemble.members if m.name in votes}
    members = tuple(
        Contribution(
            name=name,
            weight=weights[name] / sum(weights.values()),
            **_worse_without(name, votes, weights, (rows, ensemble.base_rate)),
        )
        for name in weights
    )
    return Contributions(rows=len(rows), members=members)


def _worse_without(
    name: str,
    votes: Mapping[str, FloatArray],
    weights: Mapping[str, float],
    truth: tuple[TrainingSet, float],
) -> dict[str, float | None]:
    """Return by how much each score is worse on the rows about which others answer, too."""
    rows, base_rate = truth
    whole = _voted(votes, weights)
    rest = _voted(votes, {other: w for other, w in weights.items() if other != name})
    shared = np.isfinite(rest)
    if not shared.any():
        return dict.fromkeys(("roc_auc", "log_loss", "brier"))
    judged = rows.take(shared)
    with_it = score(judged.y, whole[shared], base_rate, judged.weight)
    without = score(judged.y, rest[shared], base_rate, judged.weight)
    return {
        "roc_auc": _less(with_it.roc_auc, without.roc_auc),
        "log_loss": without.log_loss - with_it.log_loss,
        "brier": without.brier - with_it.brier,
    }


def _voted(votes: Mapping[str, FloatArray], weights: Mapping[str, float]) -> FloatArray:
    rows = len(next(iter(votes.values())))
    matrix = np.array([votes[name] for name in weights], np.float64).reshape(len(weights), rows)
    return weighted_mean(matrix, np.array(list(weights.values()), np.float64))


def _less(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other
