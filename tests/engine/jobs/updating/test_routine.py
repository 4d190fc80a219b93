"""The routine: one at a time, a line for each, whole whenever it ends, and a way back."""

import fcntl
import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import train_ml_ensemble
from engine.jobs.settings import Settings
from engine.jobs.updating.history import FILE, lines, looks_at, note
from engine.jobs.updating.policy import Promote
from engine.jobs.updating.routine import go_back, update
from engine.jobs.updating.turn import sole_update
from feeds.bars import Bars
from feeds.clock import FixedClock
from feeds.files import write_bars
from ml.bundle import load_bundle
from ml.bundle_folder import VERSIONS_KEPT, name_in_force, versions
from ml.errors import BusyError, TrainingError
from ml.training.checkpoints import checkpoints
from tests.engine.jobs.update_makers import UNTIL, Given, make_bundle, market, settings_at

BTC = market("BTC/USDT")
NOON = FixedClock(datetime(2022, 3, 2, 12, tzinfo=UTC))
UNLESS_WORSE = Promote.UNLESS_WORSE


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of one symbol until UNTIL, that tests must leave as it is."""
    path = tmp_path_factory.mktemp("first") / "bundle"
    make_bundle(path, [BTC.known_at(UNTIL)])
    return path


@pytest.fixture
def bundle(first: Path, tmp_path: Path) -> Path:
    """A copy to play with."""
    return Path(shutil.copytree(first, tmp_path / "bundle"))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bars") / "BTC-USDT_5m.parquet"
    write_bars(BTC, path)
    return path


def until(day: str) -> Bars:
    return BTC.known_at(np.datetime64(day, "ms"))


def last(path: Path) -> Mapping[str, Any]:
    *_, found = lines(path)
    return found


def command(*words: object) -> int:
    return train_ml_ensemble.main([*map(str, words), "--quiet"])


# What is in force, and the code that says so


def test_without_evidence_the_running_bundle_is_kept(
    bundle: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running = name_in_force(bundle)
    assert command("--update", "--data", file, "--output", bundle, "--json") == 3
    said = json.loads(capsys.readouterr().out)
    assert (said["promoted"], said["promote"]) == (False, "evidence")
    assert (said["version"], said["previous"]) == (running, running)
    assert versions(bundle) == [running] == [name_in_force(bundle)]
    assert not list(bundle.parent.glob("*.partial"))
    found = last(bundle)
    assert (found["outcome"], found["why"]) == ("kept", said["why"])
    assert (found["previous"], found["in_force"]) == (running, running)


def test_unless_worse_the_candidate_is_promoted(
    bundle: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running = name_in_force(bundle)
    words = ["--update", "--promote", "unless-worse", "--data", file, "--output", bundle]
    assert command(*words) == 0
    assert "The candidate is not shown to be worse" in " ".join(capsys.readouterr().out.split())
    found = last(bundle)
    assert found["outcome"] == "promoted"
    assert found["previous"] == running != found["in_force"] == name_in_force(bundle)
    assert command("--rollback", "--output", bundle, "--json") == 0
    assert json.loads(capsys.readouterr().out)["version"] == running == name_in_force(bundle)
    assert last(bundle)["outcome"] == "rolled_back"
    assert command("--rollback", found["in_force"], "--output", bundle) == 0
    assert "(in force)" in capsys.readouterr().out
    assert name_in_force(bundle) == found["in_force"]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--rollback", "--update"], "two commands"),
        (["--rollback", "--data", "x.csv"], "--data has no say in a --rollback"),
        (["--rollback", "--promote", "evidence"], "--promote has no say in a --rollback"),
        (["--rollback", "--fit-thresholds"], "--fit-thresholds has no say in a --rollback"),
        (["--promote", "evidence"], "--promote goes with --update"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(
    words: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*words) == 2
    assert named in capsys.readouterr().err


def test_five_versions_are_kept_by_a_routine_that_goes_on(bundle: Path) -> None:
    days = [f"2022-02-{day}" for day in range(16, 24)]
    for number, day in enumerate(days):
        clock = FixedClock(datetime(2022, 3, 1 + number, tzinfo=UTC))
        update(Given([until(day)]), settings_at(bundle), promote=UNLESS_WORSE, clock=clock)
    assert len(versions(bundle)) == VERSIONS_KEPT
    assert [line["outcome"] for line in lines(bundle)] == ["promoted"] * len(days)
    for expected in reversed(versions(bundle)[:-1]):
        assert go_back(settings_at(bundle)).version.name == expected


def test_an_update_that_was_overtaken_by_a_rollback_ends_and_leaves_it_in_force(
    bundle: Path,
) -> None:
    update(Given([until("2022-02-20")]), settings_at(bundle), promote=UNLESS_WORSE, clock=NOON)
    older = versions(bundle)[0]

    class GoingBack:
        """A clock that is asked when the training is over: somebody goes back by then."""

        asked = 0

        def now(self) -> datetime:
            self.asked += 1
            if self.asked == 2:
                go_back(settings_at(bundle), clock=NOON)
            return datetime(2022, 3, 3, tzinfo=UTC)

    with pytest.raises(Exception, match="came in force while another one was being extended"):
        update(Given([BTC]), settings_at(bundle), promote=UNLESS_WORSE, clock=GoingBack())
    assert name_in_force(bundle) == older
    assert [line["outcome"] for line in lines(bundle)] == ["promoted", "rolled_back", "failed"]


# Looks


def test_looks_are_counted_by_the_bundle_that_was_looked_at(bundle: Path) -> None:
    running = name_in_force(bundle)
    for look in (1, None, 2):
        note(bundle, {"outcome": "kept", "previous": running, "look": look})
    note(bundle, {"outcome": "kept", "previous": "another", "look": 1})
    assert looks_at(bundle, running) == 2
    both = [BTC, market("ETH/USDT")]
    report = update(Given(both), settings_at(bundle), clock=NOON)
    assert report.traded is not None
    assert report.traded.enough
    assert report.look == 3
    assert report.traded.intervals.level == pytest.approx(1 - 0.05 / 12)
    assert looks_at(bundle, running) == 3


def test_where_nothing_could_be_shown_no_look_is_counted(bundle: Path) -> None:
    report = update(Given([until("2022-02-16")]), settings_at(bundle), clock=NOON)
    assert report.look is None
    assert "Too little to tell" in report.decision.why
    assert looks_at(bundle, name_in_force(bundle)) == 0


# The history


def test_a_line_that_was_cut_off_spoils_no_other_one(tmp_path: Path) -> None:
    note(tmp_path, {"outcome": "kept"})
    whole = (tmp_path / FILE).read_bytes()
    for cut in range(1, len(whole)):
        (tmp_path / FILE).write_bytes(whole + whole[:cut])
        note(tmp_path, {"outcome": "promoted"})
        found = [line["outcome"] for line in lines(tmp_path)]
        assert (found[0], found[-1]) == ("kept", "promoted")
        assert set(found[1:-1]) <= {"kept"}


@pytest.mark.parametrize("noise", [b"\xff\xfe\n", b"[1]\n", b"{\n", b"\n\n", b"null\n", b"7"])
def test_noise_in_the_history_is_passed_over(noise: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(noise)
    note(tmp_path, {"outcome": "kept", "previous": "a", "look": 1})
    assert [line["outcome"] for line in lines(tmp_path)] == ["kept"]
    assert looks_at(tmp_path, "a") == 1


def test_a_history_that_cannot_be_written_takes_no_bundle_back(
    bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (bundle / FILE).mkdir()
    report = update(Given([BTC]), settings_at(bundle), promote=UNLESS_WORSE, clock=NOON)
    assert report.version.name == name_in_force(bundle) != report.previous.name
    assert "the update cannot be noted there" in caplog.text


def test_a_failed_and_an_interrupted_update_are_noted(bundle: Path) -> None:
    with pytest.raises(TrainingError):
        update(Given([]), settings_at(bundle), clock=NOON)
    assert last(bundle)["outcome"] == "failed"
    assert "an update needs bars behind those of the bundle" in last(bundle)["why"]

    class Stopped:
        def read(self, _: object, /) -> list[Bars]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        update(Stopped(), settings_at(bundle), clock=NOON)
    assert last(bundle)["outcome"] == "interrupted"
    assert last(bundle)["at"] == "2022-03-02T12:00:00Z"
    assert (bundle / ".updating").read_bytes() == b""


# One at a time


@contextmanager
def another_update(bundle: Path) -> Iterator[None]:
    """Hold the turn as another process does: a lock of another open file."""
    with (bundle / ".updating").open("w+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write("2022-03-02T06:30:00Z")
        held.flush()
        yield


def test_a_second_update_is_refused_with_a_code_of_its_own(
    bundle: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running = name_in_force(bundle)
    with another_update(bundle):
        assert command("--update", "--data", file, "--output", bundle) == 4
        assert command("--rollback", "--output", bundle) == 1  # it waits for nobody
        assert (bundle / ".updating").read_text() == "2022-03-02T06:30:00Z"
    said = capsys.readouterr()
    assert said.out == ""
    assert "another one does since 2022-03-02T06:30:00Z: wait for its end" in said.err
    assert last(bundle)["outcome"] == "busy"
    assert name_in_force(bundle) == running


def test_an_update_during_a_training_is_refused_with_the_same_code(
    bundle: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with checkpoints(bundle):
        assert command("--update", "--data", file, "--output", bundle) == 4
    assert "only one training may write a bundle at a time" in capsys.readouterr().err
    assert last(bundle)["outcome"] == "failed"


def test_the_turn_is_free_again_after_its_end(bundle: Path) -> None:
    for _ in range(2):
        with sole_update(bundle, NOON), pytest.raises(BusyError):  # noqa: SIM117  they nest
            with sole_update(bundle, NOON):
                pass


# Killed


def updating(path: Path) -> None:
    """Update, in a process of its own."""
    os.environ["OMP_NUM_THREADS"] = "1"
    update(Given([BTC]), settings_at(path), promote=UNLESS_WORSE, clock=NOON)


@pytest.mark.slow
def test_an_update_killed_at_any_moment_leaves_a_whole_bundle_and_a_trace(
    bundle: Path, tmp_path: Path
) -> None:
    context = multiprocessing.get_context("spawn")
    spare = Path(shutil.copytree(bundle, tmp_path / "spare"))
    whole = context.Process(target=updating, args=(spare,))
    began = time.monotonic()
    whole.start()
    whole.join()
    length = time.monotonic() - began
    assert whole.exitcode == 0
    rng, killed = np.random.default_rng(), 0
    for number, moment in enumerate(rng.uniform(0.3, 1.05, 12) * length):
        path = Path(shutil.copytree(bundle, tmp_path / str(number)))
        process = context.Process(target=updating, args=(path,))
        process.start()
        process.join(float(moment))
        assert process.pid is not None
        if process.exitcode is None:
            os.kill(process.pid, signal.SIGKILL)
            process.join()
        began_at = (path / ".updating").read_text() if (path / ".updating").exists() else ""
        check_whole(path)
        before = [line["outcome"] for line in lines(path)]
        check_goes_on(settings_at(path))
        after = [line["outcome"] for line in lines(path)]
        assert after[: len(before)] == before
        assert ("killed" in after) == bool(began_at)
        killed += "killed" in after
    assert killed


def check_whole(path: Path) -> None:
    """Check that the bundle in force is the old or the new one, with its bars."""
    found = load_bundle(path)
    (bars,) = found.kept.read(fill_limit=found.manifest.fill_limit)
    assert bars.closed_at[-1] == found.manifest.seen_until_ms
    assert found.manifest.seen_until_ms in (UNTIL, BTC.closed_at[-1])


def check_goes_on(settings: Settings) -> None:
    """Check that the next update ends as if nothing had been."""
    longer = market("BTC/USDT", days=62)
    report = update(Given([longer]), settings, promote=UNLESS_WORSE, clock=NOON)
    path = settings.strategy.ml_model_path
    assert name_in_force(path) == report.version.name
    assert load_bundle(path).manifest == report.manifest
