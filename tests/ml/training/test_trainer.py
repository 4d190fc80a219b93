"""The trainer: nothing of a later part reaches an earlier step, and noise stays noise."""

from dataclasses import replace

import numpy as np
import pytest
from joblib import hash as digest
from threadpoolctl import threadpool_limits

from ml.calibration import shift_prior
from ml.errors import TrainingError
from ml.models.logistic_model import LogisticModel
from ml.training.config import TrainingConfig
from ml.training.data_pipeline import TrainingSet
from ml.training.evaluator import evaluate
from ml.training.trainer import Trained, train
from tests.ml.training.makers import (
    LinearModel,
    foretold,
    tossed,
    training_set,
    two_models,
    with_other_features,
    with_other_labels,
)

CONFIG = TrainingConfig()
PARTS = ("train", "stop", "calibrate", "test")


@pytest.fixture(scope="module")
def rows() -> TrainingSet:
    return foretold(training_set(), ones=0.2)


@pytest.fixture(scope="module")
def trained(rows: TrainingSet) -> Trained:
    return train(rows, CONFIG, two_models(), seed=0)


def models_of(trained: Trained) -> dict[str, LinearModel]:
    return {m.name: m.model for m in trained.ensemble.members}  # type: ignore[misc]


def test_labels_of_the_test_part_leave_members_and_calibration_byte_identical(
    rows: TrainingSet, trained: Trained
) -> None:
    again = train(with_other_labels(rows, trained.parts.test), CONFIG, two_models(), seed=0)
    assert digest(again.ensemble.members) == digest(trained.ensemble.members)
    assert again.ensemble.base_rate == trained.ensemble.base_rate


def test_features_of_the_test_part_leave_members_byte_identical(
    rows: TrainingSet, trained: Trained
) -> None:
    again = train(with_other_features(rows, trained.parts.test), CONFIG, two_models(), seed=0)
    assert digest(again.ensemble.members) == digest(trained.ensemble.members)


def test_any_number_of_threads_of_the_libraries_learns_the_same_to_the_last_bit() -> None:
    rows = foretold(training_set(4000, seed=3), ones=0.2)
    models = {"logistic": (1.0, LogisticModel())}
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            found.append(digest(train(rows, CONFIG, models, seed=0).ensemble.members))
    assert found[0] == found[1]


def test_no_synthetic_row_depends_on_a_later_part(rows: TrainingSet, trained: Trained) -> None:
    parts = trained.parts
    later = np.concatenate([parts.stop, parts.calibrate, parts.test])
    changed = with_other_features(with_other_labels(rows, later[::2]), later)
    X, y = models_of(train(changed, CONFIG, two_models(), seed=0))["line"].learned_
    before_X, before_y = models_of(trained)["line"].learned_
    np.testing.assert_array_equal(X, before_X)
    np.testing.assert_array_equal(y, before_y)


def test_rows_purged_from_the_train_part_are_not_learned_from(rows: TrainingSet) -> None:
    far = rows.known_at + np.full(len(rows), 30 * 60_000).astype("timedelta64[ms]")
    trained = train(replace(rows, known_at=far), CONFIG, two_models(), seed=0)
    kept = trained.parts.train
    assert (far[kept] <= rows.decided_at[trained.parts.stop].min()).all()
    X, y = models_of(trained)["sequence"].learned_
    np.testing.assert_array_equal(y, rows.y[kept])
    np.testing.assert_array_equal(X, rows.samples.take(kept).sequences(4))
    dropped = len(rows) - sum(len(part) for _, part in trained.parts.items())
    assert trained.report.purged == dropped > 0


def test_tabular_members_learn_from_real_rows_first_and_even_classes(
    rows: TrainingSet, trained: Trained
) -> None:
    X, y = models_of(trained)["line"].learned_
    own = rows.take(trained.parts.train)
    np.testing.assert_array_equal(X[: len(own)], own.samples.latest())
    assert 2 * y.sum() == len(y) > len(own)
    report = trained.report.members["line"]
    assert (report.rows, report.synthetic_rows) == (len(y), len(y) - len(own))


def test_sequence_members_learn_from_the_rows_as_they_are(
    rows: TrainingSet, trained: Trained
) -> None:
    X, y = models_of(trained)["sequence"].learned_
    assert X.shape[1:] == (4, rows.samples.matrix.shape[1])
    np.testing.assert_array_equal(y, rows.y[trained.parts.train])
    assert trained.report.members["sequence"].synthetic_rows == 0


def test_learning_is_stopped_by_the_stop_part_as_it_is(rows: TrainingSet, trained: Trained) -> None:
    stop = rows.take(trained.parts.stop)
    for name, steps in (("line", None), ("sequence", 4)):
        judged = models_of(trained)[name].judged_
        assert judged is not None
        np.testing.assert_array_equal(judged[0], stop.samples.shaped_for(LinearModel(steps=steps)))
        np.testing.assert_array_equal(judged[1], stop.y)


