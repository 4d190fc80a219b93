"""Labels that nothing foretells: an ensemble that learns them knows nothing, and says so."""

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ml.models.catalog import default_models
from ml.training.config import TrainingConfig
from ml.training.data_pipeline import TrainingSet, build_training_set
from ml.training.trainer import train
from tests.ml.trained import WARMUP_BARS
from tests.ml.training.makers import foretold, source
from tests.truth.worlds import planted

MEMBERS = ("xgboost", "logistic")
CONFIG = TrainingConfig(preset="small")


@pytest.fixture(scope="module")
def rows() -> TrainingSet:
    """Rows of three markets with labels that a feature foretells in part."""
    sources = [source(bars) for bars in planted(1, days=12)]
    return foretold(
        build_training_set(sources, warmup_bars=WARMUP_BARS, max_rows=6000), ones=0.3, noise=1.0
    )


def auc_in_errors(rows: TrainingSet, *, seed: int) -> tuple[float, float]:
    """Return the ROC AUC on the test part, and how many standard errors it is above 0.5.

    Without any skill ranks are at random: Mann and Whitney's variance, (m + n + 1) / (12 m n).
    """
    every = default_models("small", seed=seed, jobs=1)
    trained = train(rows, CONFIG, {name: every[name] for name in MEMBERS}, seed=seed)
    test = rows.take(trained.parts.test)
    found = float(roc_auc_score(test.y, trained.ensemble.predict(test.samples).probability))
    ones = int(test.y.sum())
    zeros = len(test) - ones
    return found, (found - 0.5) / math.sqrt((ones + zeros + 1) / (12.0 * ones * zeros))


def test_an_ensemble_finds_labels_that_are_foretold(rows: TrainingSet) -> None:
    auc, errors = auc_in_errors(rows, seed=0)
    assert auc > 0.7
    assert errors > 10.0


def test_an_ensemble_that_learned_shuffled_labels_ranks_at_random(rows: TrainingSet) -> None:
    """The labels of all rows are permuted; whatever leaked from test rows would show."""
    found = []
    for seed in range(4):
        shuffled = replace(rows, y=np.random.default_rng(seed).permutation(rows.y))
        found.append(auc_in_errors(shuffled, seed=seed)[1])
    assert max(np.abs(found)) < 3.3
    assert abs(np.mean(found)) < 3.3 / math.sqrt(len(found))
