"""The search for parameters: on the train part alone, never worse than the defaults, repeatable."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin

from feeds.bars import FloatArray, IntArray
from feeds.progress import Advance, shown_by
from ml.base import FloatMatrix, Model
from ml.calibration import logistic
from ml.errors import TrainingError, TuningError
from ml.models.search_space import SearchSpace, Span
from ml.training.config import TrainingConfig
from ml.training.data_pipeline import TrainingSet
from ml.training.trainer import training_parts
from ml.training.tuning import Tuning, tune
from tests.ml.training.makers import (
    RETURN,
    LinearModel,
    foretold,
    training_set,
    with_other_features,
    with_other_labels,
)
from tests.test_layout import ROOT

TRIALS = 6
CONFIG = TrainingConfig(optimize=True, trials=TRIALS, tuning_rows=600, tuning_folds=2)
Trials: TypeAlias = dict[str, list[tuple[Any, ...]]]

PARTS = ("stop", "calibrate", "test")


class Blurred(ClassifierMixin, BaseEstimator):
    """A quick member, the line between the classes' means, whose answers can be blurred.

    It notes what it is given, and interrupts everything when `stop_at` fits are done.
    """

    search_space: ClassVar[SearchSpace] = {"blur": Span(0.1, 10.0, log=True), "shift": Span(0, 3)}
    fits: ClassVar[list[tuple[float, int]]] = []
    lessons: ClassVar[list[tuple[Any, Any]]] = []
    stop_at: ClassVar[int | None] = None

    def __init__(self, *, blur: float = 5.0, shift: int = 1, steps: int | None = None) -> None:
        self.blur = blur
        self.shift = shift
        self.steps = steps

    def fit(self, X: FloatMatrix, y: IntArray, *, validation: Any = None) -> Self:
        if len(self.fits) == Blurred.stop_at:
            raise KeyboardInterrupt
        self.fits.append((self.blur, self.shift))
        self.lessons.append(((X, y), validation))
        last = self._last(X)
        self.line_ = (last[y == 1].mean(axis=0) - last[y == 0].mean(axis=0)) / last.var(axis=0)
        self.spread_ = (last @ self.line_).std()
        return self

    def predict_proba(self, X: FloatMatrix) -> FloatArray:
        noise = np.random.default_rng(self.shift).normal(0.0, self.blur, len(X))
        up = logistic(self._last(X) @ self.line_ / self.spread_ + noise)
        return np.column_stack([1.0 - up, up])

    def _last(self, X: FloatMatrix) -> FloatArray:
        moving = [RETURN, RETURN + 1]
        return np.asarray((X[:, -1] if X.ndim == 3 else X)[:, moving], np.float64)


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
def whole(rows: TrainingSet, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tuning, Trials]:
    """A search that nothing interrupted, and its trials."""
    storage = tmp_path_factory.mktemp("whole") / "trials.sqlite"
    return search(rows, storage), recorded(storage)


@pytest.fixture
def found(whole: tuple[Tuning, Trials]) -> Tuning:
    return whole[0]


def models() -> dict[str, tuple[float, Model]]:
    """Return a tabular member and one of sequences to tune, and one without spans."""
    return {
        "rows": (0.5, Blurred()),
        "sequences": (0.3, Blurred(steps=4)),
        "fixed": (0.2, LinearModel()),
    }


def search(
    rows: TrainingSet,
    storage: Path,
    members: dict[str, tuple[float, Model]] | None = None,
    *,
    seed: int = 0,
    **changes: Any,
) -> Tuning:
    config = CONFIG.model_copy(update=changes)
    return tune(rows, config, members or models(), seed=seed, storage=storage)


def only(member: Model) -> dict[str, tuple[float, Model]]:
    return {"only": (1.0, member)}


def recorded(storage: Path) -> Trials:
    """Return the trials of each study that count, as Optuna itself reads them."""
    kept = optuna.storages.RDBStorage(f"sqlite:///{storage}")
    studies = {
        study.study_name: [
            (trial.state, trial.params, trial.values, trial.intermediate_values)
            for trial in kept.get_all_trials(study._study_id)
            if trial.state != optuna.trial.TrialState.FAIL or trial.user_attrs
        ]
        for study in kept.get_all_studies()
    }
    kept.remove_session()
    kept.engine.dispose()
    return studies


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


# Going on after an end


@pytest.mark.parametrize("fits", [0, 1, 4, 14])
def test_an_interrupted_search_goes_on_as_if_it_had_not_been(
    rows: TrainingSet, whole: tuple[Tuning, Trials], fits: int, tmp_path: Path
) -> None:
    storage = tmp_path / "trials.sqlite"
    Blurred.stop_at = fits
    for _ in range(2):  # the second one is interrupted in its first fit
        with pytest.raises(KeyboardInterrupt):
            search(rows, storage)
    Blurred.stop_at = None
    assert (search(rows, storage), recorded(storage)) == whole


_KILLED = """
import os, signal, sys
from pathlib import Path
from tests.ml.training.test_tuning import Blurred, foretold, search, training_set

def fit(self, X, y, *, validation=None, learn=Blurred.fit):
    if len(self.fits) == 8:
        os.kill(os.getpid(), signal.SIGKILL)
    return learn(self, X, y, validation=validation)