def test_a_capped_sequence_member_is_given_its_cap_and_no_more(rows: TrainingSet) -> None:
    models = {"line": (0.5, LinearModel()), "capped": (0.5, LinearModel(steps=4, max_rows=100))}
    trained = train(rows, CONFIG, models, seed=0)
    assert len(models_of(trained)["capped"].learned_[1]) == 100
    assert trained.report.members["capped"].rows == 100


def test_members_are_calibrated_at_natural_frequencies_and_vote_at_even_odds(
    rows: TrainingSet, trained: Trained
) -> None:
    calibrate = rows.take(trained.parts.calibrate)
    base_rate = trained.ensemble.base_rate
    learned = np.concatenate([trained.parts.train, trained.parts.stop, trained.parts.calibrate])
    assert base_rate == rows.take(learned).y.mean() == trained.report.base_rate
    votes = trained.ensemble.votes(calibrate.samples).by_name
    for vote in votes.values():
        natural = shift_prior(vote, 1.0 - base_rate).mean()
        assert natural == pytest.approx(calibrate.y.mean(), abs=0.02)


def test_the_models_handed_in_stay_unfitted(rows: TrainingSet) -> None:
    models = two_models()
    train(rows, CONFIG, models, seed=0)
    assert not any(hasattr(model, "learned_") for _, model in models.values())


def test_the_same_seed_trains_the_same_members(rows: TrainingSet, trained: Trained) -> None:
    assert digest(train(rows, CONFIG, two_models(), seed=0).ensemble.members) == digest(
        trained.ensemble.members
    )


def test_the_report_says_what_each_part_holds(rows: TrainingSet, trained: Trained) -> None:
    report = trained.report.to_json()
    assert tuple(report["parts"]) == PARTS
    for name, part in trained.parts.items():
        assert report["parts"][name]["rows"] == len(part)
        assert report["parts"][name]["first"] == str(rows.decided_at[part].min())


def test_labels_that_a_feature_foretells_are_learned(rows: TrainingSet, trained: Trained) -> None:
    found = evaluate(trained.ensemble, rows.take(trained.parts.test))
    assert found.ensemble.roc_auc is not None
    assert found.ensemble.roc_auc > 0.9
    assert found.members.keys() == {"line", "sequence"}
    assert (found.base_rate, found.positive_rate) == (
        trained.report.base_rate,
        trained.report.parts["test"].positive_rate,
    )
    assert sum(band.rows for band in found.bands) == found.rows == len(trained.parts.test)


def test_labels_that_nothing_foretells_stay_a_toss_of_a_coin() -> None:
    aucs = []
    for seed in range(8):
        rows = tossed(training_set(), ones=0.2, seed=seed)
        trained = train(rows, CONFIG, two_models(), seed=0)
        auc = evaluate(trained.ensemble, rows.take(trained.parts.test)).ensemble.roc_auc
        assert auc is not None
        aucs.append(auc)
    assert np.mean(aucs) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("part", PARTS[:3])
def test_a_part_of_one_class_is_refused_by_name(
    rows: TrainingSet, trained: Trained, part: str
) -> None:
    y = rows.y.copy()
    y[getattr(trained.parts, part)] = 0
    with pytest.raises(TrainingError, match=rf"the {part} part .* with 0 ones"):
        train(replace(rows, y=y), CONFIG, two_models(), seed=0)


def test_a_test_part_of_one_class_is_scored_as_far_as_it_goes(
    rows: TrainingSet, trained: Trained
) -> None:
    test = rows.take(trained.parts.test)
    found = evaluate(trained.ensemble, replace(test, y=np.zeros(len(test), np.int64)))
    assert found.ensemble.roc_auc is found.volatility_roc_auc is None
    assert found.positive_rate == 0.0


def test_too_few_rows_are_refused_by_part_and_count(rows: TrainingSet) -> None:
    with pytest.raises(
        TrainingError, match=r"the stop part must hold at least 20 rows .* found 4 rows"
    ):
        train(rows.take(np.arange(0, len(rows), 50)), CONFIG, two_models(), seed=0)


def test_an_evaluation_of_nothing_is_refused(rows: TrainingSet, trained: Trained) -> None:
    with pytest.raises(TrainingError, match="at least one row"):
        evaluate(trained.ensemble, rows.take(np.arange(0)))


def test_a_member_that_cannot_learn_stops_the_training(rows: TrainingSet) -> None:
    class Broken(LinearModel):
        def fit(self, X, y, *, validation=None):  # type: ignore[no-untyped-def]
            raise ArithmeticError("no")

    with pytest.raises(ArithmeticError):
        train(rows, CONFIG, {"broken": (1.0, Broken())}, seed=0)
