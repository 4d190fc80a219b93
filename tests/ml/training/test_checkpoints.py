"""What a training finished before it was interrupted is not done again, and nothing changes."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml.base import Model, Samples
from ml.ensemble import Member
from ml.errors import BundleError, TrainingError
from ml.member_files import member_bytes, member_record
from ml.models.catalog import MEMBER_NAMES, SKOPS
from ml.models.configured import with_members
from ml.models.member_config import MemberConfig
from ml.training.checkpoints import Checkpoints, checkpoints
from ml.training.config import TrainingConfig
from ml.training.data_pipeline import TrainingSet
from ml.training.trainer import Trained, train, training_parts
from tests.ml.trained import EXAMPLE, quick_model, quick_models
from tests.ml.training.makers import (
    LinearModel,
    foretold,
    training_set,
    with_other_features,
    with_other_labels,
)

CONFIG = TrainingConfig()


class Interrupted(LinearModel):
    """Somebody presses Ctrl-C while it learns."""

    def fit(self, X: Any, y: Any, *, validation: Any = None) -> Any:
        raise KeyboardInterrupt


@pytest.fixture(scope="module")
def rows() -> TrainingSet:
    return foretold(training_set(), ones=0.3)


@pytest.fixture(scope="module")
def whole(rows: TrainingSet) -> Trained:
    """A training of all members that nothing interrupted and that kept nothing."""
    return train(rows, CONFIG, weighted(quick_models()), seed=0)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Checkpoints]:
    with checkpoints(tmp_path / "bundle") as kept:
        yield kept


def weighted(models: dict[str, Model]) -> dict[str, tuple[float, Model]]:
    return {name: (0.1 * place, model) for place, (name, model) in enumerate(models.items(), 1)}


def logistic() -> dict[str, tuple[float, Model]]:
    return {"logistic": (1.0, quick_model("logistic"))}


def interrupted_after(
    rows: TrainingSet, models: dict[str, tuple[float, Model]], kept: Checkpoints
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(rows, CONFIG, {**models, "last": (1.0, Interrupted())}, seed=0, kept=kept)


def taken_up(trained: Trained) -> list[str]:
    return [name for name, report in trained.report.members.items() if report.taken_up]


def assert_same_member(one: Member, other: Member, samples: Samples) -> None:
    """Assert that the members are the same to the last bit."""
    record = member_record(one, sha256="")
    assert record == member_record(other, sha256="")
    X = samples.shaped_for(one.model)
    answers = (member.model.predict_proba(X).tobytes() for member in (one, other))
    assert next(answers) == next(answers)
    if record.form != SKOPS:  # which stamps its archives with the time
        assert member_bytes(one) == member_bytes(other)


@pytest.mark.parametrize("finished", [1, 3, len(MEMBER_NAMES)])
def test_an_interrupted_training_goes_on_and_ends_with_the_same_members(
    rows: TrainingSet, whole: Trained, finished: int, kept: Checkpoints
) -> None:
    models = weighted(quick_models())
    done = dict(list(models.items())[:finished])
    interrupted_after(rows, done, kept)
    trained = train(rows, CONFIG, models, seed=0, kept=kept)
    assert taken_up(trained) == list(done)
    assert trained.ensemble.base_rate == whole.ensemble.base_rate
    for one, other in zip(trained.ensemble.members, whole.ensemble.members, strict=True):
        assert_same_member(one, other, rows.samples)
    for name in done:
        found, before = trained.report.members[name], whole.report.members[name]
        assert replace(found, seconds=0.0, taken_up=False) == replace(before, seconds=0.0)


def test_a_member_that_is_taken_up_bears_the_weight_of_this_training(
    rows: TrainingSet, kept: Checkpoints
) -> None:
    train(rows, CONFIG, logistic(), seed=0, kept=kept)
    again = train(rows, CONFIG, {"logistic": (0.3, quick_model("logistic"))}, seed=0, kept=kept)
    assert taken_up(again) == ["logistic"]
    assert again.ensemble.members[0].weight == 0.3


@pytest.mark.parametrize("what", ["labels", "features", "calibrate", "parameters", "seed"])
def test_a_member_that_was_given_anything_else_learns_anew(
    rows: TrainingSet, what: str, kept: Checkpoints
) -> None:
    train(rows, CONFIG, logistic(), seed=0, kept=kept)
    parts = training_parts(rows, CONFIG)
    changed = {
        "labels": with_other_labels(rows, parts.train[:1]),
        "features": with_other_features(rows, parts.train[:1]),
        "calibrate": with_other_labels(rows, parts.calibrate[:1]),
    }
    models = logistic()
    if what == "parameters":
        models = {"logistic": (1.0, quick_model("logistic").set_params(C=0.5))}
    seed = 1 if what == "seed" else 0  # of the rows that SMOTE invents
    trained = train(changed.get(what, rows), CONFIG, models, seed=seed, kept=kept)
    assert taken_up(trained) == []


def custom(source: Path) -> tuple[dict[str, MemberConfig], dict[str, tuple[float, Model]]]:
    """Return a member whose class is in a file, for the settings and for a training."""
    members = {"mine": MemberConfig(estimator=f"{source}:NearerCentre")}
    return members, with_members({}, members, seed=0)


def test_a_member_of_ones_own_is_taken_up_as_long_as_its_file_is_the_same(
    rows: TrainingSet, tmp_path: Path
) -> None:
    source = Path(shutil.copy(EXAMPLE.with_suffix(".py"), tmp_path))
    members, models = custom(source)
    kept = Checkpoints(tmp_path / "kept", members)
    kept.folder.mkdir()
    found = [taken_up(train(rows, CONFIG, models, seed=0, kept=kept)) for _ in range(2)]
    source.write_text(source.read_text() + "\n# other\n")
    found.append(taken_up(train(rows, CONFIG, models, seed=0, kept=kept)))
    assert found == [[], ["mine"], []]


def test_a_kept_member_of_ones_own_runs_no_code_unless_the_settings_name_it(
    rows: TrainingSet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    members, models = custom(EXAMPLE.with_suffix(".py"))
    train(rows, CONFIG, models, seed=0, kept=Checkpoints(tmp_path, members))
    (file,) = tmp_path.iterdir()
    key = json.loads(file.read_bytes().splitlines()[1])["key"]
    assert Checkpoints(tmp_path, members).find("mine", key) is not None
    assert Checkpoints(tmp_path).find("mine", key) is None
    assert "only what the settings name is run" in caplog.text


def test_rows_of_the_test_part_matter_to_no_member_that_was_kept(
    rows: TrainingSet, kept: Checkpoints
) -> None:
    train(rows, CONFIG, logistic(), seed=0, kept=kept)
    changed = with_other_labels(rows, training_parts(rows, CONFIG).test)
    assert taken_up(train(changed, CONFIG, logistic(), seed=0, kept=kept)) == ["logistic"]


@pytest.fixture(scope="module")
def file(rows: TrainingSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a member that was kept."""
    folder = tmp_path_factory.mktemp("kept")
    train(rows, CONFIG, logistic(), seed=0, kept=Checkpoints(folder))
    (path,) = folder.iterdir()
    return path


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_left_alone_and_the_member_learns_anew(
    file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, data: st.DataObject
) -> None:
    sound = file.read_bytes()
    at = data.draw(st.integers(0, len(sound) - 1))
    byte, cut = data.draw(st.integers(1, 255)), data.draw(st.booleans())
    spoilt = sound[:at] if cut else sound[:at] + bytes([sound[at] ^ byte]) + sound[at + 1 :]
    (tmp_path / file.name).write_bytes(spoilt)
    caplog.clear()
    key = json.loads(sound.splitlines()[1])["key"]
    assert Checkpoints(file.parent).find("logistic", key) is not None
    assert Checkpoints(tmp_path).find("logistic", key) is None
    assert "is left alone and logistic learns anew" in caplog.text


