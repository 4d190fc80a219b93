"""How good the ensembles of a walk-forward are out of sample, and how far the market has drifted.

All figures are of candidate bars in the tests of their windows: rows that no ensemble that is
asked about them has learned from. Reliability is of probabilities at natural frequencies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from engine.jobs.walking.bundles import WindowBundle
from feeds.bars import BoolArray, FloatArray
from ml.calibration import shift_prior
from ml.drift import LARGE, NOTICED
from ml.features.catalog import FEATURE_NAMES
from ml.training.data_pipeline import TrainingSet
from ml.training.evaluator import expected_calibration_error, reliability

ENSEMBLE = "ENSEMBLE"
BASE_RATE = "base rate alone"
WORST = 10  # features named in the report


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What the ensemble of one window says of the rows of its test.

    Attributes
    ----------
    rows : of the test
    probability : (rows,) at a prior of 0.5
    natural : (rows,) at natural frequencies, by member, of the ENSEMBLE and of its BASE_RATE
    """

    window: WindowBundle
    rows: TrainingSet
    probability: FloatArray
    natural: Mapping[str, FloatArray]


def answers_of(window: WindowBundle, rows: TrainingSet) -> Answers:
    """Ask the ensemble of a window about the rows of its test."""
    ensemble = window.bundle.ensemble
    table = ensemble.predict(rows.samples)
    said = {**table.votes, ENSEMBLE: table.probability}
    natural = {name: shift_prior(each, 1.0 - ensemble.base_rate) for name, each in said.items()}
    natural[BASE_RATE] = np.full(len(rows), _share_of_ones(window))
    return Answers(window, rows, table.probability, natural)


def _share_of_ones(window: WindowBundle) -> float:
    """Return the share of ones in all that was learned from, by weight where rows have one."""
    training: Any = window.bundle.manifest.metrics["training"]
    parts = training["parts"].values()
    return float(
        np.average([p["positive_rate"] for p in parts], weights=[p["rows"] for p in parts])
    )


def window_scores(answers: Answers) -> dict[str, Any]:
    """Return how good one window's ensemble is on its test, for JSON; None for what cannot tell."""
    rows, everywhere = answers.rows, np.ones(len(answers.rows), np.bool_)
    return {
        "candidates": _scores(answers, everywhere),
        "asked": _scores(answers, rows.asked),
        "base_rate": _share_of_ones(answers.window),
    }


def _scores(answers: Answers, chosen: BoolArray) -> dict[str, Any]:
    natural = answers.natural[ENSEMBLE]
    chosen = chosen & np.isfinite(natural)
    rows, said = answers.rows.take(chosen), natural[chosen]
    none = {"rows": 0, "positive_rate": None, "roc_auc": None, "brier": None}
    if not len(rows):
        return none
    both = 0 < rows.y.sum() < len(rows)
    return {
        "rows": len(rows),
        "positive_rate": float(np.average(rows.y, weights=rows.weight)),
        "roc_auc": float(roc_auc_score(rows.y, said, sample_weight=rows.weight)) if both else None,
        "brier": _brier(rows, said),
    }


def reliability_table(answers: Sequence[Answers]) -> dict[str, Any]:
    """Return what each member and the ensemble said and what came, over all tests, for JSON."""
    names = dict.fromkeys(name for each in answers for name in each.natural)
    return {name: _reliability(name, answers) for name in names}


def _reliability(name: str, answers: Sequence[Answers]) -> dict[str, Any]:
    said = [each.natural.get(name, np.full(len(each.rows), np.nan)) for each in answers]
    answered = np.isfinite(np.concatenate(said))
    natural = np.concatenate(said)[answered]
    y = np.concatenate([each.rows.y for each in answers])[answered]
    weights = [each.rows.weight for each in answers if each.rows.weight is not None]
    weight = np.concatenate(weights)[answered] if weights else None
    if not len(y):
        return {"rows": 0, "brier": None, "expected_calibration_error": None, "bins": []}
    return {
        "rows": len(y),
        "brier": float(np.average((natural - y) ** 2, weights=weight)),
        "expected_calibration_error": expected_calibration_error(y, natural, weight),
        "bins": [
            {
                "low": each.low,
                "high": each.high,
                "rows": each.rows,
                "mean_probability": each.mean_probability,
                "observed": each.observed,
            }
            for each in reliability(y, natural, weight)
        ],
    }


def drift_table(answers: Sequence[Answers]) -> dict[str, Any]:
    """Return how far features and probabilities of each test lie from its training, for JSON.

    Of features the reference is the train part, of probabilities the calibrate part: members
    answer more surely on rows that they have learned.
    """
    shown = [each for each in answers if len(each.rows)]
    by_window = [_indices(each) for each in shown]
    features = np.array([indices for indices, _ in by_window]).reshape(-1, len(FEATURE_NAMES))
    return {
        "reading": {"noticed_from": NOTICED, "large_from": LARGE},
        "windows": [
            {
                "window": each.window.window.number,
                "rows": len(each.rows),
                "probability": probability,
                "features_noticed": int((row >= NOTICED).sum()),
                "features_large": int((row >= LARGE).sum()),
            }
            for each, row, (_, probability) in zip(shown, features, by_window, strict=True)
        ],
        "worst_features": _worst(features, [each.window.window.number for each in shown]),
    }


def _indices(answers: Answers) -> tuple[list[float], float | None]:
    """Return the population stability index of each feature and of the probability."""
    record = answers.window.record
    columns = answers.rows.samples.latest().astype(np.float64).T
    features = [
        record.features[name].stability_index(column)
        for name, column in zip(FEATURE_NAMES, columns, strict=True)
    ]
    said = answers.probability[np.isfinite(answers.probability)]
    return features, record.probability.stability_index(said) if len(said) else None


def _worst(indices: FloatArray, windows: Sequence[int]) -> list[dict[str, Any]]:
    """Return the features whose index is largest in any window."""
    if not len(indices):
        return []
    order = np.argsort(-indices.max(axis=0), kind="stable")[:WORST]
    return [
        {
            "feature": FEATURE_NAMES[column],
            "largest": float(indices[:, column].max()),
            "window": windows[int(indices[:, column].argmax())],
            "mean": float(indices[:, column].mean()),
        }
        for column in order.tolist()
    ]


def _brier(rows: TrainingSet, said: FloatArray) -> float:
    return float(np.average((said - rows.y) ** 2, weights=rows.weight))
