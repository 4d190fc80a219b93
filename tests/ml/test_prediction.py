"""Probability, signal, confidence and tables of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from feeds.bars import FloatArray
from ml.prediction import (
    EPSILON,
    NOT_FINITE,
    Confidence,
    Prediction,
    PredictionTable,
    Signal,
    Unavailable,
    confidence_codes,
    signal_of,
)

WEIGHTS = np.array([0.2, 0.25, 0.2, 0.15, 0.2])
NO_VOTE = float("nan")
each_vote = st.one_of(st.floats(0.0, 1.0), st.just(NO_VOTE))


def confidence_of(*votes: float, weights: FloatArray = WEIGHTS) -> Confidence:
    """Return the confidence of one row; members that are not named did not answer."""
    column = np.full((len(weights), 1), NO_VOTE)
    column[: len(votes), 0] = votes
    return tuple(Confidence)[int(confidence_codes(column, weights)[0])]


@pytest.mark.parametrize(
    ("probability", "signal"),
    [
        (1.0, Signal.STRONG_BUY),
        (0.70, Signal.STRONG_BUY),
        (0.70 - EPSILON / 2, Signal.STRONG_BUY),
        (0.70 - 2 * EPSILON, Signal.BUY),
        (0.60, Signal.BUY),
        (0.50, Signal.WEAK_BUY),
        (0.4999, Signal.NEUTRAL),
        (0.45, Signal.NEUTRAL),
        (0.4499, Signal.AVOID),
        (0.0, Signal.AVOID),
    ],
)
def test_the_signal_at_the_edges_of_each_step(probability: float, signal: Signal) -> None:
    assert signal_of(probability) is signal


@pytest.mark.parametrize(
    ("given_votes", "confidence"),
    [
        ((0.60, 0.75), Confidence.VERY_HIGH),
        ((0.60, 0.76), Confidence.HIGH),
        ((0.10, 0.20, 0.25), Confidence.VERY_HIGH),
        ((0.10, 0.49), Confidence.HIGH),
        ((0.50, 0.55), Confidence.VERY_HIGH),  # exactly one half is for the trade
        ((0.49, 0.51), Confidence.LOW),
        ((0.6, 0.6, 0.6, 0.4, 0.6), Confidence.MEDIUM),  # 0.85
        ((0.6, 0.4, 0.6, 0.6, 0.6), Confidence.MEDIUM),  # 0.75
        ((0.4, 0.6, 0.4, 0.4, 0.4), Confidence.MEDIUM),  # 0.75 against
        ((0.6, 0.4, 0.6, 0.4, 0.6), Confidence.LOW),  # 0.60
        ((0.9,), Confidence.LOW),  # nobody to agree with
    ],
)
def test_confidence_by_its_definition(
    given_votes: tuple[float, ...], confidence: Confidence
) -> None:
    assert confidence_of(*given_votes) is confidence


@given(votes=st.lists(each_vote, min_size=5, max_size=5), factor=st.floats(0.1, 10.0))
def test_only_the_proportion_of_the_weights_counts(votes: list[float], factor: float) -> None:
    assert confidence_of(*votes, weights=WEIGHTS * factor) is confidence_of(*votes)


@given(matrix=arrays(np.float64, (5, 7), elements=each_vote))
def test_a_member_without_a_vote_weighs_nothing(matrix: FloatArray) -> None:
    for column, code in zip(matrix.T, confidence_codes(matrix, WEIGHTS), strict=True):
        answered = np.isfinite(column)
        alone = confidence_of(*column[answered], weights=WEIGHTS[answered])
        assert tuple(Confidence)[code] is alone


def table() -> PredictionTable:
    return PredictionTable(
        probability=np.array([0.72, np.nan, 0.4]),
        confidence=np.array([0, -1, 3]),
        votes={"a": np.array([0.7, np.nan, 0.4]), "b": np.array([0.74, np.nan, np.nan])},
        left_out={"c": "no library"},
        reasons={1: "too early"},
    )


def test_a_row_of_a_table_is_a_prediction_with_all_that_it_says() -> None:
    assert table().at(0) == Prediction(
        probability=0.72,
        signal=Signal.STRONG_BUY,
        confidence=Confidence.VERY_HIGH,
        votes={"a": 0.7, "b": 0.74},
        left_out={"c": "no library"},
    )


def test_a_row_without_an_opinion_says_why() -> None:
    assert table().at(1) == Unavailable("too early")
    assert table().available.tolist() == [True, False, True]


def test_a_member_that_did_not_answer_one_row_is_left_out_of_that_row() -> None:
    found = table().at(2)
    assert isinstance(found, Prediction)
    assert found.votes == {"a": 0.4}
    assert found.left_out == {"b": NOT_FINITE, "c": "no library"}


def test_among_more_rows_each_opinion_keeps_its_row() -> None:
    asked = np.array([False, True, True, False, True])
    wider = table().among(asked, {0: "early", 3: "early"})
    assert len(wider) == 5
    assert [wider.at(row) for row in (1, 2, 4)] == [table().at(row) for row in range(3)]
    assert wider.at(0) == wider.at(3) == Unavailable("early")
