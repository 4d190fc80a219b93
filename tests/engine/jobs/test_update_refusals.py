"""What no update can be made of: it is named, and the bundle serves on as it was."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest

from engine.errors import EngineError, UsageError
from engine.jobs.update import update_bundle
from engine.jobs.updating.policy import Promote
from feeds.bars import Bars
from ml.bundle import load_bundle, save_bundle
from ml.errors import (
    BundleDamagedError,
    BundleError,
    BundleMismatchError,
    BundleMissingError,
    MLError,
    TrainingError,
)
from tests.engine.jobs.update_makers import UNTIL, Given, make_bundle, market, settings_at, since
from tests.makers import make_bars
from tests.test_layout import ROOT

BTC = market("BTC/USDT")
SEEN = BTC.known_at(UNTIL)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of one symbol until UNTIL, that tests must leave as it is."""
    path = tmp_path_factory.mktemp("first") / "bundle"
    make_bundle(path, [SEEN])
    return path


@pytest.fixture
def bundle(first: Path, tmp_path: Path) -> Path:
    """A copy to play with."""
    return Path(shutil.copytree(first, tmp_path / "bundle"))


def contents(path: Path) -> Mapping[str, bytes]:
    files = (file for file in path.rglob("*") if file.is_file())
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


def refusal(bundle: Path, *new: Bars, error: type[Exception], **training: object) -> str:
    """Return in which line the update is refused; the bundle is left as it was."""
    before = contents(bundle)
    with pytest.raises(error) as caught:
        update_bundle(Given(new), settings_at(bundle, **training), promote=Promote.UNLESS_WORSE)
    assert contents(bundle) == before
    assert isinstance(caught.value, MLError | EngineError)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# New bars


@pytest.mark.parametrize(("place", "last"), [(45 * 288 - 1, True), (44 * 288, False)])
def test_a_contradiction_is_refused_with_both_values(bundle: Path, place: int, last: bool) -> None:
    close = BTC.close.copy()
    close[place] = BTC.low[place] * 0.5 + BTC.high[place] * 0.5
    other = BTC.unchecked({"close": close})
    line = refusal(bundle, other, error=TrainingError)
    assert f"BTC/USDT: old and new bars of one time must be equal, found 1 of {45 * 288}" in line
    assert f"close {BTC.close[place]} in the old, {close[place]} in the new" in line
    assert ("still forming" in line) == last
    assert line.endswith("train once with the whole history")


@pytest.mark.parametrize(
    ("new", "found"),
    [
        ([SEEN], "found BTC/USDT until 2022-02-15 00:00Z"),
        ([SEEN[:500]], "found BTC/USDT until 2022-01-02 17:40Z"),
        ([BTC[:0]], "found none"),
        ([], "found none"),
    ],
)
def test_an_update_with_nothing_new_is_refused(bundle: Path, new: list[Bars], found: str) -> None:
    line = refusal(bundle, *new, error=TrainingError)
    assert "behind those of the bundle (BTC/USDT until 2022-02-15 00:00Z)" in line
    assert found in line


@pytest.mark.parametrize(
    ("new", "error", "what"),
    [
        (make_bars(900, timeframe="1h"), BundleMismatchError, "timeframe '5m', this run has '1h'"),
        (replace(since(BTC, "2022-02-15"), synthetic=False), TrainingError, "one origin, found a"),
        (make_bars(9, symbol="ETH/USDT"), TrainingError, "all real or all simulated, found real"),
        (replace(BTC, symbol="BTC/EUR"), TrainingError, "for one quote currency, this one for US"),
    ],
)
def test_what_does_not_go_with_the_bundle_is_refused(
    bundle: Path, new: Bars, error: type[Exception], what: str
) -> None:
    assert what in refusal(bundle, new, error=error)


def test_a_window_that_cannot_teach_is_refused(bundle: Path) -> None:
    line = refusal(bundle, BTC, error=TrainingError, fractions=(0.97, 0.01, 0.01, 0.01))
    assert "must hold at least 20 rows" in line


def test_other_parameters_are_not_searched_for(bundle: Path) -> None:
    line = refusal(bundle, BTC, error=UsageError, optimize=True)
    assert "keeps the parameters of the bundle's models" in line


# The bundle


def test_there_must_be_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleMissingError, match="no bundle there"):
        update_bundle(Given([BTC]), settings_at(tmp_path / "none"), promote=Promote.UNLESS_WORSE)
    assert not list(tmp_path.iterdir())


