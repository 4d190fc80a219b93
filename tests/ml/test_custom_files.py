"""A member of one's own as a file: what comes back, and what is planted does not run."""

import hashlib
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.naive_bayes import GaussianNB

from ml.calibration import PlattCalibrator
from ml.custom_file import of_scikit_learn
from ml.ensemble import Member
from ml.errors import BundleDamagedError, BundleError, BundleMismatchError
from ml.manifest import MemberRecord
from ml.member_files import member_bytes, member_record, read_member
from ml.models.member_config import MemberConfig
from tests.ml.customs import BOOSTING, NB, TREES, learned, own, rows


def stored(member: MemberConfig) -> tuple[MemberRecord, bytes]:
    """Return a learned member as the settings that name it store it."""
    found = Member("mine", 0.1, learned(member), PlattCalibrator(slope=1.0, intercept=0.0))
    data = member_bytes(found, {"mine": member})
    return member_record(found, hashlib.sha256(data).hexdigest()), data


@pytest.mark.parametrize("estimator", [NB, TREES, BOOSTING])
def test_scikit_learns_own_come_back_as_they_were_and_only_if_the_settings_name_them(
    estimator: str,
) -> None:
    member = MemberConfig(estimator=estimator)
    X, _ = rows()
    read: Any = read_member(*stored(member), {"mine": member}).model
    np.testing.assert_array_equal(read.predict_proba(X), learned(member).predict_proba(X))
    named = re.escape(f'add [members.mine] estimator = "{estimator}"')
    for settings in ({}, {"mine": MemberConfig(estimator="sklearn.dummy:DummyClassifier")}):
        with pytest.raises(BundleMismatchError, match=named):
            read_member(*stored(member), settings)


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
    member = MemberConfig(estimator=NB)
    record, _ = stored(member)
    for model in (GaussianNB().fit(*rows()), learned(MemberConfig(estimator=TREES))):
        with pytest.raises(BundleDamagedError, match="holds another model"):
            read_member(*planted(record, model), {"mine": member})
    swapped = learned(member)
    swapped.estimator_ = HistGradientBoostingClassifier().fit(*rows())
    with pytest.raises(BundleDamagedError, match="another classifier than"):
        read_member(*planted(record, swapped), {"mine": member})


@pytest.mark.parametrize(
    "estimator",
    [
        None, 3, {}, "", ":", "x", "os:system", "sklearn.:X", "sklearn.nowhere:X", "sklearn.py:X",
        "sklearn./../x:Y", "sklearn.utils:os", "sklearn.svm:SVC", "sklearn.datasets._base:Bunch",
        "\x1b[2J.py:A", "x" * 5000 + ":A",
    ],
)  # fmt: skip
@pytest.mark.parametrize("named", ["no_such_file.py:X", None])
def test_whatever_a_record_calls_its_class_is_refused_by_name(
    estimator: object, named: str | None
) -> None:
    record, data = stored(MemberConfig(estimator=NB))
    odd = record.model_copy(update={"params": {**record.params, "estimator": estimator}})
    settings = {"mine": MemberConfig(estimator=named)} if named else {}
    with pytest.raises((BundleError, ImportError)) as caught:
        read_member(odd, data, settings)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 800


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
        read_member(*planted(record, wild), {"mine": member})


def test_what_follows_its_numbers_into_memory_must_be_trusted() -> None:
    name = "sklearn.neighbors._classification.KNeighborsClassifier"
    wary = MemberConfig(
        estimator="sklearn.neighbors:KNeighborsClassifier", params={"algorithm": "brute"}
    )
    with pytest.raises(BundleError, match=rf"found {re.escape(name)}; .*members\.mine\.trust"):
        stored(wary)
    trusted = wary.model_copy(update={"trust": (name,)})
    kept = stored(trusted)
    assert read_member(*kept, {"mine": trusted}).name == "mine"
    with pytest.raises(BundleDamagedError, match="follows its numbers into memory unchecked"):
        read_member(*kept, {"mine": wary})


def test_a_class_that_inherits_from_what_follows_its_numbers_must_be_trusted_too(
    tmp_path: Path,
) -> None:
    (tmp_path / "own.py").write_text(
        "from sklearn.neighbors import KNeighborsClassifier\n"
        "class Own(KNeighborsClassifier):\n"
        "    def __init__(self):\n"
        "        super().__init__(algorithm='brute')\n"
    )
    with pytest.raises(BundleError, match=r"_classification\.KNeighborsClassifier; if you trust"):
        stored(MemberConfig(estimator=f"{tmp_path / 'own.py'}:Own"))


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
        ("sklearn.neighbors._classification.KNeighborsClassifier", False),  # hands them to C
        ("sklearn.svm._classes.SVC", False),
        ("os.system", False),
    ],
)
def test_only_classes_that_scikit_learn_defines_in_python_are_its_own(
    name: str, own_class: bool
) -> None:
    assert of_scikit_learn(name) == own_class
