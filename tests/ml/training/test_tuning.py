"""The search for parameters: on the train part alone, never worse than the defaults, repeatable."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from feeds.bars import IntArray
from ml.base import FloatMatrix
from ml.errors import TrainingError
from ml.training.data_pipeline import TrainingSet
from ml.training.trainer import training_parts
from ml.training.tuning import Tuning
from tests.ml.training.makers import (
    foretold,
    training_set,
    with_other_features,
    with_other_labels,
)
from tests.ml.training.tuning_makers import CONFIG, TRIALS, Blurred, models, only, recorded, search

PARTS = ("stop", "calibrate", "test")


class Refusing(Blurred):
    """It cannot learn under some parameters."""

    def fit(self, X: FloatMatrix, y: IntArray, *, validation: Any = None) -> Self:
        if self.shift == 2:
            raise ValueError("shift 2 is\nnot borne")
        return super().fit(X, y, validation=validation)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    Blurred.fits.clear()
    Blurred.lessons.clear()
    yield
    Blurred.stop_at = None


@pytest.fixture(scope="module")
def rows() -> TrainingSet:
    return foretold(training_set(), ones=0.3)


@pytest.fixture(scope="module")
def found(rows: TrainingSet, tmp_path_factory: pytest.TempPathFactory) -> Tuning:
    return search(rows, tmp_path_factory.mktemp("found") / "trials.sqlite")


# What is searched


def test_the_defaults_are_tried_first_and_are_never_better_than_what_is_found(
    rows: TrainingSet, found: Tuning, tmp_path: Path
) -> None:
    assert search(rows, tmp_path / "trials.sqlite") == found
    assert Blurred.fits[: CONFIG.tuning_folds] == [(5.0, 1)] * CONFIG.tuning_folds
    for member in found.members.values():
        assert member.default_params == {"blur": 5.0, "shift": 1}
        assert member.best_score > member.default_score
        assert member.best_params["blur"] < 5.0
        assert len(member.best_folds) == len(member.default_folds) == CONFIG.tuning_folds


def test_every_member_gets_its_trials_and_one_without_spans_none(found: Tuning) -> None:
    assert found.members.keys() == {"rows", "sequences"}
    assert all(member.trials == TRIALS for member in found.members.values())
    assert found.to_json()["trials"] == 2 * TRIALS
    assert found.rows == 600


def test_what_is_tried_lies_within_the_spans(rows: TrainingSet, tmp_path: Path) -> None:
    search(rows, tmp_path / "trials.sqlite", only(Blurred()), trials=12)
    assert len(set(Blurred.fits)) == 12
    assert all(0.1 <= blur <= 10 and shift in range(4) for blur, shift in Blurred.fits)
    assert all(isinstance(shift, int) for _, shift in Blurred.fits)


def test_the_best_parameters_go_into_models_that_are_not_fitted(found: Tuning) -> None:
    given = models()
    applied = found.applied_to(given)
    assert {name: weight for name, (weight, _) in applied.items()} == {
        name: weight for name, (weight, _) in given.items()
    }
    for name, (_, model) in applied.items():
        best = found.members[name].best_params if name in found.members else {}
        before: Any = given[name][1]
        after: Any = model
        assert after.get_params() == {**before.get_params(), **best}
        assert not hasattr(after, "learned_")
        assert after is not before


@pytest.mark.parametrize("part", PARTS)
def test_what_is_outside_the_train_part_is_not_looked_at(
    rows: TrainingSet, found: Tuning, part: str, tmp_path: Path
) -> None:
    where = getattr(training_parts(rows, CONFIG), part)
    changed = with_other_features(with_other_labels(rows, where), where)
    assert search(changed, tmp_path / "trials.sqlite") == found


def test_a_fold_is_a_training_in_small(rows: TrainingSet, tmp_path: Path) -> None:
    search(rows, tmp_path / "trials.sqlite", trials=1)
    in_rows, in_sequences = Blurred.lessons[:2], Blurred.lessons[2:]
    for ((X, y), stop), ((sequences, labels), later) in zip(in_rows, in_sequences, strict=True):
        own = len(labels)
        np.testing.assert_array_equal(X[:own], sequences[:, -1])
        np.testing.assert_array_equal(y[:own], labels)
        assert 2 * y.sum() == len(y) > own  # SMOTE, and after the real rows
        assert sequences.shape[1] == 4
        np.testing.assert_array_equal(stop[1], later[1])
    sizes = [len(labels) for (_, labels), _ in in_sequences]
    assert sizes[0] < sizes[1] < 600


def test_another_seed_tries_other_parameters(rows: TrainingSet, tmp_path: Path) -> None:
    storage = tmp_path / "trials.sqlite"
    search(rows, storage, only(Blurred()), seed=1, trials=2)
    search(rows, storage, only(Blurred()), seed=2, trials=2)
    one, other = recorded(storage).values()
    assert one[0][1] == other[0][1]
    assert one[1][1] != other[1][1]


def test_a_trial_that_is_behind_is_cut_short(rows: TrainingSet, tmp_path: Path) -> None:
    (member,) = search(
        rows, tmp_path / "trials.sqlite", only(Blurred()), trials=15
    ).members.values()
    assert 0 < member.pruned < 15
    assert len(Blurred.fits) == 15 * CONFIG.tuning_folds - member.pruned


def test_parameters_under_which_a_member_cannot_learn_cost_their_trial_only(
    rows: TrainingSet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (member,) = search(
        rows, tmp_path / "trials.sqlite", only(Refusing()), trials=10
    ).members.values()
    assert 0 < member.failed < 10
    assert member.trials == 10
    assert member.best_params["shift"] != 2
    assert "only cannot learn with" in caplog.text


def test_defaults_with_which_a_member_cannot_learn_stop_the_training(
    rows: TrainingSet, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="shift 2"):
        search(rows, tmp_path / "trials.sqlite", only(Refusing(shift=2)))


def test_folds_without_enough_rows_are_refused_by_number(rows: TrainingSet, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"the judge rows of tuning fold 1 must hold at least"):
        search(rows, tmp_path / "trials.sqlite", tuning_folds=20, tuning_rows=500)


def test_parts_that_cannot_be_trained_on_are_refused_before_the_search(
    rows: TrainingSet, tmp_path: Path
) -> None:
    y = rows.y.copy()
    y[training_parts(rows, CONFIG).calibrate] = 0
    with pytest.raises(TrainingError, match="the calibrate part"):
        search(replace(rows, y=y), tmp_path / "trials.sqlite")
    assert Blurred.fits == []


def test_what_was_found_is_plain_json(found: Tuning) -> None:
    facts = found.to_json()
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert facts["members"]["rows"]["best_score"] == found.members["rows"].best_score
