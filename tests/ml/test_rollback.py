"""The way back: each version knows which one it replaced, and any that is kept can be named."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from ml.bundle import copy_bundle, load_bundle, roll_back, save_bundle
from ml.bundle_folder import VERSIONS_KEPT, name_in_force, version_before, versions
from ml.ensemble import Ensemble
from ml.errors import BundleDamagedError, BundleError, BundleMissingError
from tests.makers import make_bars
from tests.ml.test_bundle_writing import KILLED, die_at_change
from tests.ml.trained import manifest_for, trained_on

BARS = make_bars(500)
MANY = 12


@pytest.fixture(scope="module")
def ensemble() -> Ensemble:
    return trained_on(BARS, {"plain": LogisticRegression(max_iter=500)})


@pytest.fixture(scope="module")
def shelf(ensemble: Ensemble, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Whole versions, oldest first, each alone in a bundle of its own."""
    root = tmp_path_factory.mktemp("shelf")
    return [save(ensemble, root / str(day), day).parent for day in range(1, MANY + 1)]


def save(ensemble: Ensemble, path: Path, day: int) -> Path:
    moment = np.datetime64(f"2024-06-{day:02}")
    return save_bundle(ensemble, manifest_for(BARS, created_at=moment), path)


def day_in_force(path: Path) -> int:
    return load_bundle(path).manifest.created_at.day


def test_a_rollback_goes_back_by_one_each_time(ensemble: Ensemble, tmp_path: Path) -> None:
    saved = [save(ensemble, tmp_path, day) for day in (1, 2, 3)]
    for day in (2, 1):
        found = roll_back(tmp_path)
        assert found.kept.version == saved[day - 1]
        assert found.digest == load_bundle(tmp_path).digest
        assert day_in_force(tmp_path) == day
    with pytest.raises(BundleError, match="no version is kept from before the one in force"):
        roll_back(tmp_path)
    assert day_in_force(tmp_path) == 1
    assert versions(tmp_path) == [version.name for version in saved]  # nothing is deleted


def test_after_a_rollback_the_way_back_passes_by_what_was_given_up(
    ensemble: Ensemble, tmp_path: Path
) -> None:
    for day in (1, 2, 3):
        save(ensemble, tmp_path, day)
    roll_back(tmp_path)
    save(ensemble, tmp_path, 4)
    roll_back(tmp_path)
    assert day_in_force(tmp_path) == 2  # what was running when 4 came, and not 3


def test_any_version_that_is_kept_can_be_named(ensemble: Ensemble, tmp_path: Path) -> None:
    saved = [save(ensemble, tmp_path, day) for day in (1, 2, 3)]
    roll_back(tmp_path, to=saved[0].name)
    assert day_in_force(tmp_path) == 1
    roll_back(tmp_path, to=saved[2].name)  # forward again
    assert day_in_force(tmp_path) == 3
    with pytest.raises(BundleError, match="in force already"):
        roll_back(tmp_path, to=saved[2].name)


@pytest.mark.parametrize("name", ["", "..", "20240601T000000Z-0123456789abcdef", "current"])
def test_a_name_that_is_not_kept_is_refused_with_those_that_are(
    ensemble: Ensemble, tmp_path: Path, name: str
) -> None:
    saved = [save(ensemble, tmp_path, day).name for day in (1, 2)]
    with pytest.raises(BundleError, match=f"must be kept, found .*{saved[0]}, {saved[1]}"):
        roll_back(tmp_path, to=name)
    assert day_in_force(tmp_path) == 2


def test_versions_from_before_it_was_noted_go_back_to_the_latest_older_one(
    ensemble: Ensemble, tmp_path: Path
) -> None:
    for day in (1, 2, 3):
        (save(ensemble, tmp_path, day) / "before").unlink(missing_ok=True)
    roll_back(tmp_path)
    assert day_in_force(tmp_path) == 2


@pytest.mark.parametrize("noise", [b"", b"\xff\xfe", b"../../etc", b"20240601T000000Z-0123"])
def test_noise_in_the_note_is_as_good_as_none(
    ensemble: Ensemble, tmp_path: Path, noise: bytes
) -> None:
    saved = [save(ensemble, tmp_path, day) for day in (1, 2, 3)]
    (saved[2] / "before").write_bytes(noise)
    roll_back(tmp_path)
    assert day_in_force(tmp_path) == 2


def test_a_damaged_version_is_not_put_in_force(ensemble: Ensemble, tmp_path: Path) -> None:
    first = save(ensemble, tmp_path, 1)
    save(ensemble, tmp_path, 2)
    member = first / "plain.skops"
    member.write_bytes(member.read_bytes()[:-1])
    with pytest.raises(BundleDamagedError, match=r"plain\.skops"):
        roll_back(tmp_path)
    assert day_in_force(tmp_path) == 2


def test_a_pointer_that_nobody_can_read_is_mended_by_naming_a_version(
    ensemble: Ensemble, tmp_path: Path
) -> None:
    saved = [save(ensemble, tmp_path, day) for day in (1, 2)]
    (tmp_path / "current").write_bytes(b"\xffnothing")
    with pytest.raises(BundleError, match=f"kept are {saved[0].name}, {saved[1].name}"):
        roll_back(tmp_path)
    roll_back(tmp_path, to=saved[1].name)
    assert day_in_force(tmp_path) == 2


def test_there_must_be_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleMissingError):
        roll_back(tmp_path / "none")
    with pytest.raises(BundleMissingError):
        roll_back(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_copied_version_knows_what_it_replaced_where_it_came_to(
    ensemble: Ensemble, tmp_path: Path
) -> None:
    for day in (2, 3):
        save(ensemble, tmp_path / "source", day)
    mine = save(ensemble, tmp_path / "target", 1)
    copy_bundle(tmp_path / "source", tmp_path / "target")
    assert version_before(tmp_path / "target", name_in_force(tmp_path / "target")) == mine.name
    copy_bundle(tmp_path / "source", tmp_path / "new")
    assert version_before(tmp_path / "new", name_in_force(tmp_path / "new")) is None


@settings(deadline=None, max_examples=40)
@given(steps=st.lists(st.sampled_from(["save", "back"]), min_size=1, max_size=MANY))
def test_whatever_is_done_the_way_back_is_that_of_a_stack(
    shelf: list[Path], steps: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path, stack, supply = tmp_path_factory.mktemp("stack"), [], iter(shelf)
    for step in ["save", *steps]:
        if step == "save":
            source = next(supply)
            copy_bundle(source, path)
            stack.append(name_in_force(source))
        elif len(stack) > 1 and stack[-2] in versions(path):
            roll_back(path)
            stack.pop()
        assert name_in_force(path) == stack[-1]
        assert len(versions(path)) <= VERSIONS_KEPT
    shutil.rmtree(path)


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_rollback_killed_at_any_step_leaves_a_whole_bundle(
    ensemble: Ensemble, tmp_path: Path
) -> None:
    for day in (1, 2):
        save(ensemble, tmp_path / "first", day)
    found, step, code = [], 0, KILLED
    while code == KILLED:
        path = Path(shutil.copytree(tmp_path / "first", tmp_path / str(step)))
        child = os.fork()
        if not child:
            try:
                die_at_change(step, path)
                roll_back(path)
                os._exit(0)
            finally:
                os._exit(1)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, KILLED)
        found.append(day_in_force(path))
        step += 1
    assert found == sorted(found, reverse=True)
    assert (found[0], found[-1]) == (2, 1)
    assert len(found) >= 3
