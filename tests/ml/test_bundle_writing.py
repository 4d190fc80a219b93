"""A writer that is stopped at any moment leaves a whole bundle."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from ml.bundle import load_bundle, save_bundle
from ml.ensemble import Ensemble
from ml.errors import BundleError
from tests.makers import make_bars
from tests.ml.trained import manifest_for, trained_on

BARS = make_bars(500)

# Every change of the file system that a writer makes is an audit event; the child process dies
# at the k-th, without a chance to clean up, for k from 0 until it gets to the end.
KILLS = """
import os, shutil, sys
from pathlib import Path
import numpy as np
from tests.ml.test_bundle_writing import BARS, ensemble_of_one
from tests.ml.trained import manifest_for
from ml.bundle import load_bundle, save_bundle

folder = Path(sys.argv[1])
ensemble = ensemble_of_one()
months = {"old": 1, "new": 2}

def save(which, path):
    moment = np.datetime64(f"2024-{months[which]:02}-01")
    save_bundle(ensemble, manifest_for(BARS, created_at=moment), path)

def die_at(step):
    left = [step]
    def hook(event, args):
        writes = event == "open" and str(folder) in str(args[0]) and args[2] & 3
        if writes or event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir"):
            left[0] -= 1
            if left[0] < 0:
                os._exit(9)
    sys.addaudithook(hook)

save("old", folder / "first")
outcomes = []
for step in range(100):
    path = folder / f"killed_at_{step}"
    shutil.copytree(folder / "first", path)
    if not (child := os.fork()):
        die_at(step)
        save("new", path)
        os._exit(0)
    done = os.waitpid(child, 0)[1] == 0
    found = load_bundle(path)
    outcomes.append("new" if found.manifest.created_at.month == 2 else "old")
    save("new", path)
    assert load_bundle(path).manifest.created_at.month == 2
    assert not list(path.glob("*.part"))
    if done:
        break
print(done, " ".join(outcomes))
"""


def ensemble_of_one() -> Ensemble:
    return trained_on(BARS, {"plain": LogisticRegression(max_iter=500)})


def test_a_writer_killed_at_any_step_leaves_the_old_bundle_or_the_new_one(tmp_path: Path) -> None:
    told = subprocess.run(  # noqa: S603  our own code
        [sys.executable, "-c", KILLS, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert told.returncode == 0, told.stderr
    done, *outcomes = told.stdout.split()
    assert done == "True"
    assert len(outcomes) >= 8
    assert outcomes == sorted(outcomes, reverse=True)  # old until it is new, never back
    assert (outcomes[0], outcomes[-1]) == ("old", "new")


def test_a_full_disk_is_a_named_error_and_leaves_the_old_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensemble = ensemble_of_one()
    save_bundle(ensemble, manifest_for(BARS), tmp_path)
    before = load_bundle(tmp_path).digest

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BundleError, match=r"cannot be written.*No space left"):
        save_bundle(ensemble, manifest_for(BARS, created_at=np.datetime64("2025-01-01")), tmp_path)
    assert load_bundle(tmp_path).digest == before
