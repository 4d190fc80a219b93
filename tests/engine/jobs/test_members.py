"""Members of the settings: told where a bundle's are others, and left alone by a search."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ConfigError
from engine.jobs.members import configured, tell_of_difference
from engine.jobs.settings import Settings, load_settings
from ml.bundle import Bundle
from ml.ensemble import Ensemble
from ml.models.catalog import MEMBER_NAMES, default_models
from tests.makers import make_bars
from tests.ml.trained import custom_members, custom_models, manifest_for, quick_model, trained_on

BARS = make_bars(700)
NB = "sklearn.naive_bayes:GaussianNB"


def settings(**sections: Any) -> Settings:
    return load_settings(overrides=sections)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """A bundle with one of the five and the members of the example."""
    ensemble = trained_on(BARS, {"logistic": quick_model("logistic"), **custom_models()})
    return Bundle(ensemble, manifest_for(BARS))


def told(bundle: Bundle, members: dict[str, Any], caplog: pytest.LogCaptureFixture) -> str:
    caplog.clear()
    tell_of_difference(bundle, settings(members=members))
    return caplog.text


def as_stored(bundle: Bundle) -> dict[str, Any]:
    weights = {member.name: member.weight for member in bundle.ensemble.members}
    return {
        name: member.model_dump(exclude_none=True) | {"weight": weights[name]}
        for name, member in custom_members().items()
    }


def test_nothing_is_told_where_bundle_and_settings_agree(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    assert told(bundle, as_stored(bundle), caplog) == ""
    assert told(bundle, {}, caplog) == ""
    assert told(bundle, {"logistic": {"weight": 1.0}}, caplog) == ""


@pytest.mark.parametrize(
    ("name", "other", "expected"),
    [
        ("extra_trees", {"weight": 0.7}, "extra_trees weighs 2 in the bundle, not 0.7"),
        ("extra_trees", {"params": {"n_estimators": 9}}, "extra_trees is another one"),
        ("nearer_centre", {"estimator": NB}, "nearer_centre is another one"),
        ("nearer_centre", {"standardise": False}, "nearer_centre is another one"),
        ("mine", {"estimator": NB}, "members.mine is not in the bundle"),
        ("logistic", {"weight": 0.5}, "logistic weighs 1 in the bundle, not 0.5"),
    ],
)
def test_a_member_that_is_another_in_the_bundle_is_told(
    bundle: Bundle, caplog: pytest.LogCaptureFixture, name: str, other: Any, expected: str
) -> None:
    stored = as_stored(bundle)
    said = told(bundle, {**stored, name: {**stored.get(name, {}), **other}}, caplog)
    assert expected in said
    assert "train again" in said
    assert said.count("\n") == 1


def test_a_member_that_is_left_out_is_not_told_twice(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    gone = Ensemble(bundle.ensemble.members, 0.5, {"mine": "its library cannot be loaded"})
    assert told(replace(bundle, ensemble=gone), {"mine": {"estimator": NB}}, caplog) == ""


def test_without_settings_the_five_are_as_they_always_were() -> None:
    five = default_models("small", seed=3, jobs=1)
    assert configured(five, settings()) == five
    assert tuple(five) == MEMBER_NAMES


def test_a_search_leaves_them_alone_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    members = {"mine": {"estimator": NB}, "xgboost": {"weight": 0.4}}
    searching = settings(members=members, training={"optimize": True})
    found = configured(default_models("small", seed=0, jobs=1), searching)
    assert caplog.text.count("no parameters are searched for of mine") == 1
    model: Any = found["mine"][1]
    assert dict(model.search_space) == {}
    caplog.clear()
    configured({}, settings(members=members))
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[members.xgbost]\nweight = 1.0", "xgbost is none of random_forest, xgboost,"),
        (f'[members.svm]\nestimator = "{NB}"', "svm is a member already, and only its weight"),
        ("[members.svm]\nparams = { C = 1.0 }", "svm is a member already, and only its weight"),
        (f'[members."No Name"]\nestimator = "{NB}"', "'No Name' cannot name a member"),
        (f'[members.mine]\nestimator = "{NB}"\nweight = 0.0', "members.mine.weight: .*than 0"),
        (
            '[members.mine]\nestimator = "GaussianNB"',
            "members.mine.estimator: must be package.module:Class",
        ),
        (
            f'[members.mine]\nestimator = "{NB}"\nparams = {{ random_state = 1 }}',
            "members.mine: random_state is not a member's own: all chance comes from `seed`",
        ),
        (f'[members.mine]\nestimator = "{NB}"\nweigth = 1.0', "members.mine.weigth is not a known"),
    ],
)
def test_tables_that_make_no_sense_are_refused_in_one_line(
    text: str, expected: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=expected) as caught:
        load_settings(file)
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)
