"""How good ensemble and members were on the judged bars of a run, in JSON's own types.

The scores are those of `ml.training.evaluator`, on the rows whose answer and outcome are known.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from engine.jobs.reporting.opinions import Opinions
from engine.statistics.clustered import (
    Area,
    Rows,
    area,
    area_interval,
    difference_interval,
    share_interval,
)
from engine.statistics.intervals import Interval
from feeds.bars import BoolArray, FloatArray
from ml.ensemble import weighted_mean
from ml.training.data_pipeline import evenly
from ml.training.evaluator import expected_calibration_error, reliability

Facts = dict[str, Any]

ENSEMBLE = "ensemble"
VOLATILITY_ALONE = "volatility alone"
HISTOGRAM_EDGES = np.linspace(0.0, 1.0, 21)
CURVE_POINTS = 150  # of each ROC curve, which a page can show


def predictors(judged: Opinions) -> list[Facts]:
    """Return ensemble, members and the baseline; the ensemble first.

    Parameters
    ----------
    judged : rows with an opinion whose outcome is known
    """
    rows = Rows.of(judged.came, judged.decided_at, judged.weight)
    whole = area(rows, judged.probability)
    shares = _shares(judged)
    return [
        {"name": ENSEMBLE, "kind": "ensemble"} | _scored(judged, rows, judged.probability, whole),
        *(
            {"name": name, "kind": "member", "weight": shares[name]}
            | _scored(judged, rows, vote)
            | {"contribution": _contribution(judged, rows, name, whole)}
            for name, vote in judged.votes.items()
        ),
        _baseline(judged, rows, whole),
    ]


def _baseline(judged: Opinions, rows: Rows, whole: Area | None) -> Facts:
    """Return what recent volatility alone ranks, and by how much the ensemble is above it."""
    found = area(rows, judged.volatility)
    behind = None if whole is None or found is None else difference_interval(rows, whole, found)
    return {
        "name": VOLATILITY_ALONE,
        "kind": "baseline",
        **ranked(rows, judged.volatility, found),
        "behind": _plain(behind),
    }


def _shares(judged: Opinions) -> Mapping[str, float]:
    """Return each member's share of the weight, over the rows."""
    total = dict.fromkeys(judged.votes, 0.0)
    for place, bundle in enumerate(judged.bundles):
        count = int((judged.bundle == place).sum())
        here = {m.name: m.weight for m in bundle.ensemble.members if m.name in total}
        for name, weight in here.items():
            total[name] += count * weight / sum(here.values())
    return {name: share / max(len(judged), 1) for name, share in total.items()}


def _scored(judged: Opinions, rows: Rows, said: FloatArray, known: Area | None = None) -> Facts:
    """Return ranking and probabilities of a predictor where it answered."""
    answered = np.isfinite(said)
    rows, said, natural = rows.take(answered), said[answered], judged.natural(said)[answered]
    y = rows.came.astype(np.int64)
    return {
        **ranked(rows, said, known),
        "brier": float(np.average((natural - y) ** 2, weights=rows.weight)) if len(y) else None,
        "calibration_error": expected_calibration_error(y, natural, rows.weight)
        if len(y)
        else None,
        "said": float(np.average(natural, weights=rows.weight)) if len(y) else None,
        "came": _plain(share_interval(rows)),
        "reliability": _reliability(rows, natural),
        "histogram": _histogram(rows.came, said),
    }


def ranked(rows: Rows, said: FloatArray, known: Area | None = None) -> Facts:
    """Return how well the rows are ranked by what was said of them."""
    found = known or area(rows, said)
    if found is None:
        return {"rows": len(rows), "roc_auc": _plain(None), "curve": None}
    return {
        "rows": len(rows),
        "roc_auc": _plain(area_interval(rows, found)),
        "curve": roc_points(rows, said),
    }


def roc_points(rows: Rows, said: FloatArray) -> Facts:
    """Return the ROC curve: shares of the zeros and of the ones at or above falling thresholds."""
    order = np.argsort(-said, kind="stable")
    ones = np.cumsum(np.where(rows.came, rows.weight, 0.0)[order])
    zeros = np.cumsum(np.where(rows.came, 0.0, rows.weight)[order])
    last_of_tie = np.flatnonzero(np.diff(said[order], append=np.nan) != 0.0)
    shown = last_of_tie[evenly(len(last_of_tie), CURVE_POINTS)]
    return {
        "zeros": [0.0, *(zeros[shown] / zeros[-1]).round(5).tolist()],
        "ones": [0.0, *(ones[shown] / ones[-1]).round(5).tolist()],
    }


def _reliability(rows: Rows, natural: FloatArray) -> list[Facts]:
    if not len(rows):
        return []
    return [
        {
            "low": each.low,
            "high": each.high,
            "rows": each.rows,
            "said": each.mean_probability,
            "came": _plain(share_interval(rows.take(_within(natural, each.low, each.high)))),
        }
        for each in reliability(rows.came.astype(np.int64), natural, rows.weight)
    ]


def _within(natural: FloatArray, low: float, high: float) -> BoolArray:
    return (natural >= low) & ((natural < high) | (high == 1.0))


def _histogram(came: BoolArray, said: FloatArray) -> Facts:
    """Return how many ones and zeros lie between each two of HISTOGRAM_EDGES."""
    return {
        "ones": np.histogram(said[came], HISTOGRAM_EDGES)[0].tolist(),
        "zeros": np.histogram(said[~came], HISTOGRAM_EDGES)[0].tolist(),
    }


def _contribution(judged: Opinions, rows: Rows, name: str, whole: Area | None) -> Facts:
    """Return how much worse the vote is without the member, where others answer, too."""
    rest = without(judged, name)
    shared = np.isfinite(rest)
    if not shared.all():
        rows, judged, rest = rows.take(shared), judged.take(shared), rest[shared]
        whole = area(rows, judged.probability)
    left = area(rows, rest)
    if not len(rows):
        return {"rows": 0, "roc_auc": _plain(None), "brier": None}
    brier = [
        float(np.average((judged.natural(said) - rows.came) ** 2, weights=rows.weight))
        for said in (rest, judged.probability)
    ]
    less = None if whole is None or left is None else difference_interval(rows, whole, left)
    return {"rows": len(rows), "roc_auc": _plain(less), "brier": brier[0] - brier[1]}


def without(judged: Opinions, name: str) -> FloatArray:
    """Return (n,) the vote without the member, the others' weights renormalised."""
    vote = np.full(len(judged), np.nan)
    for place, bundle in enumerate(judged.bundles):
        mine = judged.bundle == place
        weights = {
            m.name: m.weight
            for m in bundle.ensemble.members
            if m.name != name and m.name in judged.votes
        }
        matrix = np.array([judged.votes[other][mine] for other in weights], np.float64)
        others = np.array(list(weights.values()), np.float64)
        vote[mine] = weighted_mean(matrix.reshape(len(weights), int(mine.sum())), others)
    return vote


def _plain(interval: Interval | None) -> Facts:
    return asdict(interval or Interval(value=None, low=None, high=None))
