"""Bundles: what is stored comes back, what is damaged is named, what is planted does not run."""

import hashlib
import json
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from ml.base import Samples
from ml.bundle import Bundle, load_bundle, load_version, save_bundle
from ml.bundle_folder import VERSIONS_KEPT
from ml.calibration import PlattCalibrator
from ml.ensemble import Ensemble, Member
from ml.errors import BundleDamagedError, BundleError, BundleMismatchError, BundleMissingError
from ml.models.catalog import MEMBER_NAMES, form_of
from ml.prediction import Prediction
from tests.makers import make_bars
from tests.ml.trained import manifest_for, quick_model, samples_of, trained_on

BARS = make_bars(700)


@pytest.fixture(scope="module")
def ensemble() -> Ensemble:
    return trained_on(BARS)


@pytest.fixture(scope="module")
def stored(ensemble: Ensemble, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that tests must leave as it is."""
    path = tmp_path_factory.mktemp("stored") / "bundle"
    save_bundle(ensemble, manifest_for(BARS), path)
    return path


@pytest.fixture
def bundle_path(stored: Path, tmp_path: Path) -> Path:
    """A copy to play with."""
    return Path(shutil.copytree(stored, tmp_path / "bundle"))


@pytest.fixture(scope="module")
def small() -> Ensemble:
    """An ensemble of one member, quick to store."""
    return trained_on(BARS, {"plain": LogisticRegression(max_iter=500)})


def version_of(path: Path) -> Path:
    return path / (path / "current").read_text()


def files_of(path: Path) -> list[Path]:
    return sorted([path / "current", *version_of(path).iterdir()])


def probabilities(ensemble: Ensemble) -> Any:
    return ensemble.predict(samples_of(BARS)).probability


def replant(path: Path, change: Any) -> None:
    """Change the version in force as somebody could who writes the digests anew."""
    version = version_of(path)
    text = json.loads((version / "manifest.json").read_text())
    change(version, text)
    data = json.dumps(text).encode()
    (version / "manifest.json").write_bytes(data)
    name = version.name[:-16] + hashlib.sha256(data).hexdigest()[:16]
    version.rename(path / name)
    (path / "current").write_text(name)


def plant(name: str, data: bytes) -> Any:
    """Return a change that puts `data` in the place of member `name`."""

    def change(version: Path, text: Any) -> None:
        (version / name).write_bytes(data)
        (record,) = (r for r in text["members"] if f"{r['name']}.{r['form']}" == name)
        record["sha256"] = hashlib.sha256(data).hexdigest()

    return change


# What is stored comes back


def test_predictions_come_back_to_the_last_bit(ensemble: Ensemble, stored: Path) -> None:
    loaded = load_bundle(stored)
    np.testing.assert_array_equal(probabilities(loaded.ensemble), probabilities(ensemble))
    assert loaded.ensemble.left_out == {}
    assert loaded.ensemble.base_rate == ensemble.base_rate
    assert [(m.name, m.weight, m.calibrator) for m in loaded.ensemble.members] == [
        (m.name, m.weight, m.calibrator) for m in ensemble.members
    ]


def test_the_manifest_comes_back(stored: Path) -> None:
    loaded = load_bundle(stored)
    assert loaded.manifest == manifest_for(BARS)
    assert loaded.manifest.libraries.keys() >= {"numpy", "scikit-learn", "torch", "xgboost"}


def test_the_digest_is_that_of_the_manifest_file(stored: Path) -> None:
    data = (version_of(stored) / "manifest.json").read_bytes()
    assert load_bundle(stored).digest == hashlib.sha256(data).hexdigest()


def test_every_member_lies_in_a_form_that_runs_no_code(stored: Path) -> None:
    found = {f.name for f in version_of(stored).iterdir()}
    assert found == {"manifest.json", *(f"{name}.{form_of(name)}" for name in MEMBER_NAMES)}
    assert found >= {"random_forest.skops", "xgboost.ubjson", "lstm.safetensors"}
    assert not [name for name in found if name.endswith((".pkl", ".joblib", ".pt"))]


def test_any_classifier_of_scikit_learn_can_be_stored(small: Ensemble, tmp_path: Path) -> None:
    save_bundle(small, manifest_for(BARS), tmp_path)
    np.testing.assert_array_equal(
        probabilities(load_bundle(tmp_path).ensemble), probabilities(small)
    )


def test_the_latest_version_is_in_force_and_five_are_kept(small: Ensemble, tmp_path: Path) -> None:
    versions = [
        save_bundle(
            small, manifest_for(BARS, created_at=np.datetime64(f"2024-06-0{day}")), tmp_path
        )
        for day in range(1, 9)
    ]
    assert load_bundle(tmp_path).manifest.created_at.day == 8
    kept = sorted(f for f in tmp_path.iterdir() if f.is_dir())
    assert kept == versions[-VERSIONS_KEPT:]


def test_a_version_is_found_by_its_digest_until_it_is_gone(small: Ensemble, tmp_path: Path) -> None:
    first = save_bundle(small, manifest_for(BARS), tmp_path)
    digest = load_bundle(tmp_path).digest
    save_bundle(small, manifest_for(BARS, created_at=np.datetime64("2024-06-02")), tmp_path)
    found = load_version(tmp_path, digest)
    assert found is not None
    assert (found.digest, found.kept.version) == (digest, first)
    (first / "manifest.json").write_bytes(b"{}")
    with pytest.raises(BundleDamagedError):
        load_version(tmp_path, digest)
    shutil.rmtree(first)
    assert load_version(tmp_path, digest) is None
    assert load_version(tmp_path / "nowhere", digest) is None


def test_the_version_in_force_is_kept_even_if_it_says_that_it_is_older(
    small: Ensemble, tmp_path: Path
) -> None:
    for day in (9, 8, 7, 6, 5, 4, 3):
        moment = np.datetime64(f"2024-06-0{day}")
        save_bundle(small, manifest_for(BARS, created_at=moment), tmp_path)
        assert load_bundle(tmp_path).manifest.created_at.day == day
    assert len([f for f in tmp_path.iterdir() if f.is_dir()]) == VERSIONS_KEPT


# What is damaged is named


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_any_flipped_bit_is_named_with_its_file(stored: Path, data: st.DataObject) -> None:
    file = data.draw(st.sampled_from(files_of(stored)), label="file")
    whole = file.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1), label="place")
    bit = data.draw(st.integers(0, 7), label="bit")
    flipped = bytearray(whole)
    flipped[place] ^= 1 << bit
    try:
        file.write_bytes(flipped)
        with pytest.raises(BundleDamagedError, match=file.name):
            load_bundle(stored)
    finally:
        file.write_bytes(whole)


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
def test_any_truncated_file_is_named(bundle_path: Path, keep: float) -> None:
    for file in files_of(bundle_path):
        whole = file.read_bytes()
        file.write_bytes(whole[: int(keep * len(whole))])
        with pytest.raises(BundleDamagedError, match=file.name):
            load_bundle(bundle_path)
        file.write_bytes(whole)


def test_any_missing_file_is_named(bundle_path: Path) -> None:
    for file in files_of(bundle_path):
        whole = file.read_bytes()
        file.unlink()
        with pytest.raises(BundleDamagedError, match=file.name):
            load_bundle(bundle_path)
        file.write_bytes(whole)


def test_a_folder_that_current_does_not_name_rightly_is_damaged(bundle_path: Path) -> None:
    (bundle_path / "current").write_text("../elsewhere")
    with pytest.raises(BundleDamagedError, match="must name a version that is there"):
        load_bundle(bundle_path)


def test_no_bundle_is_missing_and_says_what_to_do(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(BundleMissingError, match="train one with train_ml_ensemble"):
            load_bundle(path)


def test_a_file_is_not_a_bundle(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("x")
    with pytest.raises(BundleError, match="a bundle is a folder"):
        load_bundle(tmp_path / "model")
    with pytest.raises(BundleError, match="this is a file"):
        save_bundle(Ensemble((), 0.5, {"a": "gone"}), manifest_for(BARS), tmp_path / "model")


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("x")
    with pytest.raises(BundleError, match="holds other things"):
        save_bundle(Ensemble((), 0.5, {"a": "gone"}), manifest_for(BARS), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "model.pickle", "MODEL.PKL"])
def test_a_pickle_gets_one_line_and_is_not_opened(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"cos\nsystem\n(S'touch planted'\ntR.")
    with pytest.raises(BundleError, match=r"a bundle is a folder such as models") as caught:
        load_bundle(tmp_path / name)
    assert "\n" not in str(caught.value)
    with pytest.raises(BundleError, match="neither read nor written"):
        save_bundle(Ensemble((), 0.5, {"a": "gone"}), manifest_for(BARS), tmp_path / name)


def test_another_format_is_refused_by_its_number(bundle_path: Path) -> None:
    replant(bundle_path, lambda _, text: text.update(format=2))
    with pytest.raises(BundleMismatchError, match="the bundle has format 2, this version reads 1"):
        load_bundle(bundle_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda _, text: text.update(surprise=1),
        lambda _, text: text["manifest"].pop("seed"),
        lambda _, text: text["members"][0].update(name="../../evil"),
        lambda _, text: text["members"][0].update(form="pickle"),
        lambda _, text: text["members"][0].update(weight=-1.0),
        lambda _, text: text["members"][0]["calibrator"].update(slope=-1.0),
        lambda _, text: text["members"][2]["params"].update(surprise=1),
        lambda _, text: text["members"][2]["params"].update(hidden=9),
    ],
)
def test_a_manifest_that_breaks_its_rules_is_damaged(bundle_path: Path, change: Any) -> None:
    replant(bundle_path, change)
    with pytest.raises(BundleDamagedError) as caught:
        load_bundle(bundle_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["svm.skops", "xgboost.ubjson", "lstm.safetensors"])
@pytest.mark.parametrize("data", [b"", b"nonsense", b"{" + b"\x00" * 64])
def test_bytes_that_are_no_model_are_damaged_whatever_their_digest(
    bundle_path: Path, name: str, data: bytes
) -> None:
    replant(bundle_path, plant(name, data))
    with pytest.raises(BundleDamagedError, match=f"{name} cannot be read"):
        load_bundle(bundle_path)


@pytest.mark.parametrize(
    ("name", "attribute", "spoil"),
    [
        ("logistic", "classifier_.coef_", lambda coef: coef[:0]),
        ("logistic", "classifier_.coef_", lambda coef: coef[0]),
        ("logistic", "classifier_.intercept_", lambda intercept: intercept[:0]),
        ("logistic", "scaler_.mean_", lambda mean: mean[:-1]),
        ("svm", "classifier_.dual_coef_", lambda weights: weights[:0]),
        ("svm", "classifier_.support_vectors_", lambda supports: supports[:, :-1]),
        ("random_forest", "forest_.estimators_", lambda trees: trees[:0]),
    ],
)
def test_arrays_that_do_not_fit_together_are_damaged_when_read_and_not_in_a_run(
    bundle_path: Path, name: str, attribute: str, spoil: Any
) -> None:
    model: Any = trained_on(BARS, {name: quick_model(name)}).members[0].model
    owner, _, last = attribute.rpartition(".")
    part = getattr(model, owner)
    vars(part)[last] = spoil(getattr(part, last))
    replant(bundle_path, plant(f"{name}.skops", skops.io.dumps(model)))
    with pytest.raises(BundleDamagedError, match=rf"{name}\.skops cannot be read"):
        load_bundle(bundle_path)


# What is planted does not run


class Evil(LogisticRegression):
    """A type that nobody trusts."""


def with_hook(marker: Path) -> LogisticRegression:
    model = LogisticRegression()
    model.hook_ = partial(Path.touch, marker)
    return model


def test_a_planted_type_is_refused_by_name(bundle_path: Path, tmp_path: Path) -> None:
    for model, name in ((Evil(), "Evil"), (with_hook(tmp_path / "ran"), "partial")):
        replant(bundle_path, plant("svm.skops", skops.io.dumps(model)))
        with pytest.raises(BundleDamagedError, match=rf"svm\.skops cannot be read.*{name}"):
            load_bundle(bundle_path)
    assert not (tmp_path / "ran").exists()


def test_a_type_that_would_be_refused_is_not_stored(tmp_path: Path) -> None:
    member = Member("evil", 1.0, Evil(), PlattCalibrator(slope=1.0, intercept=0.0))
    with pytest.raises(BundleError, match=r"member evil: .*TRUSTED_TYPES, found .*Evil"):
        save_bundle(Ensemble((member,), 0.5), manifest_for(BARS), tmp_path)
    with pytest.raises(BundleMissingError):
        load_bundle(tmp_path)


@pytest.mark.parametrize(
    ("array", "value"),
    [
        ("children_left", 10_000),
        ("children_right", 0),  # round in a circle
        ("children_left", -7),
        ("feature", 10_000),
        ("feature", -5),
        ("threshold", np.nan),
    ],
)
def test_a_tree_that_leads_out_of_its_memory_or_nowhere_is_refused(
    bundle_path: Path, array: str, value: float
) -> None:
    forest = trained_on(BARS, {"forest": quick_model("random_forest")}).members[0].model
    getattr(forest.forest_.estimators_[3].tree_, array)[0] = value  # type: ignore[attr-defined]
    replant(bundle_path, plant("random_forest.skops", skops.io.dumps(forest)))
    with pytest.raises(
        BundleDamagedError, match=r"a tree points outside itself|a threshold that is not a number"
    ):
        load_bundle(bundle_path)


# Members whose library is missing


def test_a_member_without_its_library_is_left_out_and_the_rest_serves(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ml.models.lstm_model", None)
    loaded = load_bundle(stored).ensemble
    assert "its library cannot be loaded" in loaded.left_out["lstm"]
    found = loaded.predict(Samples(samples_of(BARS).matrix, np.array([500]))).at(0)
    assert isinstance(found, Prediction)
    assert found.votes.keys() == {*MEMBER_NAMES} - {"lstm"}
    assert list(found.left_out) == ["lstm"]


def test_a_bundle_of_which_no_library_is_there_loads_and_has_no_opinion(
    bundle_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (*(f"ml.models.{name}_model" for name in MEMBER_NAMES), "ml.skops_file"):
        monkeypatch.setitem(sys.modules, module, None)
    loaded: Bundle = load_bundle(bundle_path)
    assert loaded.ensemble.left_out.keys() == {*MEMBER_NAMES}
    assert not loaded.ensemble.predict(samples_of(BARS)).available.any()