def test_a_member_that_learned_anew_takes_the_place_of_the_damaged_file(
    rows: TrainingSet, file: Path, tmp_path: Path
) -> None:
    (tmp_path / file.name).write_bytes(b"")
    for expected in ([], ["logistic"]):
        trained = train(rows, CONFIG, logistic(), seed=0, kept=Checkpoints(tmp_path))
        assert taken_up(trained) == expected


def test_a_file_under_another_name_is_not_taken_up(
    rows: TrainingSet, file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    changed = with_other_labels(rows, training_parts(rows, CONFIG).train[:1])
    train(changed, CONFIG, logistic(), seed=0, kept=Checkpoints(tmp_path))
    (other,) = tmp_path.iterdir()
    other.write_bytes(file.read_bytes())
    trained = train(changed, CONFIG, logistic(), seed=0, kept=Checkpoints(tmp_path))
    assert taken_up(trained) == []
    assert "it was given other rows or parameters" in caplog.text


def test_a_member_that_cannot_be_kept_is_told_of_and_the_training_goes_on(
    rows: TrainingSet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    trained = train(rows, CONFIG, logistic(), seed=0, kept=Checkpoints(tmp_path / "file"))
    assert "logistic has learned but cannot be kept" in caplog.text
    assert len(trained.ensemble.members) == 1


# The folder


def test_the_folder_lies_beside_the_bundle_and_goes_with_a_good_end(tmp_path: Path) -> None:
    bundle = tmp_path / "models" / "mine"
    with checkpoints(bundle) as kept:
        assert kept.folder == tmp_path / "models" / "mine.partial"
        (kept.folder / "svm-0123.member").touch()
        (kept.folder / ".svm-0123.member.77.part").touch()  # of a process that was killed
    assert list(bundle.parent.iterdir()) == []


def test_the_folder_stays_with_what_it_holds_when_the_training_does_not_end(
    rows: TrainingSet, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt), checkpoints(tmp_path / "b") as kept:
        train(rows, CONFIG, {**logistic(), "last": (1.0, Interrupted())}, seed=0, kept=kept)
    assert [path.name for path in tmp_path.iterdir()] == ["b.partial"]
    with checkpoints(tmp_path / "b") as kept:
        assert taken_up(train(rows, CONFIG, logistic(), seed=0, kept=kept)) == ["logistic"]
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_finished_nothing_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), checkpoints(tmp_path / "b"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_what_somebody_else_keeps_in_the_folder_stays(tmp_path: Path) -> None:
    note = tmp_path / "b.partial" / "note.txt"
    note.parent.mkdir()
    note.touch()
    with checkpoints(tmp_path / "b"):
        pass
    assert note.exists()


def test_a_second_training_of_the_same_bundle_is_refused(tmp_path: Path) -> None:
    with checkpoints(tmp_path / "b") as kept, checkpoints(tmp_path / "other"):
        for _ in range(2):
            with (
                pytest.raises(TrainingError, match="only one training may write a bundle"),
                checkpoints(tmp_path / "b"),
            ):
                pass
            assert kept.folder.is_dir()
    with checkpoints(tmp_path / "b"):
        pass


def test_a_folder_that_cannot_be_made_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "b.partial").touch()
    refused = pytest.raises(BundleError, match=r"b\.partial: .* cannot be made")
    with refused as caught, checkpoints(tmp_path / "b"):
        pass
    assert "\n" not in str(caught.value)


def test_a_bundle_in_the_folder_in_which_the_command_runs_has_a_folder_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with checkpoints(Path()) as kept:
        assert kept.folder == tmp_path / "here.partial"
    assert list(tmp_path.iterdir()) == [tmp_path / "here"]
