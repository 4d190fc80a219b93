"""What a probability means."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.bars import FloatArray, IntArray
from ml.calibration import PlattCalibrator, log_odds, logistic, shift_prior

probabilities = st.floats(0.0, 1.0)
inner_rates = st.floats(1e-4, 1.0 - 1e-4)


def sample_of(raw: FloatArray, slope: float, intercept: float, seed: int) -> IntArray:
    """Return labels whose log-odds are a straight line of the raw answer's."""
    true = logistic(slope * log_odds(raw) + intercept)
    return (np.random.default_rng(seed).uniform(size=len(raw)) < true).astype(np.int64)


@given(p=st.lists(st.floats(1e-9, 1.0 - 1e-9), min_size=1))
def test_log_odds_and_logistic_undo_each_other(p: list[float]) -> None:
    np.testing.assert_allclose(logistic(log_odds(np.array(p))), p, rtol=1e-6)


@given(p=st.lists(probabilities, min_size=1))
def test_a_base_rate_of_one_half_shifts_nothing(p: list[float]) -> None:
    np.testing.assert_allclose(shift_prior(np.array(p), 0.5), p, rtol=1e-15, atol=1e-300)


@given(rate=inner_rates)
def test_the_base_rate_itself_becomes_one_half(rate: float) -> None:
    assert shift_prior(np.array([rate]), rate)[0] == pytest.approx(0.5, abs=1e-12)


@given(p=st.lists(probabilities, min_size=2), rate=inner_rates)
def test_a_shift_keeps_order_and_stays_in_the_unit_interval(p: list[float], rate: float) -> None:
    shifted = shift_prior(np.sort(p), rate)
    assert (np.diff(shifted) >= -1e-15).all()
    assert ((shifted >= 0.0) & (shifted <= 1.0)).all()


@given(p=st.floats(1e-4, 1.0 - 1e-4), rate=inner_rates)
def test_a_shift_takes_the_base_rates_log_odds_away(p: float, rate: float) -> None:
    shifted = log_odds(shift_prior(np.array([p]), rate))
    expected = log_odds(np.array([p])) - log_odds(np.array([rate]))
    np.testing.assert_allclose(shifted, expected, atol=1e-6)


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, float("nan")])
def test_a_base_rate_that_leaves_one_outcome_out_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="base rate must be above 0 and below 1"):
        shift_prior(np.array([0.5]), rate)


@settings(deadline=None, max_examples=40)
@given(slope=st.floats(0.3, 4.0), intercept=st.floats(-2.0, 2.0), seed=st.integers(0, 2**16))
def test_the_line_behind_the_labels_is_found_again(
    slope: float, intercept: float, seed: int
) -> None:
    raw = np.random.default_rng(seed).beta(4.0, 6.0, 20_000)
    found = PlattCalibrator.from_fit(raw, sample_of(raw, slope, intercept, seed))
    assert found.slope == pytest.approx(slope, abs=0.25)
    assert found.intercept == pytest.approx(intercept, abs=0.25)


@settings(deadline=None, max_examples=40)
@given(raw=st.lists(probabilities, min_size=1, max_size=60), seed=st.integers(0, 2**16))
def test_any_labels_give_a_calibrator_that_keeps_the_order(raw: list[float], seed: int) -> None:
    answers = np.sort(raw)
    labels = np.random.default_rng(seed).integers(0, 2, len(raw))
    calibrated = PlattCalibrator.from_fit(answers, labels)(answers)
    assert np.isfinite(calibrated).all()
    assert (np.diff(calibrated) >= 0.0).all()
    assert ((calibrated >= 0.0) & (calibrated <= 1.0)).all()


def test_calibrated_answers_come_true_as_often_as_they_say() -> None:
    raw = np.random.default_rng(1).beta(2.0, 2.0, 40_000)
    labels = sample_of(raw, 0.5, -1.2, seed=2)
    half = len(raw) // 2
    said = PlattCalibrator.from_fit(raw[:half], labels[:half])(raw[half:])
    for band in np.array_split(np.argsort(said), 10):
        assert labels[half:][band].mean() == pytest.approx(said[band].mean(), abs=0.04)


