"""Importance: what is planted comes first, noise stays noise, and what is moved moves whole."""

import json
import statistics
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from feeds.bars import FloatArray
from feeds.progress import Advance, shown_by
from ml.base import FloatMatrix, Model, Samples
from ml.calibration import PlattCalibrator
from ml.ensemble import Ensemble, Member
from ml.errors import TrainingError
from ml.features.base import Family, Feature
from ml.models.lstm_model import LSTMModel
from ml.training.data_pipeline import TrainingSet
from ml.training.evaluator import evaluate
from ml.training.importance import (
    Importance,
    Shuffled,
    Shuffling,
    feature_importance,
    private_windows,
    with_moved,
)
from tests.makers import make_bars
from tests.ml.trained import samples_of, trained_on
from tests.ml.training.makers import LinearModel
from tests.ml.training.plain_rows import IDENTITY, Adds, adding, foretold_by, rows_of

SHUFFLING = Shuffling(seed=1)


@dataclass
class Tires(Adds):
    """A model that dies when it has answered `answers` times."""

    answers: int = 3

    def predict_proba(self, X: FloatMatrix) -> FloatArray:
        self.answers -= 1
        if self.answers < 0:
            raise MemoryError("no room")
        return super().predict_proba(X)


def features(*families: Family) -> list[Feature]:
    """Return features f0, f1, … of these families."""
    return [
        Feature(f"f{column}", family, 0, lambda bars: bars.close)
        for column, family in enumerate(families)
    ]


def learned(rows: TrainingSet, **models: Model) -> Ensemble:
    """Return an ensemble of members that have learned the rows."""
    members = []
    for name, model in models.items():
        X = rows.samples.shaped_for(model)
        raw = model.fit(X, rows.y).predict_proba(X)[:, 1]
        members.append(Member(name, 1.0, model, PlattCalibrator.from_fit(raw, rows.y)))
    return Ensemble(tuple(members), float(rows.y.mean()))


def halves(rows: TrainingSet) -> tuple[TrainingSet, TrainingSet]:
    middle = len(rows) // 2
    return rows.take(np.arange(middle)), rows.take(np.arange(middle, len(rows)))


def by_name(found: Sequence[Shuffled]) -> dict[str, Shuffled]:
    return {each.name: each for each in found}


@pytest.fixture(scope="module")
def planted() -> Importance:
    """Forty features, of which f3 foretells the label; f2 and f3 are a family."""
    past, future = halves(foretold_by(3, of=40, rows=3000))
    families: list[Family] = [*["price"] * 2, *["volume"] * 2, *["time"] * 36]  # type: ignore[list-item]  # literals
    ensemble = learned(past, line=LinearModel(), sequence=LinearModel(steps=1))
    return feature_importance(ensemble, future, features(*families), SHUFFLING)


def test_a_planted_feature_and_its_family_come_first(planted: Importance) -> None:
    first, family = planted.features[0], planted.families[0]
    assert (first.name, first.family, first.features) == ("f3", "volume", 1)
    assert (family.name, family.features) == ("volume", 2)
    for found in (first, family):
        assert found.above_noise
        assert found.roc_auc.mean > 0.3
        assert found.log_loss.mean > 0.3


def test_features_of_pure_noise_come_out_around_nothing(planted: Importance) -> None:
    noise = planted.features[1:]
    assert max(abs(each.roc_auc.mean) for each in noise) < 0.01
    assert max(abs(each.log_loss.mean) for each in noise) < 0.02
    assert abs(np.mean([each.roc_auc.mean for each in noise])) < 0.002
    assert sum(each.above_noise for each in noise) <= 0.15 * len(noise)
    assert not by_name(planted.families)["time"].above_noise


def test_all_are_there_most_important_first(planted: Importance) -> None:
    assert {each.name for each in planted.features} == {f"f{column}" for column in range(40)}
    assert {each.name for each in planted.families} == {"price", "volume", "time"}
    for ranked in (planted.features, planted.families):
        losses = [each.roc_auc.mean for each in ranked]
        assert losses == sorted(losses, reverse=True)


def test_the_importance_as_json_says_what_was_done(planted: Importance) -> None:
    found = json.loads(json.dumps(planted.to_json(), allow_nan=False))
    assert found["metric"] == "roc_auc"
    assert (found["rows"], found["of_rows"], found["repeats"], found["seed"]) == (1500, 1500, 5, 1)
    assert len(found["features"]) == 40
    first = found["features"][0]
    assert (first["name"], first["family"], first["features"]) == ("f3", "volume", 1)
    assert first["above_noise"] is True
    assert first["roc_auc"].keys() == first["log_loss"].keys() == {"mean", "deviation"}


