"""What a file plants for C to follow into memory is refused before anything is asked."""

from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from ml.models.configured import custom_model
from ml.models.member_config import MemberConfig
from ml.skops_file import from_bytes, read_ours
from tests.ml.customs import TREES, learned, rows
from tests.ml.trained import quick_model

WIDE = "a tree is for 4000 features, its rows have 4"


def wider_tree(*, denies: bool) -> Any:
    """Return a tree that asks for the last of 4000 features, and may deny it."""
    X = np.zeros((60, 4000), np.float32)
    X[::2, -1] = 1.0
    tree = DecisionTreeClassifier().fit(X, X[:, -1].astype(np.int64))
    if denies:
        tree.n_features_in_ = 4
    return tree


def of_custom(name: str) -> bool:
    return name in {"ml.models.custom_model.CustomModel", "sklearn.tree._tree.Tree"}


@pytest.mark.parametrize("denies", [True, False])
@pytest.mark.parametrize("hidden", [list, set])
def test_a_tree_for_wider_rows_than_its_forest_has_is_refused(denies: bool, hidden: Any) -> None:
    ours, joined = quick_model("random_forest").fit(*rows()), learned(MemberConfig(estimator=TREES))
    for forest in (ours.forest_, joined.estimator_):
        forest.estimators_ = hidden([*forest.estimators_, wider_tree(denies=denies)])
    with pytest.raises(ValueError, match=WIDE):
        read_ours(skops.io.dumps(ours))
    with pytest.raises(ValueError, match=WIDE):
        from_bytes(skops.io.dumps(joined), of_custom)


def test_the_least_width_on_the_way_counts_the_outermost_included() -> None:
    joined = learned(MemberConfig(estimator=TREES))
    joined.estimator_.estimators_ = [wider_tree(denies=False)]
    joined.estimator_.n_features_in_ = 4000
    with pytest.raises(ValueError, match=WIDE):
        from_bytes(skops.io.dumps(joined), of_custom)


def test_a_tree_of_which_nobody_says_the_width_is_refused() -> None:
    tree = wider_tree(denies=False)
    del tree.n_features_in_
    with pytest.raises(ValueError, match="nothing says how many features"):
        from_bytes(skops.io.dumps(tree))


def test_behind_a_pipeline_rows_may_be_wider() -> None:
    X, y = rows()
    wide = make_pipeline(PolynomialFeatures(2), RandomForestClassifier(5)).fit(X, y)
    read: Any = from_bytes(skops.io.dumps(wide))
    np.testing.assert_array_equal(read.predict_proba(X), wide.predict_proba(X))


def test_members_that_are_stored_are_read() -> None:
    X, _ = rows()
    nested = MemberConfig(
        estimator="sklearn.ensemble:BaggingClassifier", params={"max_features": 0.5}
    )
    for member in (nested, MemberConfig(estimator=TREES)):
        model: Any = custom_model(member, seed=0).fit(*rows())
        read: Any = from_bytes(skops.io.dumps(model), of_custom)
        np.testing.assert_array_equal(read.predict_proba(X), model.predict_proba(X))


def test_of_classifiers_that_settings_must_name_none_is_read_as_ours() -> None:
    X, y = rows()
    neighbours = KNeighborsClassifier(algorithm="brute", metric="manhattan").fit(X, y)
    neighbours._y = np.full(len(y), 10**9)  # asked, C would write there
    told = "KNeighborsClassifier follows its numbers into memory unchecked"
    with pytest.raises(TypeError, match=told):
        read_ours(skops.io.dumps(neighbours))
    line = LogisticRegression().fit(X, y)
    assert read_ours(skops.io.dumps(line)) is not None
    line.neighbours_ = neighbours
    with pytest.raises(TypeError, match=told):
        read_ours(skops.io.dumps(line))
    with pytest.raises(TypeError, match="SVC is none of the models that vote unless"):
        read_ours(skops.io.dumps(SVC().fit(X, y)))