def test_a_bundle_from_before_bars_were_kept_says_what_to_do(bundle: Path) -> None:
    old = load_bundle(bundle)
    later = old.manifest.model_copy(
        update={"created_at": datetime.fromisoformat("2022-03-01T00:00Z")}
    )
    save_bundle(old.ensemble, later, bundle)
    assert "keeps no bars" in refusal(bundle, BTC, error=BundleError)


@pytest.mark.parametrize("place", [0.01, 0.5, 0.99])
def test_tampered_bars_are_named(bundle: Path, place: float) -> None:
    (file,) = bundle.glob("*/bars/*")
    data = bytearray(file.read_bytes())
    data[int(place * len(data))] ^= 1
    file.write_bytes(data)
    assert f"{file}: the file is damaged" in refusal(bundle, BTC, error=BundleDamagedError)


def test_no_member_is_lost_because_its_library_is(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ml.models.random_forest_model", None)
    line = refusal(bundle, BTC, error=BundleError)
    assert "random_forest cannot be loaded" in line


def test_a_version_that_came_in_force_during_the_update_is_not_lost(bundle: Path) -> None:
    @dataclass(frozen=True, slots=True)
    class Meanwhile:
        """A clock that is asked when the training is over: by then somebody else was quicker."""

        def now(self) -> datetime:
            old = load_bundle(bundle)
            moment = datetime.fromisoformat("2022-03-01T12:00Z")
            later = old.manifest.model_copy(update={"created_at": moment})
            save_bundle(old.ensemble, later, bundle, bars=[SEEN])
            return moment

    with pytest.raises(BundleError, match="came in force while another one was being extended"):
        update_bundle(
            Given([BTC]), settings_at(bundle), clock=Meanwhile(), promote=Promote.UNLESS_WORSE
        )
    assert load_bundle(bundle).manifest.seen_until_ms == UNTIL


# Interrupted

# Ends its process, with no chance to clean up, before its change number `step` of files.
KILLED_UPDATE = """
import os, signal, sys
from pathlib import Path
from engine.jobs.update import update_bundle
from engine.jobs.updating.policy import Promote
from tests.engine.jobs.update_makers import Given, market, settings_at

folder, step = Path(sys.argv[1]), int(sys.argv[2])
left = iter(range(step))

def hook(event, args):
    changes = event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir")
    if changes and str(folder) in str(args[0]) and next(left, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
update_bundle(Given([market("BTC/USDT")]), settings_at(folder), promote=Promote.UNLESS_WORSE)
"""


class Stopped:
    """A clock that is asked when the training is over, and a person who stops it then."""

    def now(self) -> datetime:
        raise KeyboardInterrupt


def test_an_interrupted_update_leaves_the_bundle_and_is_taken_up(bundle: Path) -> None:
    before = contents(bundle)
    with pytest.raises(KeyboardInterrupt):
        update_bundle(
            Given([BTC]), settings_at(bundle), clock=Stopped(), promote=Promote.UNLESS_WORSE
        )
    assert contents(bundle) == before
    report = update_bundle(Given([BTC]), settings_at(bundle), promote=Promote.UNLESS_WORSE)
    members = report.to_json()["metrics"]["training"]["members"]
    assert all(member["taken_up"] for member in members.values())
    assert load_bundle(bundle).manifest.seen_until_ms == BTC.closed_at[-1]


@pytest.mark.slow
def test_a_killed_update_leaves_the_old_bundle_or_the_new_one(first: Path, tmp_path: Path) -> None:
    found, step, code = [], 0, -signal.SIGKILL
    while code == -signal.SIGKILL:
        path = Path(shutil.copytree(first, tmp_path / str(step)))
        call = [sys.executable, "-W", "ignore", "-c", KILLED_UPDATE, str(path), str(step)]
        code = subprocess.run(call, cwd=ROOT, check=False).returncode  # noqa: S603  ourselves
        bundle = load_bundle(path)
        (bars,) = bundle.kept.read(fill_limit=bundle.manifest.fill_limit)
        assert bars.closed_at[-1] == bundle.manifest.seen_until_ms
        found.append(bundle.manifest.seen_until_ms)
        step += 3  # the writing is stopped at every step in tests/ml/test_bundle_writing.py
    assert code == 0
    assert found == sorted(found)  # the old one until it is the new one
    assert {*found} == {UNTIL, BTC.closed_at[-1]}
    assert len(found) >= 6
