"""How good ensemble and members were: the evaluator's figures, and planted skill."""

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from engine.jobs.as_trained import as_trained
from engine.jobs.reporting.model import AskedRun
from engine.jobs.reporting.predictors import CURVE_POINTS, predictors, roc_points
from engine.jobs.training_rows import training_rows
from engine.statistics.clustered import Rows
from ml.bundle import load_bundle
from ml.calibration import shift_prior
from ml.training.contribution import member_contributions
from ml.training.data_pipeline import TrainingSet
from ml.training.evaluator import Evaluation, evaluate
from tests.engine.jobs.reporting.asked_makers import Planted, asked_run, opinions
from tests.world import UNTIL, World

Facts = dict[str, Any]


@pytest.fixture(scope="module")
def run(world: World) -> AskedRun:
    return asked_run(world)


@pytest.fixture(scope="module")
def rows(world: World) -> TrainingSet:
    """The asked rows of the run, as an evaluation of its bundle sees them."""
    bundle = load_bundle(world.bundle)
    found = training_rows(world.bars, as_trained(world.settings(), bundle.manifest))
    return found.take(found.asked & (found.decided_at >= UNTIL))


@pytest.fixture(scope="module")
def evaluation(world: World, rows: TrainingSet) -> Evaluation:
    return evaluate(load_bundle(world.bundle).ensemble, rows)


@pytest.fixture(scope="module")
def found(run: AskedRun) -> dict[str, Facts]:
    return {each["name"]: each for each in predictors(opinions(run).judged)}


def test_the_scores_are_those_of_the_evaluator_on_the_same_rows(
    found: dict[str, Facts], evaluation: Evaluation
) -> None:
    expected = {"ensemble": evaluation.ensemble, **evaluation.members}
    assert set(found) == {*expected, "volatility alone"}
    for name, scores in expected.items():
        shown = found[name]
        assert shown["rows"] == evaluation.rows
        assert shown["roc_auc"]["value"] == pytest.approx(scores.roc_auc, abs=1e-6)
        assert shown["brier"] == pytest.approx(scores.brier, abs=1e-6)
        assert shown["calibration_error"] == pytest.approx(
            scores.expected_calibration_error, abs=1e-6
        )
        for bin_, other in zip(shown["reliability"], scores.reliability, strict=True):
            assert (bin_["low"], bin_["rows"]) == (other.low, other.rows)
            assert bin_["said"] == pytest.approx(other.mean_probability, abs=1e-6)
            assert bin_["came"]["value"] == pytest.approx(other.observed)
            assert bin_["came"]["low"] <= bin_["came"]["value"] <= bin_["came"]["high"]
    assert found["volatility alone"]["roc_auc"]["value"] == pytest.approx(
        evaluation.volatility_roc_auc
    )
    assert found["ensemble"]["came"]["value"] == pytest.approx(evaluation.positive_rate)


def test_what_members_add_is_what_the_contributions_say(
    found: dict[str, Facts], rows: TrainingSet, world: World
) -> None:
    ensemble = load_bundle(world.bundle).ensemble
    for each in member_contributions(ensemble, rows).members:
        shown = found[each.name]
        assert shown["weight"] == pytest.approx(each.weight)
        assert shown["contribution"]["roc_auc"]["value"] == pytest.approx(each.roc_auc, abs=1e-6)
        assert shown["contribution"]["brier"] == pytest.approx(each.brier, abs=1e-6)


def test_the_curve_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    said, came = rng.integers(0, 30, 400) / 30.0, rng.random(400) < 0.3
    points = roc_points(Rows.of(came, np.full(400, np.datetime64("2024-01-01", "ms"))), said)
    zeros, ones, _ = roc_curve(came, said, drop_intermediate=False)
    np.testing.assert_allclose(points["zeros"], zeros, atol=1e-5)
    np.testing.assert_allclose(points["ones"], ones, atol=1e-5)


@pytest.fixture(scope="module")
def planted(world: World) -> Planted:
    return Planted(load_bundle(world.bundle))


def test_planted_skill_is_seen_and_its_absence_too(planted: Planted) -> None:
    rng = np.random.default_rng(5)
    base = planted.bundle.ensemble.base_rate
    natural = rng.uniform(0.02, 0.6, planted.rows)
    came = rng.random(planted.rows) < natural
    votes = {
        "random_forest": shift_prior(natural, base),  # says what is true
        "xgboost": np.where(came, 0.9, 0.1),  # knows what comes
        "svm": rng.random(planted.rows),  # knows nothing
        "lstm": 1.0 - np.where(came, 0.9, 0.1),  # knows it the wrong way round
    }
    found = {each["name"]: each for each in predictors(planted.opinions(votes, came))}
    true, perfect, nothing, wrong = (found[name] for name in votes)
    for bin_ in true["reliability"]:
        if bin_["rows"] > 100:
            assert bin_["came"]["low"] - 0.02 <= bin_["said"] <= bin_["came"]["high"] + 0.02
    assert true["calibration_error"] < 0.03
    assert perfect["roc_auc"]["value"] == 1.0
    assert (0.0, 1.0) in zip(perfect["curve"]["zeros"], perfect["curve"]["ones"], strict=True)
    assert nothing["roc_auc"]["low"] < 0.5 < nothing["roc_auc"]["high"]
    assert wrong["roc_auc"]["value"] == 0.0
    assert (
        perfect["contribution"]["roc_auc"]["low"] > 0.0 > wrong["contribution"]["roc_auc"]["high"]
    )
    assert sum(perfect["histogram"]["ones"]) == came.sum()
    assert len(true["curve"]["zeros"]) <= CURVE_POINTS + 1


def test_a_member_that_answers_alone_adds_what_nobody_can_tell(planted: Planted) -> None:
    rng = np.random.default_rng(6)
    came = rng.random(planted.rows) < 0.3
    alone = {"svm": rng.random(planted.rows)}
    _, member, _ = predictors(planted.opinions(alone, came))
    assert member["contribution"] == {
        "rows": 0,
        "roc_auc": {"value": None, "low": None, "high": None},
        "brier": None,
    }


def test_rows_that_all_came_alike_have_no_rank_and_still_a_level(planted: Planted) -> None:
    said = {"svm": np.linspace(0.1, 0.9, planted.rows)}
    ensemble, *_ = predictors(planted.opinions(said, np.zeros(planted.rows, np.bool_)))
    assert ensemble["roc_auc"]["value"] is None
    assert ensemble["came"]["value"] == 0.0
    assert ensemble["brier"] > 0.0