def test_a_feature_that_nobody_reads_loses_nothing_and_is_noise() -> None:
    rows = foretold_by(0, of=2)
    unread = by_name(
        feature_importance(adding(0), rows, features("price", "time"), SHUFFLING).features
    )["f1"]
    assert unread.roc_auc.mean == unread.roc_auc.deviation == unread.log_loss.mean == 0.0
    assert not unread.above_noise


def test_a_family_of_one_feature_loses_what_the_feature_loses() -> None:
    rows = foretold_by(0, of=2)
    found = feature_importance(adding(0, 1), rows, features("price", "time"), SHUFFLING)
    feature, family = by_name(found.features)["f0"], by_name(found.families)["price"]
    assert (feature.roc_auc, feature.log_loss) == (family.roc_auc, family.log_loss)


def test_features_that_stand_in_for_each_other_are_missed_as_a_family() -> None:
    rng = np.random.default_rng(0)
    twin = rng.normal(size=2000)
    rows = rows_of(np.column_stack([twin, twin, rng.normal(size=2000)]), twin > 0)
    found = feature_importance(adding(0, 1, 2), rows, features("price", "price", "time"), SHUFFLING)
    alone = [by_name(found.features)[name].roc_auc.mean for name in ("f0", "f1")]
    together = by_name(found.families)["price"].roc_auc.mean
    assert together > 1.2 * sum(alone)
    assert together == pytest.approx(found.roc_auc - 0.5, abs=0.03)


def test_what_a_feature_tells_of_its_symbol_counts() -> None:
    """Shuffled within its symbol it would change nothing."""
    rng = np.random.default_rng(0)
    wild = np.arange(1000) % 2
    rows = rows_of(wild[:, None].astype(np.float64), rng.random(1000) < 0.2 + 0.5 * wild)
    rows = replace(rows, symbol=wild, symbols=("BTC/USDT", "DOGE/USDT"))
    (found,) = feature_importance(adding(0), rows, features("volatility"), SHUFFLING).features
    assert found.above_noise
    assert found.roc_auc.mean > 0.2


def test_a_feature_is_missed_by_a_network_that_reads_only_its_past() -> None:
    rng = np.random.default_rng(3)
    matrix = rng.normal(size=(1603, 2))
    label = np.concatenate([[False] * 2, matrix[:-2, 0] > 0])  # what f0 was two bars ago
    past, future = halves(rows_of(matrix, label, before=3))
    model = LSTMModel(steps=3, hidden=8, max_epochs=15, learning_rate=0.02)
    ensemble = learned(past, lstm=model)
    found = feature_importance(ensemble, future, features("price", "time"), SHUFFLING)
    assert found.roc_auc > 0.9
    assert found.features[0].name == "f0"
    assert found.features[0].roc_auc.mean == pytest.approx(found.roc_auc - 0.5, abs=0.06)
    assert not by_name(found.features)["f1"].above_noise


def test_private_windows_give_the_same_votes_to_the_last_bit() -> None:
    bars = make_bars(700)
    ensemble = trained_on(bars)
    samples = samples_of(bars).take(np.arange(0, 300, 2))
    private = private_windows(samples, ensemble.steps)
    votes, again = ensemble.votes(samples), ensemble.votes(private)
    assert votes.by_name.keys() == again.by_name.keys() == {m.name for m in ensemble.members}
    for name, vote in votes.by_name.items():
        assert vote.tobytes() == again.by_name[name].tobytes(), name


@given(data=st.data())
def test_a_feature_moves_with_its_whole_window_and_nothing_else_does(data: st.DataObject) -> None:
    rows, steps, width = (data.draw(st.integers(1, most)) for most in (6, 4, 3))
    columns = np.array(data.draw(st.lists(st.integers(0, width - 1), min_size=1, unique=True)))
    order = np.array(data.draw(st.permutations(range(rows))))
    matrix = np.arange((rows + steps) * width, dtype=np.float32).reshape(-1, width)
    private = private_windows(Samples(matrix, np.arange(steps, rows + steps)), steps)
    before = private.sequences(steps)
    after = with_moved(private, columns, order).sequences(steps)
    others = np.setdiff1d(np.arange(width), columns)
    np.testing.assert_array_equal(after[:, :, columns], before[order][:, :, columns])
    np.testing.assert_array_equal(after[:, :, others], before[:, :, others])
    np.testing.assert_array_equal(private.sequences(steps), before)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_scores_as_they_are_are_those_of_the_evaluation(*, weighted: bool) -> None:
    rows = foretold_by(0, of=3)
    if weighted:
        rows = replace(rows, weight=np.random.default_rng(1).exponential(size=len(rows)))
    found = feature_importance(adding(0, 1), rows, features(*["price"] * 3), SHUFFLING)  # type: ignore[arg-type]  # literals
    scores = evaluate(adding(0, 1), rows).ensemble
    assert (found.roc_auc, found.log_loss) == (scores.roc_auc, scores.log_loss)


