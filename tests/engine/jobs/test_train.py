"""The train command: what was searched for, and what an interrupted training leaves."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.jobs.default_market import default_run
from engine.jobs.settings import Settings, load_settings
from engine.jobs.train import TrainReport, train_bundle
from feeds.bars import Bars
from ml.bundle import Bundle, load_bundle
from ml.models.search_space import search_space
from ml.models.svm_model import SVMModel
from tests.engine.jobs.update_makers import LEARNED, market, settings_at
from tests.ml.trained import quick_model

SEARCH = {"optimize": True, "trials": 2, "tuning_folds": 1, "tuning_rows": 500}
QUICK = {name: (0.5, quick_model(name)) for name in ("logistic", "xgboost", "svm")}


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    """Let every training here be of three quick members."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.jobs.train.default_models", lambda *_, **__: QUICK)
        yield


@pytest.fixture(scope="module")
def bars() -> Bars:
    return market("BTC/USDT")


@pytest.fixture(scope="module")
def tuned(bars: Bars, tmp_path_factory: pytest.TempPathFactory) -> TrainReport:
    path = tmp_path_factory.mktemp("tuned") / "bundle"
    return train_bundle([bars], settings_for(path, **SEARCH))


def settings_for(path: Path, **training: object) -> Settings:
    return settings_at(path, **{**LEARNED, "preset": "small", **training})


def as_stored(bundle: Bundle, path: Path) -> dict[str, object]:
    """Return of each member calibrator and parameters, and its file where that is repeatable."""
    version = path / (path / "current").read_text()
    return {
        member.name: (
            member.calibrator,
            member.model.get_params(),  # type: ignore[attr-defined]  # scikit-learn's
            [f.read_bytes() for f in version.glob(f"{member.name}.*") if f.suffix != ".skops"],
        )
        for member in bundle.ensemble.members
    }


def test_the_members_have_the_parameters_that_were_found(tuned: TrainReport) -> None:
    bundle = load_bundle(tuned.path)
    facts: Any = bundle.manifest.tuning
    assert facts["trials"] == 2 * len(QUICK)
    assert facts["members"].keys() == QUICK.keys()
    for member in bundle.ensemble.members:
        params = member.model.get_params()  # type: ignore[attr-defined]  # scikit-learn's
        best = facts["members"][member.name]["best_params"]
        assert best.keys() == search_space(member.model).keys()
        assert best.items() <= params.items()


def test_a_search_is_in_the_answer_and_in_the_text(tuned: TrainReport) -> None:
    facts = json.loads(json.dumps(tuned.to_json()))["tuning"]
    assert facts == load_bundle(tuned.path).manifest.tuning
    assert f"tuning: {facts['trials']} trials on 1 folds of the train part" in tuned.text()


def test_a_training_on_few_bars_says_that_drift_will_not_be_watched(tuned: TrainReport) -> None:
    assert load_bundle(tuned.path).manifest.references is None
    *_, said, kept = tuned.text().splitlines()
    assert said.startswith("drift: a paper session will not watch it")
    assert "4,000 decisive bars" in said
    assert kept == f"kept in {tuned.path}"


def test_only_the_bundle_and_its_trials_are_left(tuned: TrainReport) -> None:
    left = {path.name for path in tuned.path.parent.iterdir()}
    assert left == {"bundle", "bundle.tuning.sqlite"}


def test_an_interrupted_training_goes_on_and_its_bundle_is_the_same(
    bars: Bars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    path, other = tmp_path / "broken", tmp_path / "whole"
    with monkeypatch.context() as patch:
        patch.setattr(SVMModel, "_learn", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train_bundle([bars], settings_for(path))
    assert (tmp_path / "broken.partial").is_dir()
    report = train_bundle([bars], settings_for(path))
    assert "taken up from a training that did not end: logistic, xgboost\n" in report.text()
    assert "taken up" not in train_bundle([bars], settings_for(other)).text()
    assert as_stored(load_bundle(path), path) == as_stored(load_bundle(other), other)
    assert not list(tmp_path.glob("*.partial"))


def test_a_training_without_a_search_says_nothing_of_one(bars: Bars, tmp_path: Path) -> None:
    report = train_bundle([bars], settings_for(tmp_path / "bundle"))
    assert report.manifest.tuning == {}
    assert "tuning" not in report.text()
    for member in load_bundle(report.path).ensemble.members:
        params = member.model.get_params()  # type: ignore[attr-defined]  # scikit-learn's
        assert params == QUICK[member.name][1].get_params()


def test_the_embedded_default_is_small_and_never_searched_for(tmp_path: Path) -> None:
    settings = load_settings(overrides={"training": {"optimize": True}})
    training = default_run(settings, tmp_path, train=False).settings.training
    assert (training.preset, training.optimize) == ("small", False)
