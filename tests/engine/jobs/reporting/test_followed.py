"""What an opinion goes with: the correlations of SciPy, the areas of scikit-learn."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from engine.jobs.reporting.followed import MOST_ROWS, followed
from engine.jobs.reporting.opinions import Opinions
from ml.features.catalog import FEATURE_NAMES
from tests.engine.jobs.reporting.asked_makers import asked_run, opinions
from tests.world import World


@pytest.fixture(scope="module")
def judged(world: World) -> Opinions:
    return opinions(asked_run(world)).judged


def test_correlations_and_areas_are_those_of_others(judged: Opinions) -> None:
    found = followed(judged)
    assert found is not None
    assert found["rows"] == len(judged)
    assert {each["name"] for each in found["features"]} == set(FEATURE_NAMES)
    assert judged.features is not None
    strengths = []
    for each in found["features"]:
        column = judged.features[:, FEATURE_NAMES.index(each["name"])]
        if np.ptp(column) > 0.0:
            expected = spearmanr(column, judged.probability).statistic
            assert each["correlation"] == pytest.approx(expected, abs=1e-9)
        assert each["roc_auc"] == pytest.approx(roc_auc_score(judged.came, column), abs=1e-9)
        strengths.append(abs(each["correlation"]))
    assert strengths == sorted(strengths, reverse=True)


def test_an_opinion_that_is_a_feature_goes_with_it(judged: Opinions) -> None:
    assert judged.features is not None
    copied = replace(judged, probability=-judged.features[:, 3].astype(np.float64))
    found = followed(copied)
    assert found is not None
    first = found["features"][0]
    assert (first["name"], first["correlation"]) == (FEATURE_NAMES[3], pytest.approx(-1.0))


def test_many_rows_are_thinned_and_too_few_say_nothing(judged: Opinions) -> None:
    many = judged.take(np.arange(20_000) % len(judged))
    thinned = followed(many)
    assert thinned is not None
    assert thinned["rows"] == MOST_ROWS
    assert followed(judged.take(judged.came)) is None
    assert followed(judged.take(np.arange(0))) is None
    assert followed(replace(judged, features=None)) is None
