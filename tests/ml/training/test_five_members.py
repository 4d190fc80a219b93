"""The whole pipeline with the five and the example's members: no leak, and noise stays noise."""

from dataclasses import replace

import pytest

from ml.member_files import member_bytes, member_record
from ml.models.catalog import MEMBER_NAMES, SKOPS, default_models
from ml.models.configured import with_members
from ml.training.config import TrainingConfig
from ml.training.data_pipeline import TrainingSet
from ml.training.evaluator import evaluate
from ml.training.trainer import Trained, train
from tests.ml.trained import custom_members
from tests.ml.training.makers import foretold, tossed, training_set

CONFIG = TrainingConfig(preset="small")

pytestmark = pytest.mark.slow


def trained_on(rows: TrainingSet) -> Trained:
    five = default_models("small", seed=1, jobs=1)
    return train(rows, CONFIG, with_members(five, custom_members(), seed=1), seed=1)


def as_stored(trained: Trained) -> dict[str, object]:
    """Return each member's calibrator and what it answers with, as the bundle keeps them."""
    stored: dict[str, object] = {}
    for member in trained.ensemble.members:
        record = member_record(member, sha256="")
        # skops stamps its archives with the time; numbers and trees are compared by the answers.
        stored[member.name] = record, None if record.form == SKOPS else member_bytes(member)
    return stored


def test_labels_of_the_test_part_leave_every_member_as_it_was() -> None:
    rows = foretold(training_set(), ones=0.2)
    trained = trained_on(rows)
    y = rows.y.copy()
    y[trained.parts.test] = 1 - y[trained.parts.test]
    again = trained_on(replace(rows, y=y))
    assert as_stored(again) == as_stored(trained)
    before, after = trained.ensemble.votes(rows.samples), again.ensemble.votes(rows.samples)
    assert tuple(before.by_name) == (*MEMBER_NAMES, *custom_members())
    for name, vote in before.by_name.items():
        assert vote.tobytes() == after.by_name[name].tobytes()


def test_labels_that_nothing_foretells_stay_a_toss_of_a_coin_for_every_member() -> None:
    rows = tossed(training_set(4000, seed=3), ones=0.3, seed=3)
    trained = trained_on(rows)
    found = evaluate(trained.ensemble, rows.take(trained.parts.test))
    assert found.rows > 700
    for scores in (found.ensemble, *found.members.values()):
        assert scores.roc_auc == pytest.approx(0.5, abs=0.07)
        assert scores.brier == pytest.approx(0.3 * 0.7, abs=0.02)


def test_labels_that_a_feature_foretells_are_learned_by_every_member() -> None:
    rows = foretold(training_set(4000, seed=3), ones=0.3)
    trained = trained_on(rows)
    found = evaluate(trained.ensemble, rows.take(trained.parts.test))
    for scores in (found.ensemble, *found.members.values()):
        assert scores.roc_auc is not None
        assert scores.roc_auc > 0.8
