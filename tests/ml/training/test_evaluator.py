"""The evaluator: figures by hand, the same as scikit-learn's, and what one class cannot tell."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from feeds.bars import FloatArray, IntArray
from ml.calibration import shift_prior
from ml.training.evaluator import (
    BAND_FLOORS,
    Confusion,
    bands,
    expected_calibration_error,
    reliability,
    score,
)

Y = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0])
SAID = np.array([0.9, 0.6, 0.4, 0.8, 0.1, 0.1, 0.2, 0.2, 0.3, 0.3])


def random_case(seed: int) -> tuple[IntArray, FloatArray]:
    rng = np.random.default_rng(seed)
    y = (rng.random(60) < 0.3).astype(np.int64)
    y[:2] = 0, 1
    return y, np.clip(rng.beta(2, 3, 60) + 0.2 * y, 0, 1)


def test_decisions_are_read_off_at_one_half() -> None:
    found = score(Y, SAID, base_rate=0.3)
    assert found.confusion == Confusion(
        true_positives=2, false_positives=1, false_negatives=1, true_negatives=6
    )
    assert found.accuracy == 0.8
    assert found.precision == found.recall == found.f1 == pytest.approx(2 / 3)
    assert found.balanced_accuracy == pytest.approx((2 / 3 + 6 / 7) / 2)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**16))
def test_figures_are_those_of_scikit_learn(seed: int) -> None:
    y, p = random_case(seed)
    found, said = score(y, p, base_rate=0.3), (p >= 0.5).astype(int)
    assert found.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(y, said))
    assert found.precision == pytest.approx(metrics.precision_score(y, said))
    assert found.recall == pytest.approx(metrics.recall_score(y, said))
    assert found.f1 == pytest.approx(metrics.f1_score(y, said))
    assert found.roc_auc == pytest.approx(metrics.roc_auc_score(y, p))
    assert found.pr_auc == pytest.approx(metrics.average_precision_score(y, p))


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**16), base_rate=st.floats(0.05, 0.95))
def test_brier_and_log_loss_are_those_before_the_shift_of_the_prior(
    seed: int, base_rate: float
) -> None:
    y, natural = random_case(seed)
    natural = np.clip(natural, 0.01, 0.99)
    found = score(y, shift_prior(natural, base_rate), base_rate)
    assert found.brier == pytest.approx(np.mean((natural - y) ** 2))
    assert found.log_loss == pytest.approx(metrics.log_loss(y, natural))


def test_a_base_rate_of_one_half_shifts_nothing() -> None:
    assert score(Y, SAID, base_rate=0.5).brier == pytest.approx(np.mean((SAID - Y) ** 2))


@pytest.mark.parametrize(("only", "recall"), [(0, None), (1, 0.5)])
def test_what_a_single_class_cannot_tell_is_none(only: int, recall: float | None) -> None:
    found = score(np.full(4, only), np.array([0.9, 0.9, 0.1, 0.1]), base_rate=0.3)
    assert found.roc_auc is found.pr_auc is found.balanced_accuracy is None
    assert found.recall == recall
    assert found.accuracy == 0.5
    assert json.loads(json.dumps(asdict(found), allow_nan=False))["roc_auc"] is None


def test_a_predictor_that_never_says_yes_has_no_precision() -> None:
    found = score(Y, np.full(10, 0.1), base_rate=0.3)
    assert found.precision is None
    assert found.recall == 0.0


def test_probabilities_of_zero_and_one_are_scored_without_a_warning() -> None:
    found = score(np.array([1, 0, 1]), np.array([1.0, 0.0, 0.0]), base_rate=0.3)
    assert found.brier == pytest.approx(1 / 3)
    assert np.isfinite(found.log_loss)


@pytest.mark.parametrize(
    ("probability", "floor"),
    [
        (1.0, 0.70), (0.70, 0.70), (0.70 - 1e-12, 0.70), (0.699, 0.60), (0.60, 0.60),
        (0.59, 0.50), (0.50, 0.50), (0.49, 0.45), (0.45, 0.45), (0.449, 0.0), (0.0, 0.0),
    ],
)  # fmt: skip
def test_bands_at_their_edges(probability: float, floor: float) -> None:
    found = bands(np.array([1]), np.array([probability]))
    assert [band.floor for band in found] == list(BAND_FLOORS)
    assert [band.rows for band in found] == [int(f == floor) for f in BAND_FLOORS]


def test_bands_say_what_came() -> None:
    found = {band.floor: band for band in bands(Y, SAID)}
    assert (found[0.70].rows, found[0.70].observed) == (2, 0.5)
    assert (found[0.60].rows, found[0.60].observed) == (1, 1.0)
    assert (found[0.50].rows, found[0.50].observed) == (0, None)
    assert sum(band.rows for band in found.values()) == len(Y)


def test_reliability_sets_what_was_said_beside_what_came() -> None:
    said = np.array([0.05, 0.15, 0.16, 0.19, 1.0])
    low, tenth, top = reliability(np.array([0, 1, 0, 0, 1]), said)
    assert (low.low, low.high, low.rows, low.observed) == (0.0, 0.1, 1, 0.0)
    assert tenth.rows == 3
    assert tenth.observed == pytest.approx(1 / 3)
    assert tenth.mean_probability == pytest.approx(0.5 / 3)
    assert (top.high, top.rows, top.observed) == (1.0, 1, 1.0)


def test_the_calibration_error_by_hand() -> None:
    y, natural = np.array([1, 0, 0, 1]), np.array([0.15, 0.19, 0.71, 0.75])
    gaps = abs(0.34 - 1), abs(1.46 - 1)
    assert expected_calibration_error(y, natural) == pytest.approx(sum(gaps) / 4)
    weight = np.array([1.0, 3.0, 0.0, 4.0])
    gaps = abs(0.15 + 3 * 0.19 - 1), abs(4 * 0.75 - 4)
    assert expected_calibration_error(y, natural, weight) == pytest.approx(sum(gaps) / 8)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**16))
def test_the_calibration_error_is_the_mean_distance_of_the_reliability_bins(seed: int) -> None:
    y, natural = random_case(seed)
    distances = [
        each.rows * abs(each.mean_probability - each.observed) for each in reliability(y, natural)
    ]
    assert expected_calibration_error(y, natural) == pytest.approx(sum(distances) / len(y))
    found = score(y, shift_prior(natural, 0.3), 0.3).expected_calibration_error
    assert found == pytest.approx(sum(distances) / len(y), abs=1e-6)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**16))
def test_a_row_of_weight_three_counts_like_three_rows_and_decisions_count_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, said = rng.permutation(np.arange(60) < 25).astype(np.int64), rng.uniform(0.01, 0.99, 60)
    times = rng.integers(1, 4, 60)
    weighed = score(y, said, 0.4, times.astype(np.float64))
    repeated = score(np.repeat(y, times), np.repeat(said, times), 0.4)
    for name in ("roc_auc", "pr_auc", "brier", "log_loss", "expected_calibration_error"):
        assert getattr(weighed, name) == pytest.approx(getattr(repeated, name)), name
    assert [b.observed for b in weighed.reliability] == pytest.approx(
        [b.observed for b in repeated.reliability]
    )
    assert weighed.confusion == score(y, said, 0.4).confusion
