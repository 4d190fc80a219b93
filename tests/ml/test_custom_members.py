"""Members of one's own: refused before the work with what to do, stored so that no code runs."""

import re
import sys
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB
from threadpoolctl import threadpool_limits

from engine.jobs.settings import load_settings
from ml.errors import MemberError
from ml.member_check import check_members
from ml.models.configured import custom_model, with_members
from ml.models.member_config import USUAL_WEIGHT, MemberConfig
from tests.ml.customs import NB, TREES, learned, own, rows
from tests.ml.trained import EXAMPLE, custom_members, quick_models


def refusal(member: MemberConfig, *, weighed: bool = False) -> str:
    """Return the one line with which the member is refused."""
    with pytest.raises(MemberError, match=r"^members\.mine: ") as caught:
        check_members({"mine": member}, seed=0, weighed=weighed)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Tried before the work


def test_the_members_of_the_example_may_join() -> None:
    for weighed in (False, True):
        check_members(custom_members(), seed=3, weighed=weighed)


@pytest.mark.parametrize(
    ("member", "told"),
    [
        ({"estimator": TREES, "params": {"trees": 5}}, "does not take params: .*'trees'"),
        ({"estimator": TREES, "params": {"n_estimators": 0}}, "n_estimators.* Got 0 instead"),
        ({"estimator": "sklearn.ensemble:StackingClassifier"}, "missing .*'estimators'"),
        ({"estimator": "sklearn.linear_model:Ridge"}, "must be a classifier"),
        ({"estimator": "sklearn.preprocessing:StandardScaler"}, "must be a classifier"),
        ({"estimator": "sklearn.svm:LinearSVC"}, "must have predict_proba, found none"),
        ({"estimator": "sklearn.naive_bayes:MultinomialNB"}, "cannot learn: ValueError: Negative"),
        ({"estimator": "sklearn.ensemble:ExtraTrees"}, "must hold the class ExtraTrees, found Ex"),
        ({"estimator": "os:system"}, "os must hold the class system"),
        ({"estimator": "no_such_package:Model"}, "No module named 'no_such_package'"),
        ({"estimator": "no_such_file.py:Model"}, "must be a file that can be read: No such file"),
        ({"estimator": "collections:OrderedDict"}, "contract, found no fit, get_params"),
        ({"estimator": "sklearn.neighbors:KNeighborsClassifier"}, r"KDTree.*members\.mine\.trust"),
        ({"estimator": "xgboost:XGBClassifier"}, r"xgboost\.core\.Booster.*members\.mine\.trust"),
    ],
)
def test_what_cannot_vote_is_refused_with_what_to_do(member: Mapping[str, Any], told: str) -> None:
    with pytest.raises(MemberError, match=told):
        raise MemberError(refusal(MemberConfig.model_validate(member)))


def test_what_cannot_weigh_rows_is_refused_where_they_have_a_weight() -> None:
    member = MemberConfig(estimator="sklearn.discriminant_analysis:LinearDiscriminantAnalysis")
    check_members({"mine": member}, seed=0)
    assert "cannot weigh rows: its fit has no sample_weight" in refusal(member, weighed=True)


@pytest.mark.parametrize(
    ("spoilt", "told"),
    [
        ({"fit": "np.random.default_rng().random()"}, "must answer the same when it learns"),
        ({"fit": "np.random.rand()"}, "must answer the same when it learns"),
        ({"answer": "np.full(len(X), 1.5)"}, "probabilities from 0 to 1, found 1.5 to 1.5"),
        ({"answer": "np.full(len(X), np.nan)"}, "probabilities from 0 to 1, found nan"),
        ({"answer": "X"}, r"must be \(rows, 2\), found \(300, 16\)"),
        ({"answer": "1 / 0"}, r"predict_proba: line \d+: ZeroDivisionError: division by zero"),
        ({"fit": "{}[0]"}, r"cannot learn: line \d+: KeyError"),
        ({"fit": "exit(0)"}, r"cannot learn: line \d+: SystemExit"),
        ({"answer": "exit(0)"}, r"predict_proba: line \d+: SystemExit"),
        (
            {"fit": "lambda X: 0.5", "answer": "self.share_(X) + X[:, 0] * 0"},
            r"only types of .*<lambda>",
        ),
    ],
)
def test_a_class_of_ones_own_that_breaks_the_contract_is_refused(
    tmp_path: Path, spoilt: Mapping[str, str], told: str
) -> None:
    line = refusal(MemberConfig(estimator=own(tmp_path, **spoilt)))
    with pytest.raises(MemberError, match=told):
        raise MemberError(line)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import", "own.py cannot be imported: line 1: SyntaxError"),
        ("x = 1 / 0", "own.py cannot be imported: line 1: ZeroDivisionError"),
        ("import sys\nsys.exit(0)", "own.py cannot be imported: line 2: SystemExit"),
        ("class Other: ...", "must hold the class Own, found Other"),
        ("Own = 3", "must hold the class Own, found no class"),
    ],
)
def test_a_file_that_does_not_hold_the_class_is_refused(
    tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "own.py").write_text(text)
    assert told in refusal(MemberConfig(estimator=f"{tmp_path / 'own.py'}:Own"))


