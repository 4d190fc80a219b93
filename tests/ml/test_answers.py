"""A model answers as the library that fitted it, in whatever form it is asked."""

from collections.abc import Callable, Mapping
from typing import Any

import joblib
import numpy as np
import pytest
import torch
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from feeds.bars import FloatArray, IntArray
from ml.base import FloatMatrix, Samples
from ml.models.flat_forest import FlatForest
from ml.models.svm_model import SVMModel
from tests.ml.trained import quick_model, quick_models

TOLERANCE = 1e-6
FARTHEST = float(np.finfo(np.float32).max)


def forest(model: Any, X: FloatMatrix) -> FloatArray:
    # Not the forest's predict_proba: its search for NaN warns of sums at the ends of float32.
    votes = [tree.tree_.predict(X)[:, 1] for tree in model.forest_.estimators_]
    return np.asarray(np.mean(votes, axis=0))


def boosted(model: Any, X: FloatMatrix) -> FloatArray:
    return np.asarray(model.booster_.predict(xgboost.DMatrix(X)))


def network(model: Any, X: FloatMatrix) -> FloatArray:
    with torch.inference_mode():
        return np.asarray(torch.sigmoid(model.network_(torch.tensor(X))))


def line(model: Any, X: FloatMatrix) -> FloatArray:
    rows = model.scaler_.transform(X.astype(np.float64))
    return np.asarray(model.classifier_.predict_proba(rows)[:, 1])


def border(model: Any, X: FloatMatrix) -> FloatArray:
    distance = model.classifier_.decision_function(model.scaler_.transform(X.astype(np.float64)))
    return np.asarray(1.0 / (1.0 + np.exp(-distance)))


LIBRARIES: Mapping[str, Callable[[Any, FloatMatrix], FloatArray]] = {
    "random_forest": forest,
    "xgboost": boosted,
    "lstm": network,
    "logistic": line,
    "svm": border,
}
TABULAR = ("random_forest", "logistic", "svm")  # those that do not leave the answer to the library

each_member = pytest.mark.parametrize("name", LIBRARIES)


def rows_for(model: Any, n: int, *, seed: int, spread: float = 1.0) -> tuple[FloatMatrix, IntArray]:
    """Return rows of features on very different scales, one of them constant, and labels."""
    rng = np.random.default_rng(seed)
    scale = np.array([1.0, 1e-3, 50.0, 1.0, 0.0])
    matrix = (rng.standard_t(3, size=(n + 5, 5)) * scale * spread + 2.0).astype(np.float32)
    rows = np.arange(5, n + 5)
    y = matrix[rows, 0] + rng.normal(size=n) * spread > 2.0
    return Samples(matrix, rows).shaped_for(model), y.astype(np.int64)


def fitted(name: str, seed: int = 0, **params: Any) -> Any:
    model = quick_model(name).set_params(**params)
    return model.fit(*rows_for(model, 300, seed=seed))


def check_answers(name: str, model: Any, X: FloatMatrix) -> None:
    """Hold the batch to the library, and each row to the batch."""
    found = model.predict_proba(X)[:, 1]
    np.testing.assert_allclose(found, LIBRARIES[name](model, X), atol=TOLERANCE, rtol=0.0)
    one_by_one = [model.predict_proba(X[row : row + 1])[0, 1] for row in range(len(X))]
    np.testing.assert_allclose(one_by_one, found, atol=TOLERANCE, rtol=0.0)


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    return {name: fitted(name) for name in LIBRARIES}


def test_every_member_has_its_library_here() -> None:
    assert quick_models().keys() == LIBRARIES.keys()


@each_member
@settings(max_examples=15)
@given(seed=st.integers(0, 2**16), spread=st.sampled_from([0.0, 1e-20, 0.1, 1.0, 30.0, 1e6, 1e30]))
def test_a_member_answers_as_its_library(
    models: dict[str, Any], name: str, seed: int, spread: float
) -> None:
    X, _ = rows_for(models[name], 20, seed=seed, spread=spread)
    check_answers(name, models[name], X)


@each_member
def test_a_member_answers_as_its_library_at_the_ends_of_float32(
    models: dict[str, Any], name: str
) -> None:
    X, _ = rows_for(models[name], 9, seed=1)
    for row, value in enumerate([FARTHEST, -FARTHEST, 1e-45, -1e-45, 0.0, -0.0]):
        X[row, ..., row % 5] = value
    X[6], X[7] = FARTHEST, -FARTHEST
    check_answers(name, models[name], X)


