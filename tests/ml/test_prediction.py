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
    confidence_of,
    signal_of,
)

votes = st.dictionaries(st.sampled_from("abcde"), st.floats(0.0, 1.0), min_size=1)
WEIGHTS = {"a": 0.2, "b": 0.25, "c": 0.2, "d": 0.15, "e": 0.2}


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
        ({"a": 0.60, "b": 0.75}, Confidence.VERY_HIGH),
        ({"a": 0.60, "b": 0.76}, Confidence.HIGH),
        ({"a": 0.10, "b": 0.20, "c": 0.25}, Confidence.VERY_HIGH),
        ({"a": 0.10, "b": 0.49}, Confidence.HIGH),
        ({"a": 0.50, "b": 0.55}, Confidence.VERY_HIGH),  # exactly one half is for the trade
        ({"a": 0.49, "b": 0.51}, Confidence.LOW),
        ({"a": 0.6, "b": 0.6, "c": 0.6, "d": 0.4, "e": 0.6}, Confidence.MEDIUM),  # 0.85
        ({"a": 0.6, "b": 0.4, "c": 0.6, "d": 0.6, "e": 0.6}, Confidence.MEDIUM),  # 0.75
        ({"a": 0.4, "b": 0.6, "c": 0.4, "d": 0.4, "e": 0.4}, Confidence.MEDIUM),  # 0.75 against
        ({"a": 0.6, "b": 0.4, "c": 0.6, "d": 0.4, "e": 0.6}, Confidence.LOW),  # 0.60
        ({"a": 0.9}, Confidence.LOW),  # nobody to agree with
    ],
)
def test_confidence_by_its_definition(
    given_votes: dict[str, float], confidence: Confidence
) -> None:
    assert confidence_of(given_votes, WEIGHTS) is confidence


@given(votes=votes, factor=st.floats(0.1, 10.0))
def test_only_the_proportion_of_the_weights_counts(votes: dict[str, float], factor: float) -> None:
    scaled = {name: weight * factor for name, weight in WEIGHTS.items()}
    assert confidence_of(votes, scaled) is confidence_of(votes, WEIGHTS)


@given(matrix=arrays(np.float64, (5, 7), elements=st.one_of(st.floats(0, 1), st.just(np.nan))))
def test_confidence_of_many_rows_is_that_of_each(matrix: FloatArray) -> None:
    codes = confidence_codes(matrix, np.array(list(WEIGHTS.values())))
    for row, code in enumerate(codes.tolist()):
        answered = {n: v for n, v in zip(WEIGHTS, matrix[:, row], strict=True) if np.isfinite(v)}
        if answered:
            assert tuple(Confidence)[code] is confidence_of(answered, WEIGHTS)


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
