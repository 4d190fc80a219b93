"""Members of one's own: refused before the work with what to do, stored so that no code runs."""

import hashlib
import re
import sys
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.naive_bayes import GaussianNB
from threadpoolctl import threadpool_limits

from engine.jobs.settings import load_settings
from ml.calibration import PlattCalibrator
from ml.custom_file import of_scikit_learn
from ml.ensemble import Member
from ml.errors import BundleDamagedError, BundleError, BundleMismatchError, MemberError
from ml.manifest import MemberRecord
from ml.member_check import check_members
from ml.member_files import member_bytes, member_record, read_member
from ml.models.configured import custom_model, with_members
from ml.models.member_config import USUAL_WEIGHT, MemberConfig
from tests.ml.trained import EXAMPLE, custom_members, quick_models

NB = "sklearn.naive_bayes:GaussianNB"
TREES = "sklearn.ensemble:ExtraTreesClassifier"
BOOSTING = "sklearn.ensemble:HistGradientBoostingClassifier"

OWN = """
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

class Own(ClassifierMixin, BaseEstimator):
    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y):
        self.share_ = {fit}
        return self

    def predict_proba(self, X):
        up = {answer}
        return np.column_stack([1.0 - up, up])
"""


def own(
    folder: Path, *, fit: str = "y.mean()", answer: str = "np.full(len(X), self.share_)"
) -> str:
    """Write a classifier and return it as the settings name it."""
    file = folder / "own.py"
    file.write_text(OWN.format(fit=fit, answer=answer))
    return f"{file}:Own"


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
    member = MemberConfig(
        estimator="sklearn.neighbors:KNeighborsClassifier", params={"algorithm": "brute"}
    )
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
        ({"answer": "1 / 0"}, "predict_proba: ZeroDivisionError: division by zero"),
        ({"fit": "{}[0]"}, "cannot learn: KeyError"),
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
        ("import", "own.py cannot be imported: SyntaxError"),
        ("x = 1 / 0", "own.py cannot be imported: ZeroDivisionError"),
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


# Files


def rows() -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    X = (rng.normal(size=(200, 4)) * 3.0 + 5.0).astype(np.float32)
    return X, (X[:, 0] + rng.normal(size=200) > 5.0).astype(np.int64)


def learned(member: MemberConfig, *, seed: int = 0) -> Any:
    model: Any = custom_model(member, seed=seed)
    return clone(model).fit(*rows())


def stored(member: MemberConfig) -> tuple[MemberRecord, bytes]:
    """Return a learned member as the settings that name it store it."""
    found = Member("mine", 0.1, learned(member), PlattCalibrator(slope=1.0, intercept=0.0))
    data = member_bytes(found, {"mine": member})
    return member_record(found, hashlib.sha256(data).hexdigest()), data


@pytest.mark.parametrize("estimator", [NB, TREES, BOOSTING])
def test_scikit_learns_own_are_read_without_settings(estimator: str) -> None:
    member = MemberConfig(estimator=estimator)
    X, _ = rows()
    read: Any = read_member(*stored(member)).model
    np.testing.assert_array_equal(read.predict_proba(X), learned(member).predict_proba(X))


def test_code_of_ones_own_is_not_even_imported_unless_the_settings_name_it(tmp_path: Path) -> None:
    member = MemberConfig(estimator=own(tmp_path))
    kept = stored(member)
    assert read_member(*kept, {"mine": member}).name == "mine"
    file = tmp_path / "own.py"
    file.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n" + file.read_text())
    strangers: list[dict[str, MemberConfig]] = [
        {},
        {"other": member},
        {"mine": MemberConfig(estimator=NB)},
    ]
    named = re.escape(f'[members.mine] estimator = "{member.estimator}"')
    for settings in strangers:
        with pytest.raises(
            BundleMismatchError, match=f"only what the settings name is run .* add {named}"
        ) as told:
            read_member(*kept, settings)
        assert "\n" not in str(told.value)
    assert not (tmp_path / "ran").exists()


