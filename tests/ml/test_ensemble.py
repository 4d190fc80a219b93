"""The vote: weights, members that fail, chunks."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.bars import FloatArray, IntArray
from ml.base import FloatMatrix, Samples
from ml.calibration import PlattCalibrator, shift_prior
from ml.ensemble import Ensemble, Member
from ml.prediction import NOT_FINITE, Confidence, Prediction, Unavailable

IDENTITY = PlattCalibrator(slope=1.0, intercept=0.0)


@dataclass
class Says:
    """A model that answers with one feature of the row, as it is."""

    column: int = 0

    def fit(self, X: FloatMatrix, y: IntArray) -> "Says":
        return self

    def predict_proba(self, X: FloatMatrix) -> FloatArray:
        up = X[..., self.column].astype(np.float64)
        return np.column_stack([1.0 - up, up])


@dataclass
class LooksBack(Says):
    """A sequence model: it answers with the mean over its steps."""

    steps: int = 3

    def predict_proba(self, X: FloatMatrix) -> FloatArray:
        assert X.shape[1] == self.steps
        return super().predict_proba(X.mean(axis=1))


@dataclass
class Fails(Says):
    """A model that dies while it answers."""

    error: type[Exception] = ValueError

    def predict_proba(self, X: FloatMatrix) -> FloatArray:
        raise self.error("out of order")


def member(name: str, model: Any, weight: float = 1.0) -> Member:
    return Member(name, weight, model, IDENTITY)


def samples(*columns: list[float]) -> Samples:
    matrix = np.array(columns, np.float32).T
    return Samples(matrix, np.arange(len(matrix)))


def opinion(ensemble: Ensemble, *features: float) -> Prediction | Unavailable:
    return ensemble.predict(samples(*[[value] for value in features])).at(0)


def test_the_vote_is_the_mean_by_weight() -> None:
    found = opinion(
        Ensemble((member("a", Says(0), 3.0), member("b", Says(1), 1.0)), 0.5), 0.75, 0.25
    )
    assert isinstance(found, Prediction)
    assert found.probability == pytest.approx(0.625)
    assert found.votes == pytest.approx({"a": 0.75, "b": 0.25})
    assert found.confidence is Confidence.MEDIUM


def test_votes_are_calibrated_and_shifted_to_even_odds() -> None:
    calibrator = PlattCalibrator(slope=0.5, intercept=-0.3)
    ensemble = Ensemble((Member("a", 1.0, Says(), calibrator),), 0.2)
    asked = samples([0.1, 0.5, 0.9])
    expected = shift_prior(calibrator(asked.matrix[:, 0].astype(np.float64)), 0.2)
    np.testing.assert_allclose(ensemble.predict(asked).probability, expected)


@settings(deadline=None)
@given(
    rows=st.lists(st.tuples(*[st.floats(0, 1, width=32)] * 3), min_size=1, max_size=20),
    base_rate=st.floats(0.01, 0.99),
)
def test_the_vote_lies_between_the_lowest_and_the_highest(
    rows: list[tuple[float, float, float]], base_rate: float
) -> None:
    ensemble = Ensemble([member(str(i), Says(i), 0.1 + i) for i in range(3)], base_rate)
    table = ensemble.predict(samples(*map(list, zip(*rows, strict=True))))
    votes = np.array(list(table.votes.values()))
    assert (table.probability >= votes.min(axis=0) - 1e-12).all()
    assert (table.probability <= votes.max(axis=0) + 1e-12).all()


@pytest.mark.parametrize(
    "error", [ValueError, RuntimeError, MemoryError, FloatingPointError, AttributeError]
)
def test_a_member_that_fails_is_left_out_and_the_others_weigh_more(error: type[Exception]) -> None:
    ensemble = Ensemble((member("good", Says(), 0.2), member("bad", Fails(0, error), 0.8)), 0.5)
    found = opinion(ensemble, 0.75)
    assert isinstance(found, Prediction)
    assert found.probability == pytest.approx(0.75)
    assert found.left_out == {"bad": f"{error.__name__}: out of order"}
    assert list(found.votes) == ["good"]


@pytest.mark.parametrize("error", [TypeError, IndexError, KeyError])
def test_a_mistake_of_ours_is_not_hidden(error: type[Exception]) -> None:
    with pytest.raises(error):
        opinion(Ensemble((member("good", Says()), member("bad", Fails(0, error))), 0.5), 0.75)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_vote_that_is_not_finite_is_left_out_of_its_row_only(value: float) -> None:
    ensemble = Ensemble((member("a", Says(0)), member("b", Says(1))), 0.5)
    table = ensemble.predict(samples([0.75, 0.75], [0.25, value]))
    first, second = table.at(0), table.at(1)
    assert isinstance(first, Prediction)
    assert isinstance(second, Prediction)
    assert (first.probability, first.left_out) == (0.5, {})
    assert (second.probability, second.left_out) == (0.75, {"b": NOT_FINITE})


def test_without_any_vote_there_is_no_opinion_but_reasons() -> None:
    ensemble = Ensemble((member("a", Fails()),), 0.5, {"b": "no library"})
    assert opinion(ensemble, 0.5) == Unavailable(
        "no member answered; b: no library; a: ValueError: out of order"
    )


def test_without_a_finite_vote_there_is_no_opinion() -> None:
    found = opinion(Ensemble((member("a", Says()),), 0.5), float("nan"))
    assert isinstance(found, Unavailable)


def test_members_that_could_not_be_loaded_stay_visible() -> None:
    found = opinion(Ensemble((member("a", Says()),), 0.5, {"b": "no library"}), 0.75)
    assert isinstance(found, Prediction)
    assert found.left_out == {"b": "no library"}


def test_an_ensemble_of_which_nothing_could_be_loaded_has_no_opinion() -> None:
    assert opinion(Ensemble((), 0.5, {"b": "no library"}), 0.5) == Unavailable(
        "no member answered; b: no library"
    )


def test_sequence_models_get_the_bars_before_each_row() -> None:
    matrix = np.linspace(0.1, 0.9, 9, dtype=np.float32)[:, None]
    ensemble = Ensemble((member("a", LooksBack()), member("b", Says())), 0.5)
    votes = ensemble.votes(Samples(matrix, np.array([4, 8]))).by_name
    np.testing.assert_allclose(votes["a"], [0.4, 0.8], atol=1e-6)
    np.testing.assert_allclose(votes["b"], [0.5, 0.9], atol=1e-6)
    assert ensemble.steps == 3


def test_many_rows_are_asked_in_chunks_and_answered_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    matrix = np.random.default_rng(0).uniform(size=(50, 1)).astype(np.float32)
    asked = Samples(matrix, np.arange(49, 2, -1))
    ensemble = Ensemble((member("a", LooksBack()), member("b", Says())), 0.3)
    whole = ensemble.predict(asked)
    monkeypatch.setattr("ml.ensemble._CHUNK", 7)
    np.testing.assert_array_equal(ensemble.predict(asked).probability, whole.probability)


def test_no_rows_give_an_empty_table() -> None:
    ensemble = Ensemble((member("a", Fails()),), 0.5)
    assert len(ensemble.predict(Samples(np.zeros((4, 1), np.float32), np.array([], np.int64)))) == 0


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_weight_that_is_none_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="a: a weight must be above 0"):
        member("a", Says(), weight)


@pytest.mark.parametrize("members", [(), (member("a", Says()), member("a", Says()))])
def test_members_must_be_there_and_differ_in_name(members: tuple[Member, ...]) -> None:
    with pytest.raises(ValueError, match="members must be one or more and differ in name"):
        Ensemble(members, 0.5)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_a_base_rate_of_only_one_outcome_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="base rate"):
        Ensemble((member("a", Says()),), rate)
