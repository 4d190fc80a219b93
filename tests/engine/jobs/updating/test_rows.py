"""The newest rows: those that the running bundle leaves unanswered, and when it answers no more."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import pytest

from engine.jobs.as_trained import as_trained
from engine.jobs.training_rows import training_rows
from engine.jobs.updating.decision import decide
from engine.jobs.updating.policy import Promote
from engine.jobs.updating.rows import MIN_COMPARED, Comparison, compare
from feeds.bars import FloatArray, IntArray
from ml.base import FloatMatrix, Model
from ml.bundle import Bundle, load_bundle
from ml.training.data_pipeline import TrainingSet
from ml.training.evaluator import evaluate
from ml.training.trainer import Trained, train
from tests.engine.jobs.update_makers import UNTIL, make_bundle, market, settings_at

BTC = market("BTC/USDT", days=90)
SECOND = np.timedelta64(1000, "ms")


@dataclass(frozen=True, slots=True, eq=False)
class Holed:
    """A model that has no answer on some rows."""

    model: Model
    silent: Collection[bytes]

    def fit(self, X: FloatMatrix, y: IntArray) -> "Holed":
        raise NotImplementedError

    def predict_proba(self, X: FloatMatrix) -> FloatArray:
        found = self.model.predict_proba(X).copy()
        found[[row.tobytes() in self.silent for row in X]] = np.nan
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A bundle, what is trained anew, and the rows of both."""

    old: Bundle
    trained: Trained
    rows: TrainingSet

    def newest(self) -> TrainingSet:
        since = compare(self.old, self.trained, self.rows).since
        return self.rows.take(self.rows.decided_at >= since)

    def compared(self, silent: TrainingSet) -> Comparison:
        """Compare, where no member of the bundle answers on these rows."""
        where = {row.tobytes() for row in silent.samples.latest()}
        members = [replace(m, model=Holed(m.model, where)) for m in self.old.ensemble.members]
        ensemble = replace(self.old.ensemble, members=members)
        return compare(replace(self.old, ensemble=ensemble), self.trained, self.rows)

    def seen(self, until: np.datetime64) -> "Trial":
        """Return the same, where the bundle had seen all until then."""
        moment = until.astype("datetime64[s]").item()
        manifest = self.old.manifest.model_copy(update={"seen_until": moment})
        return replace(self, old=replace(self.old, manifest=manifest))


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    path = tmp_path_factory.mktemp("first") / "bundle"
    make_bundle(path, [BTC.known_at(UNTIL)])
    old = load_bundle(path)
    settings = as_trained(settings_at(path), old.manifest)
    rows = training_rows([BTC], settings)
    models = {member.name: (member.weight, member.model) for member in old.ensemble.members}
    return Trial(old, train(rows, settings.training, models, seed=0), rows)


def test_a_row_without_an_answer_replaces_no_bundle(trial: Trial) -> None:
    newest = trial.newest()
    assert len(newest) > MIN_COMPARED
    found = trial.compared(newest.take(np.array([7])))
    assert not found.silent
    assert (found.rows, found.unanswered, found.untold) == (len(newest) - 1, 1, None)
    for policy in Promote:
        assert "answers no more" not in decide(policy, found, None).why
    assert not decide(Promote.EVIDENCE, found, None).promoted


def test_both_are_scored_on_the_rows_that_the_old_one_answers(trial: Trial) -> None:
    newest = trial.newest()
    found = trial.compared(newest.take(np.arange(0, len(newest), 3)))
    answered = newest.take(np.arange(len(newest)) % 3 > 0)
    assert (found.rows, found.ones) == (len(answered), answered.y.sum())
    assert found.old == evaluate(trial.old.ensemble, answered).to_json()
    assert found.new == evaluate(trial.trained.ensemble, answered).to_json()
    unanswered = len(newest) - len(answered)
    assert found.to_json()["unanswered"] == unanswered
    assert f"beside {unanswered:,} that the old version does not answer" in found.text()


def test_too_few_answered_rows_are_said_to_tell_nothing(trial: Trial) -> None:
    newest = trial.newest()
    found = trial.compared(newest.take(np.arange(MIN_COMPARED - 1, len(newest))))
    assert (found.rows, found.silent) == (MIN_COMPARED - 1, False)
    assert found.untold == "it takes 100 rows at least"


@pytest.mark.parametrize("few", [0, 1, MIN_COMPARED - 1])
def test_a_bundle_that_answers_no_more_is_known_by_few_new_rows(trial: Trial, few: int) -> None:
    until = trial.rows.decided_at[-few] if few else trial.rows.decided_at[-1] + SECOND
    late = trial.seen(until)
    assert len(late.newest()) == few
    found = late.compared(trial.rows)
    assert found.silent
    assert (found.rows, found.unanswered) == (0, few)
    for policy in Promote:
        decided = decide(policy, found, None)
        assert decided.promoted
        assert "answers no more (the old version has no answer: no member answered" in decided.why


def test_a_bundle_that_answers_the_rows_before_is_not_silent(trial: Trial) -> None:
    late = trial.seen(trial.rows.decided_at[-5])
    found = late.compared(late.newest())
    assert (found.rows, found.unanswered, found.silent) == (0, 5, False)
    assert not decide(Promote.EVIDENCE, found, None).promoted


def test_rows_of_one_label_hide_no_bundle_that_answers_no_more(trial: Trial) -> None:
    ones = replace(trial.rows, y=np.ones_like(trial.rows.y))
    assert replace(trial, rows=ones).compared(ones).silent
