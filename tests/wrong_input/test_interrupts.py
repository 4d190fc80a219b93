"""Ctrl-C: exit 130 and one line, whenever it comes; what was finished is kept, the rest is gone."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from feeds.progress import Advance, shown_by
from run_backtest import main as run_backtest
from tests.world import UNTIL, World
from tests.wrong_input.interrupting import after, at_line, check, interrupted, started
from tests.wrong_input.rooms import Room

CLEAN = str(UNTIL.astype("datetime64[D]"))


def training(room: Room, world: World) -> list[object]:
    files = ["--data", *world.files, "--end-date", CLEAN]
    return [*files, "--preset", "small", "--output", room.bundle]


def comparing(room: Room, world: World) -> list[object]:
    files = ["--data", *world.files, "--start-date", CLEAN, "--ml", "compare"]
    return [*files, "--model", world.bundle, "--out", room.runs]


def check_training(room: Room, before: Mapping[str, str]) -> None:
    """Check that the bundle in force is what it was, and that only whole members are kept."""
    now = room.contents()
    assert {name: now.get(name) for name in before} == before
    kept = {name.removeprefix("ensemble.partial") for name in now.keys() - before.keys()}
    assert all(re.fullmatch(r"|/[a-z_]+-[0-9a-f]{16}\.member|/\.lock", name) for name in kept), kept


def check_comparison(room: Room, before: Mapping[str, str]) -> None:
    """Check that earlier runs are what they were, and that a new one is whole."""
    now = room.contents()
    assert {name: now.get(name) for name in before} == before
    for folder in (path for path in room.runs.iterdir() if f"runs/{path.name}" not in before):
        files = json.loads((folder / "manifest.json").read_text())["files"]
        assert all((folder / name).is_file() for name in files)
        assert not folder.name.startswith(".")


def test_a_training_stops_while_it_learns(room: Room, world: World) -> None:
    before = room.contents()
    words = [*training(room, world), "--verbose"]
    ended = interrupted("train_ml_ensemble.py", words, at_line("learned from"))
    assert ended.stopped
    check(ended, log=True)
    assert ended.err[-1] == "train_ml_ensemble: stopped"
    check_training(room, before)


def test_a_comparison_stops_while_it_is_loading(room: Room, world: World) -> None:
    before = room.contents()
    ended = interrupted("run_backtest.py", [*comparing(room, world), "--quiet"], after(0.3))
    assert ended.stopped
    check(ended)
    check_comparison(room, before)


class Interrupting:
    """A display that interrupts the task of that number."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.tasks = 0

    @contextmanager
    def task(self, what: str, total: float | None, unit: str) -> Iterator[Advance]:
        self.tasks += 1
        if self.tasks == self.number:
            raise KeyboardInterrupt
        yield lambda count=1, /: None


@pytest.mark.parametrize(
    ("task", "said", "kept"),
    [
        (2, "interrupted in ML-on; ML-off was finished and is kept in", ["off"]),
        (
            3,
            "interrupted in the comparison; both runs were finished and are kept in",
            ["off", "on"],
        ),
    ],
)
def test_a_comparison_keeps_what_was_finished_when_it_is_interrupted(
    room: Room,
    world: World,
    capsys: pytest.CaptureFixture[str],
    task: int,
    said: str,
    kept: list[str],
) -> None:
    before = room.contents()
    with shown_by(Interrupting(task)):
        code = run_backtest([*map(str, comparing(room, world)), "--quiet"])
    out, err = capsys.readouterr()
    assert (code, out) == (130, "")
    (new,) = (path for path in room.runs.iterdir() if f"runs/{path.name}" not in before)
    assert err.splitlines() == [f"{said} {new}", "run_backtest: stopped"]
    check_comparison(room, before)
    found = json.loads((new / "metrics.json").read_text())["runs"]
    assert [run["ml"] for run in found] == kept


def moments(length: float) -> Iterator[float]:
    """Yield moments within a run of so many seconds, and a little beyond."""
    rng = np.random.default_rng()
    yield from rng.uniform(0.0, 1.1 * length, 20)


def length_of(script: str, words: list[object]) -> float:
    """Return how many seconds the command takes."""
    process = started(script, words)
    began = time.monotonic()
    process.communicate()
    assert process.returncode == 0
    return time.monotonic() - began


@pytest.mark.slow
def test_a_training_can_be_interrupted_at_any_moment(
    room: Room, world: World, tmp_path: Path
) -> None:
    length = length_of("train_ml_ensemble.py", training(Room(tmp_path / "other"), world))
    before = room.contents()
    for moment in moments(length):
        words = [*training(room, world), "--quiet"]
        ended = interrupted("train_ml_ensemble.py", words, after(moment))
        check(ended)
        if not ended.stopped:
            before = room.contents()
        check_training(room, before)


@pytest.mark.slow
def test_a_comparison_can_be_interrupted_at_any_moment(
    room: Room, world: World, tmp_path: Path
) -> None:
    length = length_of("run_backtest.py", comparing(Room(tmp_path / "other"), world))
    for moment in moments(length):
        before = room.contents()
        ended = interrupted("run_backtest.py", [*comparing(room, world), "--quiet"], after(moment))
        check(ended, log=any("finished and" in line for line in ended.err))
        check_comparison(room, before)
