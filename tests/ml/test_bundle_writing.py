"""A writer that is stopped at any moment leaves a whole bundle."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from ml.bundle import load_bundle, save_bundle
from ml.ensemble import Ensemble
from ml.errors import BundleError
from tests.makers import make_bars
from tests.ml.trained import manifest_for, trained_on

BARS = make_bars(500)
KILLED = 9


@pytest.fixture(scope="module")
def ensemble() -> Ensemble:
    return trained_on(BARS, {"plain": LogisticRegression(max_iter=500)})


def save(ensemble: Ensemble, path: Path, *, month: int) -> None:
    moment = np.datetime64(f"2024-{month:02}-01")
    save_bundle(ensemble, manifest_for(BARS, created_at=moment), path, bars=[BARS])


def month_in_force(path: Path) -> int:
    """Return when the bundle in force was made; its bars must be whole, too."""
    bundle = load_bundle(path)
    (kept,) = bundle.kept.read(fill_limit=bundle.manifest.fill_limit)
    assert kept.digest() == BARS.digest()
    return bundle.manifest.created_at.month


def die_at_change(step: int, folder: Path) -> None:
    """End this process, with no chance to clean up, before its change number `step` of files."""
    left = iter(range(step))

    def hook(event: str, args: tuple[Any, ...]) -> None:
        changes = event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir")
        writes = event == "open" and str(folder) in str(args[0]) and args[2] & os.O_ACCMODE
        if (changes or writes) and next(left, None) is None:
            os._exit(KILLED)

    sys.addaudithook(hook)


def save_until_killed(ensemble: Ensemble, path: Path, step: int) -> bool:
    """Save in a process of its own that is killed at `step`; return True if it got to its end."""
    child = os.fork()
    if not child:
        try:
            die_at_change(step, path)
            save(ensemble, path, month=2)
            os._exit(0)
        finally:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, KILLED)
    return code == 0


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_writer_killed_at_any_step_leaves_the_old_bundle_or_the_new_one(
    ensemble: Ensemble, tmp_path: Path
) -> None:
    save(ensemble, tmp_path / "first", month=1)
    found, step, finished = [], 0, False
    while not finished:
        path = tmp_path / str(step)
        shutil.copytree(tmp_path / "first", path)
        finished = save_until_killed(ensemble, path, step)
        found.append(month_in_force(path))
        save(ensemble, path, month=3)
        assert month_in_force(path) == 3
        assert not list(path.glob("*.part"))
        step += 1
    assert found == sorted(found)  # the old one until it is the new one
    assert (found[0], found[-1]) == (1, 2)
    assert len(found) >= 12


def test_a_full_disk_is_a_named_error_and_leaves_the_old_bundle(
    ensemble: Ensemble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(ensemble, tmp_path, month=1)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BundleError, match=r"cannot be written.*No space left"):
        save(ensemble, tmp_path, month=2)
    assert month_in_force(tmp_path) == 1