def test_mean_and_deviation_are_those_of_the_draws() -> None:
    rows = foretold_by(0, of=1, rows=50)
    (found,) = feature_importance(adding(0), rows, features("price"), SHUFFLING).features
    rng = np.random.default_rng(SHUFFLING.seed)
    signal = rows.samples.latest()[:, 0]
    after = [roc_auc_score(rows.y, signal[rng.permutation(50)]) for _ in range(5)]
    losses = roc_auc_score(rows.y, signal) - np.array(after)
    assert found.roc_auc.mean == pytest.approx(losses.mean())
    assert found.roc_auc.deviation == pytest.approx(statistics.stdev(losses))


def test_more_rows_than_the_cap_are_taken_evenly_in_time() -> None:
    rows = foretold_by(0, of=1, rows=1001)
    capped = Shuffling(seed=1, max_rows=101)
    found = feature_importance(adding(0), rows, features("price"), capped)
    assert (found.rows, found.of_rows) == (101, 1001)
    assert found.roc_auc == evaluate(adding(0), rows.take(np.arange(0, 1001, 10))).ensemble.roc_auc


def test_chance_comes_from_the_seed_alone_whatever_the_threads() -> None:
    rows, listed = foretold_by(0, of=3), features("price", "price", "time")
    ensemble = learned(rows, line=LinearModel(), sequence=LinearModel(steps=1))

    def found(seed: int, jobs: int) -> Importance:
        return feature_importance(ensemble, rows, listed, Shuffling(seed=seed, jobs=jobs))

    assert found(1, jobs=1) == found(1, jobs=3)
    assert found(1, jobs=1).features != found(2, jobs=1).features


@dataclass
class Counts:
    """A display that keeps what it is told."""

    tasks: list[tuple[str, float | None, str]] = field(default_factory=list)
    done: float = 0

    @contextmanager
    def task(self, what: str, total: float | None, unit: str) -> Iterator[Advance]:
        self.tasks.append((what, total, unit))
        yield self._advance

    def _advance(self, count: float = 1, /) -> None:
        self.done += count


def test_every_asking_is_reported() -> None:
    shown = Counts()
    with shown_by(shown):
        feature_importance(
            adding(0), foretold_by(0, of=2), features("price", "time"), Shuffling(seed=0, repeats=3)
        )
    assert shown.tasks == [("importance", 12, "askings")]  # 2 features and 2 families, 3 draws
    assert shown.done == 12


@dataclass
class Counting(Adds):
    """A model that counts its answers."""

    answers: int = 0

    def predict_proba(self, X: FloatMatrix) -> FloatArray:
        self.answers += 1
        return super().predict_proba(X)


class Interrupts(Counts):
    """A display at which Ctrl-C is pressed."""

    def _advance(self, count: float = 1, /) -> None:
        raise KeyboardInterrupt


def test_after_ctrl_c_nobody_asks_on() -> None:
    model, before = Counting(), threading.active_count()
    ensemble = Ensemble((Member("counting", 1.0, model, IDENTITY),), 0.4)
    rows = foretold_by(0, of=1, rows=4000)
    with shown_by(Interrupts()), pytest.raises(KeyboardInterrupt):
        feature_importance(
            ensemble, rows, features("price"), Shuffling(seed=0, repeats=500, jobs=2)
        )
    assert threading.active_count() == before
    assert model.answers < 500


@pytest.mark.parametrize("only", [0, 1])
def test_rows_of_one_outcome_are_refused(only: int) -> None:
    rows = replace(foretold_by(0, of=1), y=np.full(800, only))
    with pytest.raises(TrainingError, match=f"both outcomes, found 800 with {800 * only} ones"):
        feature_importance(adding(0), rows, features("price"), SHUFFLING)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_member_that_stops_answering_does_not_pass_for_an_importance(jobs: int) -> None:
    ensemble = Ensemble(
        (Member("adds", 1.0, Adds(), IDENTITY), Member("tires", 1.0, Tires(), IDENTITY)), 0.4
    )
    with pytest.raises(TrainingError, match="tires: MemoryError: no room"):
        feature_importance(
            ensemble, foretold_by(0, of=1), features("price"), Shuffling(seed=0, jobs=jobs)
        )


def test_a_member_that_never_answers_is_done_without() -> None:
    ensemble = Ensemble(
        (Member("adds", 1.0, Adds(), IDENTITY), Member("tires", 1.0, Tires(answers=0), IDENTITY)),
        0.4,
    )
    rows = foretold_by(0, of=1)
    found = feature_importance(ensemble, rows, features("price"), SHUFFLING)
    assert found == feature_importance(adding(0), rows, features("price"), SHUFFLING)


@pytest.mark.parametrize("few", [{"repeats": 1}, {"max_rows": 1}])
def test_a_deviation_needs_two_draws_of_two_rows(few: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="two draws of two rows"):
        Shuffling(seed=0, **few)
