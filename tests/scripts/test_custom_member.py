"""The example with members of one's own, from the command line: trained, asked, shown."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from engine.jobs.settings import load_settings
from evaluate_ml_ensemble import main as evaluate
from ml.bundle import load_bundle
from ml.models.catalog import MEMBER_NAMES
from run_backtest import main as backtest
from show_run import main as show
from tests.ml.trained import EXAMPLE
from tests.world import World
from train_ml_ensemble import main as train

OWN = ("extra_trees", "nearer_centre")
UNTIL = "2022-02-15"


@pytest.fixture(scope="module", autouse=True)
def _in_the_repository() -> Any:
    """Paths in the example count from the folder in which the command is run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(EXAMPLE.parents[1])
        yield


@pytest.fixture(scope="module")
def bundle(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "custom"
    words = ["--config", EXAMPLE, *data(world), "--end-date", UNTIL]
    assert train([*map(str, [*words, "--preset", "small", "--output", path])]) == 0
    return path


def data(world: World) -> list[object]:
    return [word for file in world.files for word in ("--data", file)]


def answer(capsys: pytest.CaptureFixture[str], command: Any, *words: object) -> Any:
    """Run the command and return the one JSON object on stdout."""
    capsys.readouterr()
    assert command([*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refusal(capsys: pytest.CaptureFixture[str], command: Any, *words: object) -> str:
    """Run the command and return its one line of refusal."""
    capsys.readouterr()
    assert command([*map(str, words)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err


def test_the_members_learn_as_the_others_do_and_the_five_stay_what_they_are(
    bundle: Path, world: World
) -> None:
    members = load_settings(EXAMPLE).members
    custom, plain = load_bundle(bundle, members), load_bundle(world.bundle)
    assert [m.name for m in custom.ensemble.members] == [*MEMBER_NAMES, *OWN]
    for ours, theirs in zip(plain.ensemble.members, custom.ensemble.members, strict=False):
        assert (ours.name, ours.weight, ours.calibrator) == (
            theirs.name, theirs.weight, theirs.calibrator,
        )  # fmt: skip
    learned: Any = custom.manifest.metrics["training"]
    for name in OWN:
        given, svm = learned["members"][name], learned["members"]["svm"]
        assert given["synthetic_rows"] == svm["synthetic_rows"] > 0
        scores: Any = custom.manifest.metrics["test"]
        assert 0.0 <= scores["members"][name]["roc_auc"] <= 1.0


def test_a_comparison_asks_them_and_keeps_their_votes(
    bundle: Path, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--config", EXAMPLE, "--model", bundle, "--start-date", UNTIL, "--ml", "compare"]
    found = answer(capsys, backtest, *words, *data(world), "--out", tmp_path)
    _, on = found["runs"]
    assert on["ml_asked"] > 0 == on["ml_unavailable"]
    journal = pd.read_parquet(Path(found["run_dir"]) / "on" / "decisions.parquet")
    asked = journal[journal["ml"] == "answered"]
    votes = {name: asked[f"vote_{name}"] for name in (*MEMBER_NAMES, *OWN)}
    weights = {m.name: m.weight for m in loaded(bundle).ensemble.members}
    mean = sum(weights[name] * vote for name, vote in votes.items()) / sum(weights.values())
    pd.testing.assert_series_equal(mean, asked["probability"], check_names=False)
    again = answer(capsys, backtest, *words, *data(world), "--out", tmp_path)
    assert again["result_hash"] == found["result_hash"]
    assert "only what the settings name is run" in refusal(
        capsys, show, found["run_dir"], "--rerun"
    )
    assert answer(capsys, show, found["run_dir"], "--rerun", "--config", EXAMPLE)["identical"]
    page = Path(found["run_dir"], "report.html").read_text()
    assert "--rerun --config settings.toml" in page


def loaded(bundle: Path) -> Any:
    return load_bundle(bundle, load_settings(EXAMPLE).members)


def test_an_evaluation_says_what_each_of_them_adds(
    bundle: Path, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--config", EXAMPLE, "--model", bundle, "--feature-importance"]
    found = answer(capsys, evaluate, *words, "--data", world.files[0])
    added = {each["name"]: each for each in found["member_contribution"]["members"]}
    assert added.keys() == {*MEMBER_NAMES, *OWN}
    assert added["extra_trees"]["weight"] == pytest.approx(0.1 / 1.3)
    assert added["nearer_centre"]["weight"] == pytest.approx(0.2 / 1.3)


def test_an_update_trains_them_anew_on_longer_bars(
    bundle: Path, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(shutil.copytree(bundle, tmp_path / "custom"))
    words = ["--update", "--promote", "unless-worse", *data(world), "--output", path]
    assert "only what the settings name is run" in refusal(capsys, train, *words)
    answer(capsys, train, *words, "--config", EXAMPLE)
    before, after = loaded(bundle), loaded(path)
    assert after.manifest.seen_until > before.manifest.seen_until
    for old, new in zip(before.ensemble.members, after.ensemble.members, strict=True):
        assert (new.name, new.weight) == (old.name, old.weight)
        assert type(new.model) is type(old.model)
        assert new.model.get_params() == old.model.get_params()  # threads included
        assert new.calibrator != old.calibrator


def test_without_the_settings_the_bundle_runs_no_code_of_its_own(
    bundle: Path, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--model", bundle, "--start-date", UNTIL, *data(world), "--out", tmp_path]
    trees = "sklearn.ensemble:ExtraTreesClassifier"
    line = refusal(capsys, backtest, *words, "--ml", "on")
    assert f"extra_trees: it is {trees}" in line
    assert f'[members.extra_trees] estimator = "{trees}"' in line
    config = tmp_path / "trees.toml"
    config.write_text(f'members.extra_trees = {{ estimator = "{trees}" }}\n')
    line = refusal(capsys, backtest, *words, "--ml", "on", "--config", config)
    assert "nearer_centre: it is examples/custom_member.py:NearerCentre" in line
    assert '[members.nearer_centre] estimator = "examples/custom_member.py:NearerCentre"' in line


def test_a_member_that_cannot_vote_is_refused_before_bars_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "mine.toml"
    config.write_text('members.mine = { estimator = "sklearn.svm:LinearSVC" }\n')
    words = ["--config", config, "--data", tmp_path / "none.parquet", "--output"]
    line = refusal(capsys, train, *words, tmp_path / "models" / "m")
    assert "members.mine: sklearn.svm:LinearSVC must have predict_proba" in line
    assert "none.parquet" not in line
