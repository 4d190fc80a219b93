"""SMOTE: real rows untouched, invented ones between them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.bars import IntArray
from ml.base import FloatMatrix, Rows
from ml.errors import TrainingError
from ml.training.balance import oversample


def one_sided(seed: int, rows: int = 80, ones: int = 12) -> tuple[FloatMatrix, IntArray]:
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(rows) < ones).astype(np.int64)
    X = rng.normal(0.0, [1.0, 1e-4, 1e5], (rows, 3)) + y[:, None]
    return X.astype(np.float32), y


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**16), ones=st.integers(2, 78))
def test_both_classes_are_as_many_and_real_rows_come_first_unchanged(seed: int, ones: int) -> None:
    X, y = one_sided(seed, ones=ones)
    grown, labels, _ = oversample(Rows(X, y), seed=seed)
    assert grown.dtype == np.float32
    assert labels.sum() * 2 == len(labels) == len(grown)
    np.testing.assert_array_equal(grown[: len(X)], X)
    np.testing.assert_array_equal(labels[: len(y)], y)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**16))
def test_an_invented_row_lies_within_the_real_rows_of_its_class(seed: int) -> None:
    X, y = one_sided(seed)
    grown, labels, _ = oversample(Rows(X, y), seed=0)
    real, invented = X[y == 1], grown[len(X) :]
    slack = 1e-5 * np.abs(real).max(axis=0)
    assert (labels[len(X) :] == 1).all()
    assert (invented >= real.min(axis=0) - slack).all()
    assert (invented <= real.max(axis=0) + slack).all()


def test_the_unit_of_a_feature_does_not_decide_who_is_a_neighbour() -> None:
    X, y = one_sided(1)
    unit = np.array([1e4, 1.0, 1e-5], np.float32)
    grown = oversample(Rows(X, y), seed=3).X
    scaled = oversample(Rows(X * unit, y), seed=3).X
    np.testing.assert_allclose(scaled, grown * unit, rtol=1e-3, atol=1e-5 * np.abs(X * unit).max())


def test_the_same_seed_invents_the_same_rows() -> None:
    X, y = one_sided(2)
    one, other, third = (oversample(Rows(X, y), seed=seed).X for seed in (5, 5, 6))
    np.testing.assert_array_equal(one, other)
    assert not np.array_equal(one, third)


def test_two_rows_of_a_class_are_enough_and_one_is_refused_in_one_line() -> None:
    X, y = one_sided(0, ones=2)
    assert len(oversample(Rows(X, y), seed=0).X) == 156
    X, y = one_sided(0, ones=1)
    with pytest.raises(TrainingError, match="at least 2 training rows of each class, found 1"):
        oversample(Rows(X, y), seed=0)


def test_balanced_rows_are_left_as_they_are() -> None:
    X, y = one_sided(0, ones=40)
    np.testing.assert_array_equal(oversample(Rows(X, y), seed=0).X, X)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**16))
def test_an_invented_row_weighs_as_those_between_which_it_lies(seed: int) -> None:
    X, y = one_sided(seed)
    weight = np.random.default_rng(seed).uniform(1e-4, 0.05, len(y))
    grown = oversample(Rows(X, y, weight), seed=seed)
    plain = oversample(Rows(X, y), seed=seed)
    assert grown.weight is not None
    scale = np.abs(X).max(axis=0)
    np.testing.assert_allclose(grown.X / scale, plain.X / scale, atol=1e-5)
    np.testing.assert_array_equal(grown.weight[: len(y)], weight)
    of_class = weight[y == 1]
    assert (grown.weight[len(y) :] >= of_class.min() * (1 - 1e-9)).all()
    assert (grown.weight[len(y) :] <= of_class.max() * (1 + 1e-9)).all()


def test_an_invented_row_weighs_in_proportion_to_its_place() -> None:
    X, y = one_sided(3)
    weight = np.where(y == 1, 2.0 + X[:, 0], 1.0)  # a weight that is a line in one feature
    grown = oversample(Rows(X, y, weight - weight.min() + 1.0), seed=3)
    assert grown.weight is not None
    expected = 2.0 + grown.X[len(y) :, 0] - weight.min() + 1.0
    np.testing.assert_allclose(grown.weight[len(y) :], expected, rtol=1e-4)