def test_another_state_of_the_file_is_refused_until_it_is_put_back(tmp_path: Path) -> None:
    member = MemberConfig(estimator=own(tmp_path))
    kept, file = stored(member), tmp_path / "own.py"
    text = file.read_text()
    file.write_text(f"{text}\n# other\n")
    with pytest.raises(BundleMismatchError, match="which has changed since: train again, or"):
        read_member(*kept, {"mine": member})
    file.unlink()
    with pytest.raises(BundleMismatchError, match="must be a file that can be read"):
        read_member(*kept, {"mine": member})
    file.write_text(text)
    assert read_member(*kept, {"mine": member}).weight == 0.1


def test_a_package_that_is_gone_leaves_its_member_out(monkeypatch: pytest.MonkeyPatch) -> None:
    member = MemberConfig(estimator="xgboost:XGBClassifier", trust=("xgboost.core.Booster",))
    kept = stored(member)
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(ImportError, match="xgboost"):
        read_member(*kept, {"mine": member})


def test_types_that_the_settings_do_not_trust_are_neither_written_nor_read() -> None:
    trusted = MemberConfig(estimator="xgboost:XGBClassifier", trust=("xgboost.core.Booster",))
    kept = stored(trusted)
    wary = trusted.model_copy(update={"trust": ()})
    with pytest.raises(BundleDamagedError, match=r"xgboost\.core\.Booster"):
        read_member(*kept, {"mine": wary})
    with pytest.raises(BundleError, match=r"add them to members\.mine\.trust"):
        stored(wary)


def planted(record: MemberRecord, model: Any) -> tuple[MemberRecord, bytes]:
    """Return the record with another model's bytes."""
    return record, skops.io.dumps(model)


def test_a_file_that_holds_another_member_than_it_says_is_refused() -> None:
    record, _ = stored(MemberConfig(estimator=NB))
    for model in (GaussianNB().fit(*rows()), learned(MemberConfig(estimator=TREES))):
        with pytest.raises(BundleDamagedError, match="holds another model"):
            read_member(*planted(record, model))
    swapped = learned(MemberConfig(estimator=NB))
    swapped.estimator_ = HistGradientBoostingClassifier().fit(*rows())
    with pytest.raises(BundleDamagedError, match="another classifier than"):
        read_member(*planted(record, swapped))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("left", 10_000),
        ("right", 0),  # round in a circle
        ("feature_idx", 4),
        ("feature_idx", -1),
        ("num_threshold", np.nan),
        ("is_categorical", 1),
    ],
)
def test_a_boosted_tree_that_leads_out_of_its_memory_is_refused(field: str, value: float) -> None:
    member = MemberConfig(estimator=BOOSTING)
    record, _ = stored(member)
    wild = learned(member)
    wild.estimator_._predictors[3][0].nodes[field][0] = value
    with pytest.raises(BundleDamagedError, match="a tree "):
        read_member(*planted(record, wild))


@pytest.mark.parametrize(
    ("name", "own_class"),
    [
        ("sklearn.naive_bayes.GaussianNB", True),
        ("sklearn.neural_network._stochastic_optimizers.AdamOptimizer", True),
        ("sklearn.gaussian_process.kernels.RBF", True),
        ("sklearn.datasets._base.load_files", False),  # a function
        ("sklearn.datasets._base.Bunch", False),  # defined elsewhere
        ("sklearn.neighbors._kd_tree.KDTree", False),  # C follows its numbers unchecked
        ("sklearn.utils._testing.subprocess", False),
        ("sklearn.nowhere.Thing", False),
        ("sklearnx.Thing", False),
        ("os.system", False),
    ],
)
def test_only_classes_that_scikit_learn_defines_in_python_are_its_own(
    name: str, own_class: bool
) -> None:
    assert of_scikit_learn(name) == own_class


# The page


def blocks(language: str) -> list[str]:
    text = (EXAMPLE.parents[1] / "docs" / "custom_members.md").read_text(encoding="utf-8")
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