def test_the_mean_answer_is_the_share_of_ones() -> None:
    raw = np.random.default_rng(3).uniform(0.01, 0.99, 5000)
    labels = sample_of(raw, 1.0, -2.0, seed=4)
    said = PlattCalibrator.from_fit(raw, labels)(raw)
    assert said.mean() == pytest.approx(labels.mean(), abs=1e-3)


def test_the_fit_equals_scikit_learns() -> None:
    from sklearn.linear_model import LogisticRegression

    raw = np.random.default_rng(5).beta(2.0, 5.0, 3000)
    labels = sample_of(raw, 0.8, 0.3, seed=6)
    ones = int(labels.sum())
    target = np.where(labels == 1, (ones + 1) / (ones + 2), 1 / (len(labels) - ones + 2))
    theirs = LogisticRegression(C=1e3, solver="newton-cholesky", tol=1e-12).fit(
        np.tile(log_odds(raw), 2)[:, None],
        np.repeat([1, 0], len(raw)),
        sample_weight=np.concatenate([target, 1 - target]),
    )
    ours = PlattCalibrator.from_fit(raw, labels)
    assert ours.slope == pytest.approx(theirs.coef_[0, 0], rel=1e-7)
    assert ours.intercept == pytest.approx(theirs.intercept_[0], rel=1e-7)


def test_after_the_shift_a_model_that_knows_nothing_votes_one_half() -> None:
    raw = np.linspace(0.2, 0.8, 4000)
    labels = (np.random.default_rng(0).uniform(size=4000) < 0.1).astype(np.int64)
    vote = shift_prior(PlattCalibrator.from_fit(raw, labels)(raw), float(labels.mean()))
    np.testing.assert_allclose(vote, 0.5, atol=0.1)


def test_answers_that_run_against_the_labels_become_the_base_rate() -> None:
    raw = np.linspace(0.01, 0.99, 2000)
    labels = (raw < 0.3).astype(np.int64)
    calibrator = PlattCalibrator.from_fit(raw, labels)
    assert calibrator.slope == 0.0
    np.testing.assert_allclose(calibrator(raw), labels.mean(), atol=1e-3)
    np.testing.assert_allclose(shift_prior(calibrator(raw), labels.mean()), 0.5, atol=1e-3)


def test_perfect_answers_keep_a_finite_line() -> None:
    raw = np.repeat([0.0, 1.0], 50)
    calibrator = PlattCalibrator.from_fit(raw, (raw > 0.5).astype(np.int64))
    assert 0.95 < calibrator(np.array([1.0]))[0] < 1.0


@pytest.mark.parametrize("n", [0, 3])
def test_labels_that_do_not_match_are_refused(n: int) -> None:
    with pytest.raises(ValueError, match="a label per row"):
        PlattCalibrator.from_fit(np.full(n, 0.5), np.zeros(max(n - 1, 0), np.int64))


@pytest.mark.parametrize("slope", [-1.0, float("nan"), float("inf")])
def test_a_line_that_would_turn_the_order_round_is_refused(slope: float) -> None:
    with pytest.raises(ValueError, match="a slope must be finite and at least 0"):
        PlattCalibrator(slope=slope, intercept=0.0)


def test_a_row_of_weight_three_counts_like_three_rows() -> None:
    raw = np.random.default_rng(8).beta(2.0, 3.0, 4000)
    labels = sample_of(raw, 0.7, -0.4, seed=9)
    times = np.random.default_rng(10).integers(1, 4, len(raw))
    weighed = PlattCalibrator.from_fit(raw, labels, times.astype(np.float64))
    repeated = PlattCalibrator.from_fit(np.repeat(raw, times), np.repeat(labels, times))
    assert weighed.slope == pytest.approx(repeated.slope, abs=2e-3)
    assert weighed.intercept == pytest.approx(repeated.intercept, abs=2e-3)