Blurred.fit = fit
search(foretold(training_set(), ones=0.3), Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_a_killed_search_goes_on_as_if_it_had_not_been(
    rows: TrainingSet, found: Tuning, tmp_path: Path
) -> None:
    storage = tmp_path / "trials.sqlite"
    ended = subprocess.run(  # noqa: S603  a program of ours
        [sys.executable, "-c", _KILLED, str(storage)], cwd=ROOT, check=False, capture_output=True
    )
    assert ended.returncode == -9, ended.stderr
    assert search(rows, storage) == found


def test_more_trials_go_on_from_fewer_and_fewer_are_the_first_of_them(
    rows: TrainingSet, found: Tuning, tmp_path: Path
) -> None:
    storage = tmp_path / "trials.sqlite"
    few = search(rows, storage, trials=3)
    assert search(rows, storage) == found
    assert Blurred.fits.count((5.0, 1)) == 2 * CONFIG.tuning_folds  # the defaults, once a member
    Blurred.fits.clear()
    assert search(rows, storage, trials=3) == few
    assert Blurred.fits == []


@pytest.mark.parametrize("what", ["labels", "features", "seed", "folds", "rows", "parameters"])
def test_trials_on_anything_else_begin_anew(rows: TrainingSet, what: str, tmp_path: Path) -> None:
    storage = tmp_path / "trials.sqlite"
    search(rows, storage, only(Blurred()), trials=1)
    where = training_parts(rows, CONFIG).train[::9]
    changes: dict[str, Any] = {"seed": {"seed": 1}, "folds": {"tuning_folds": 3}}
    changes |= {"rows": {"tuning_rows": 599}}
    data = {"labels": with_other_labels, "features": with_other_features}
    changed = data[what](rows, where) if what in data else rows
    member = Blurred(blur=4.0) if what == "parameters" else Blurred()
    search(changed, storage, only(member), trials=1, **changes.get(what, {}))
    assert [len(trials) for trials in recorded(storage).values()] == [1, 1]


class Counted:
    """A display that counts."""

    def __init__(self) -> None:
        self.done = self.total = 0.0

    def task(self, what: str, total: float | None, unit: str) -> AbstractContextManager[Advance]:
        assert (what, unit) == ("tuning", "trials")
        self.done, self.total = 0.0, total or 0.0
        return nullcontext(self._advance)

    def _advance(self, count: float = 1, /) -> None:
        self.done += count


def test_progress_counts_the_trials_that_were_there(rows: TrainingSet, tmp_path: Path) -> None:
    storage, display = tmp_path / "trials.sqlite", Counted()
    with shown_by(display):
        for trials in (2, 3, 1):
            search(rows, storage, only(Blurred()), trials=trials)
            assert display.done == display.total == trials


# The file


def one_line(error: pytest.ExceptionInfo[TuningError], storage: Path) -> str:
    said = str(error.value)
    assert "\n" not in said
    assert said.startswith(str(storage))
    return said


def garbage(storage: Path) -> None:
    storage.write_bytes(b"no database" * 99)


def foreign(storage: Path) -> None:
    with closing(sqlite3.connect(storage)) as file:
        file.execute("CREATE TABLE mine (a INTEGER)")


def folder(storage: Path) -> None:
    storage.mkdir()


@pytest.mark.parametrize("spoil", [garbage, foreign, folder])
def test_a_file_that_is_not_ours_is_refused_in_one_line_and_left_as_it_is(
    rows: TrainingSet, spoil: Any, tmp_path: Path
) -> None:
    storage = tmp_path / "trials.sqlite"
    spoil(storage)
    before = storage.read_bytes() if storage.is_file() else None
    with pytest.raises(TuningError) as caught:
        search(rows, storage)
    assert "delete the file or name another path" in one_line(caught, storage)
    assert before == (storage.read_bytes() if storage.is_file() else None)


def test_a_folder_that_cannot_be_made_is_refused_in_one_line(
    rows: TrainingSet, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    storage = tmp_path / "file" / "trials.sqlite"
    with pytest.raises(TuningError) as caught:
        search(rows, storage)
    one_line(caught, storage)


@pytest.fixture(scope="module")
def kept(rows: TrainingSet, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file with all trials of a search."""
    storage = tmp_path_factory.mktemp("kept") / "trials.sqlite"
    search(rows, storage, only(Blurred()), trials=3)
    return storage.read_bytes()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_refused_in_one_line_or_was_not_damaged_where_it_matters(
    rows: TrainingSet, kept: bytes, tmp_path: Path, data: st.DataObject
) -> None:
    storage = tmp_path / "trials.sqlite"
    at = data.draw(st.integers(0, len(kept) - 1))
    byte, cut = data.draw(st.integers(1, 255)), data.draw(st.booleans())
    spoilt = kept[:at] if cut else kept[:at] + bytes([kept[at] ^ byte]) + kept[at + 1 :]
    storage.write_bytes(spoilt)
    with suppress(TuningError):
        search(rows, storage, only(Blurred()), trials=3)


def test_a_path_with_signs_of_an_address_is_a_path(rows: TrainingSet, tmp_path: Path) -> None:
    storage = tmp_path / "a b?c#d%20" / "trials.sqlite"
    search(rows, storage, only(Blurred()), trials=1)
    assert [path.name for path in storage.parent.iterdir()] == ["trials.sqlite"]