def test_a_type_of_another_package_is_stored_if_the_settings_trust_it() -> None:
    member = MemberConfig(estimator="xgboost:XGBClassifier", trust=("xgboost.core.Booster",))
    check_members({"mine": member}, seed=0)


# The vote


def test_a_weight_of_the_settings_replaces_that_of_the_five_and_those_that_join_have_one() -> None:
    five = {name: (0.2, model) for name, model in quick_models().items()}
    members = {
        "xgboost": MemberConfig(weight=0.7),
        "mine": MemberConfig(estimator=NB),
        "other": MemberConfig(estimator=NB, weight=0.1, params={"var_smoothing": 0.1}),
    }
    found = with_members(five, members, seed=9)
    weights = {name: weight for name, (weight, _) in found.items()}
    usual = dict.fromkeys(five, 0.2) | {"xgboost": 0.7}
    assert weights == usual | {"mine": USUAL_WEIGHT, "other": 0.1}
    assert all(found[name][1] is model for name, (_, model) in five.items())
    made: Any = found["other"][1]
    assert made.get_params() == {
        "estimator": NB, "params": {"var_smoothing": 0.1}, "seed": 9, "standardise": True,
    }  # fmt: skip


def test_a_member_without_the_library_of_the_five_gets_no_weight() -> None:
    assert with_members({}, {"xgboost": MemberConfig(weight=0.7)}, seed=0) == {}


@pytest.mark.parametrize("seed", [0, 5])
def test_all_chance_comes_from_the_seed(seed: int) -> None:
    nested = MemberConfig(
        estimator="sklearn.ensemble:BaggingClassifier", params={"n_estimators": 5, "n_jobs": 2}
    )
    made: Any = custom_model(nested, seed=seed)
    assert made.made().random_state == seed
    fitted, other = learned(nested, seed=seed), learned(nested, seed=seed + 1)
    X = rows()[0]
    assert not np.array_equal(fitted.predict_proba(X), other.predict_proba(X))
    assert fitted.estimator_.n_jobs == 1


def test_features_are_standardised_unless_the_settings_say_no() -> None:
    X, y = rows()
    for standardise in (True, False):
        trained = learned(MemberConfig(estimator=NB, standardise=standardise))
        seen = (X - X.mean(axis=0, dtype=float)) / X.std(axis=0, dtype=float) if standardise else X
        expected = GaussianNB().fit(seen, y).predict_proba(seen)
        np.testing.assert_allclose(trained.predict_proba(X), expected, atol=1e-6)


def test_it_learns_and_answers_on_one_thread(tmp_path: Path) -> None:
    most = "max(each['num_threads'] for each in __import__('threadpoolctl').threadpool_info())"
    estimator = own(tmp_path, fit=most, answer=f"np.full(len(X), 1.0 / {most})")
    with threadpool_limits(2):
        trained = learned(MemberConfig(estimator=estimator))
        assert trained.estimator_.share_ == 1
        assert trained.predict_proba(rows()[0])[0, 1] == 1.0


def test_threads_that_ask_at_once_get_the_same_and_leave_the_warnings_alone() -> None:
    trained = learned(MemberConfig(estimator=TREES, params={"n_estimators": 20}))
    X, _ = rows()
    expected, before = trained.predict_proba(X), list(warnings.filters)
    often = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # seconds: threads change places within a tree
    try:
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(trained.predict_proba, [X] * 40))
    finally:
        sys.setswitchinterval(often)
    assert all(np.array_equal(answer, expected) for answer in answers)
    assert list(warnings.filters) == before


# The page


def blocks(language: str) -> list[str]:
    text = (EXAMPLE.parents[1] / "docs" / "custom-members.md").read_text(encoding="utf-8")
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found
    return found


def test_every_table_on_the_page_may_join(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLE.parents[1])
    for number, text in enumerate(blocks("toml")):
        file = tmp_path / f"{number}.toml"
        file.write_text(text)
        members = load_settings(file).members
        assert members
        check_members(members, seed=0)


def test_the_class_on_the_page_answers_as_that_of_the_example(tmp_path: Path) -> None:
    (text,) = blocks("python")
    (tmp_path / "own.py").write_text(text)
    mine = MemberConfig(estimator=f"{tmp_path / 'own.py'}:NearerCentre")
    X, _ = rows()
    theirs = learned(custom_members()["nearer_centre"])
    np.testing.assert_array_equal(learned(mine).predict_proba(X), theirs.predict_proba(X))


def test_what_the_page_calls_refused_is_refused_and_what_it_offers_instead_is_not() -> None:
    for name in ("svm:LinearSVC", "linear_model:RidgeClassifier", "svm:SVC"):
        assert "must have predict_proba" in refusal(MemberConfig(estimator=f"sklearn.{name}"))
    for name in ("naive_bayes:MultinomialNB", "neighbors:KNeighborsClassifier"):
        refusal(MemberConfig(estimator=f"sklearn.{name}"))
    for name in ("VotingClassifier", "StackingClassifier"):
        assert "estimators" in refusal(MemberConfig(estimator=f"sklearn.ensemble:{name}"))
    check_members({"mine": MemberConfig(estimator=NB)}, seed=0)