@pytest.mark.parametrize("name", TABULAR)
@settings(max_examples=10)
@given(
    seed=st.integers(0, 2**16),
    forest=st.fixed_dictionaries(
        {
            "n_estimators": st.integers(1, 30),
            "max_depth": st.integers(1, 16),
            "min_samples_leaf": st.integers(1, 120),
        }
    ),
    price=st.sampled_from([1e-3, 0.1, 10.0]),
)
def test_any_fitted_model_answers_as_its_library(
    name: str, seed: int, forest: dict[str, int], price: float
) -> None:
    model = fitted(name, seed, **(forest if name == "random_forest" else {"C": price}))
    check_answers(name, model, rows_for(model, 70, seed=seed + 1)[0])


@pytest.mark.parametrize("n", [1, 63, 64, 65, 511, 513, 1100])
@each_member
def test_it_does_not_matter_how_many_rows_are_asked_at_once(
    models: dict[str, Any], name: str, n: int
) -> None:
    X, _ = rows_for(models[name], 1100, seed=3)
    whole = models[name].predict_proba(X)[:n]
    np.testing.assert_allclose(models[name].predict_proba(X[:n]), whole, atol=1e-12)


@pytest.mark.parametrize("name", TABULAR)
def test_a_row_of_another_layout_is_the_same_row(models: dict[str, Any], name: str) -> None:
    X, _ = rows_for(models[name], 30, seed=4)
    turned = np.asfortranarray(X)
    found = models[name].predict_proba(turned)
    np.testing.assert_allclose(found, models[name].predict_proba(X), atol=1e-12)


@each_member
def test_answering_leaves_a_model_as_it_was(name: str) -> None:
    model = fitted(name)
    before = joblib.hash(stored(model))
    model.predict_proba(rows_for(model, 3, seed=5)[0])
    assert joblib.hash(stored(model)) == before


def stored(model: Any) -> Any:
    return model.to_bytes() if hasattr(model, "to_bytes") else vars(model)


@each_member
def test_a_model_that_learns_again_answers_by_what_it_learned_last(name: str) -> None:
    model = fitted(name)
    X, y = rows_for(model, 300, seed=6)
    model.predict_proba(X)
    again = model.fit(X, 1 - y).predict_proba(X)
    np.testing.assert_array_equal(again, clone(model).fit(X, 1 - y).predict_proba(X))


@given(
    threshold=st.floats(allow_nan=False),
    near=st.floats(-10.0, 10.0, width=32),
    far=st.floats(allow_nan=False, allow_infinity=False, width=32),
)
def test_any_threshold_parts_rows_as_the_tree_does(
    threshold: float, near: float, far: float
) -> None:
    tree = DecisionTreeClassifier().fit([[0.0], [1.0]], [0, 1]).tree_
    tree.threshold[0] = threshold
    held = np.float32(np.clip(threshold, -FARTHEST, FARTHEST))
    sides = np.nextafter(held, np.array([-FARTHEST, FARTHEST], np.float32))
    X = np.array([held, *sides, near, far], np.float32)[:, None]
    assert FlatForest.of([tree], features=1).mean(X).tolist() == tree.predict(X)[:, 1].tolist()


def test_a_forest_that_asks_for_more_features_than_rows_have_is_refused() -> None:
    model = fitted("random_forest")
    trees = [tree.tree_ for tree in model.forest_.estimators_]
    with pytest.raises(ValueError, match="rows of 1 features asks for one beyond them"):
        FlatForest.of(trees, features=1)


def test_the_flat_forest_adds_up_to_the_last_bit() -> None:
    model = fitted("random_forest", n_estimators=40)
    X, _ = rows_for(model, 200, seed=7)
    trees = [tree.tree_ for tree in model.forest_.estimators_]
    in_order = sum((tree.predict(X)[:, 1] for tree in trees), np.zeros(len(X)))
    found = FlatForest.of(trees, features=5).mean(X)
    np.testing.assert_array_equal(found, in_order / len(trees))


def test_any_number_of_threads_of_the_libraries_answers_the_same_to_the_last_bit() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(1500, 94)).astype(np.float32), rng.integers(0, 2, 1500)
    model = SVMModel().fit(X, y)
    for rows in (1, 2, 50, 437):
        with threadpool_limits(1, user_api="blas"):
            alone = model.predict_proba(X[:rows])
        np.testing.assert_array_equal(model.predict_proba(X[:rows]), alone)


@pytest.mark.parametrize("said", [2**40, 0, -3])
def test_a_tree_that_is_wrong_about_its_depth_answers_all_the_same(said: int) -> None:
    model = fitted("random_forest", n_estimators=1)
    X, _ = rows_for(model, 50, seed=7)
    tree = model.forest_.estimators_[0].tree_
    kind, made_of, state = tree.__reduce__()
    other = kind(*made_of)
    other.__setstate__({**state, "max_depth": said})
    assert other.max_depth == said
    assert FlatForest.of([other], features=5).mean(X).tolist() == tree.predict(X)[:, 1].tolist()
