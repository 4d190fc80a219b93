"""Places that cannot be written, and full disks: old work stays whole, no draft is left."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import pytest

from ml.bundle import load_bundle, save_bundle
from ml.errors import BundleError
from tests.wrong_input.rooms import (
    BACKTEST,
    CLEAN,
    EVALUATE,
    GENERATE,
    PAPER,
    TRAIN,
    UPDATE,
    Command,
    Desk,
    Room,
    copy_of,
    furnish,
)

ROOT = Path(__file__).resolve().parents[2]
SYNTHETIC = ["--synthetic", "--days", "1", "--output"]

Place: TypeAlias = Callable[[Room], Path]

PLACES: Mapping[str, Place] = {
    "below a file": lambda room: room.output / "deep",
    "below a folder that takes no files": lambda _: Path("/proc/tandem"),
}
each_place = pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)

RUNS: Mapping[str, tuple[Command, list[str]]] = {
    "run_backtest": (BACKTEST, []),
    "run_paper": (PAPER, []),
    "evaluate_ml_ensemble": (EVALUATE, ["--backtest"]),
}
each_run = pytest.mark.parametrize(("command", "flags"), RUNS.values(), ids=RUNS)


@each_place
@each_run
def test_a_run_that_cannot_be_kept_is_refused_before_the_work(
    command: Command, flags: list[str], place: Place, desk: Desk
) -> None:
    words = [*command.on(desk.room, desk.room.path / "never-read.csv"), *flags]
    out = place(desk.room)
    desk.refuses(command, [*words, "--out", out], ["--out must be a folder that can be written"])


@each_run
def test_a_run_is_not_kept_in_a_file(command: Command, flags: list[str], desk: Desk) -> None:
    words = [*command.on(desk.room, desk.room.path / "never-read.csv"), *flags]
    desk.refuses(command, [*words, "--out", desk.room.output], ["--out must be a folder"])


@each_place
def test_a_bundle_that_cannot_be_kept_is_refused_before_the_work(place: Place, desk: Desk) -> None:
    words = TRAIN.on(desk.room, desk.room.path / "never-read.csv")
    path = place(desk.room)
    desk.refuses(TRAIN, [*words, "--output", path], [path.name, "the folder cannot be written"])


TAKEN: Mapping[str, tuple[Place, str]] = {
    "a file": (lambda room: room.output, "a bundle is a folder, this is a file"),
    "a folder of other things": (lambda room: room.runs, "holds other things than a bundle"),
    "a pickle": (lambda room: room.path / "model.pkl", "neither read nor written"),
}


@pytest.mark.parametrize(("place", "about"), TAKEN.values(), ids=TAKEN)
def test_a_bundle_does_not_take_the_place_of_other_things(
    place: Place, about: str, desk: Desk
) -> None:
    words = TRAIN.on(desk.room, desk.room.path / "never-read.csv")
    desk.refuses(TRAIN, [*words, "--output", place(desk.room)], [about, place(desk.room).name])


@each_place
def test_a_file_of_bars_that_cannot_be_kept_is_refused(place: Place, desk: Desk) -> None:
    path = place(desk.room) / "bars.csv"
    words = [*GENERATE.on(desk.room), "--output", path]
    desk.refuses(GENERATE, words, ["bars.csv", "cannot be written"])


@pytest.mark.parametrize(
    ("name", "about"), [("bars.txt", ".parquet or .csv files, found .txt"), ("runs", "a folder")]
)
def test_a_file_of_bars_has_a_name_that_says_how(name: str, about: str, desk: Desk) -> None:
    words = [*GENERATE.on(desk.room), "--output", desk.room.path / name]
    desk.refuses(GENERATE, words, [name, about])


@pytest.mark.parametrize(
    ("command", "flag"), [(BACKTEST, "--out"), (TRAIN, "--output"), (GENERATE, "--output")]
)
def test_a_name_that_is_too_long_is_said_to_be(command: Command, flag: str, desk: Desk) -> None:
    words = [*command.on(desk.room, desk.room.bars), flag, desk.room.path / ("x" * 300)]
    desk.refuses(command, words, ["File name too long", "x" * 300])


# Full disks: no file gets larger than so many bytes, as the system sees to it.


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes within the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


SIZES = (0, 1, 200, 2_000, 5_000, 10_000, 20_000, 40_000, 80_000, 1_000_000, 8_000_000)

WRITING: Mapping[str, tuple[Command, list[str], str]] = {
    "run_backtest": (BACKTEST, [], "must be written below"),
    "run_backtest --ml compare": (
        BACKTEST, ["--ml", "compare", "--start-date", CLEAN], "must be written below"
    ),
    "evaluate_ml_ensemble": (EVALUATE, ["--backtest"], "must be written below"),
    "generate_training_data": (GENERATE, [], "made.csv: cannot be written"),
}  # fmt: skip


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have loops compiled and kept while there is room for them."""
    room = furnish(tmp_path_factory.mktemp("compiled"))
    words = [*BACKTEST.on(room, room.bars), "--model", room.bundle, "--ml", "compare"]
    assert BACKTEST.main([*map(str, [*words, "--start-date", CLEAN])]) == 0


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize(("command", "flags", "about"), WRITING.values(), ids=WRITING)
def test_a_full_disk_is_a_line_and_leaves_what_was_there(
    command: Command, flags: list[str], about: str, desk: Desk
) -> None:
    words = [*command.on(desk.room, desk.room.bars), "--model", desk.room.bundle, *flags]
    words = words if command is not GENERATE else command.on(desk.room)
    refused = 0
    for size in SIZES:
        before = desk.room.contents()
        with room_for(size):
            code = command.main([*map(str, words)])
        if code == 0:
            break
        out, err = desk.said.readouterr()
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert about in err
        assert desk.room.contents() == before
        refused += 1
    else:
        pytest.fail("no size was enough")
    assert refused >= 4


def test_a_full_disk_keeps_the_bundle_in_force_and_no_draft(room: Room) -> None:
    old = load_bundle(room.bundle)
    bars = old.kept.read(fill_limit=old.manifest.fill_limit)
    newer = old.manifest.model_copy(update={"seed": 7})
    before, refused = room.contents(), 0
    for size in SIZES:
        try:
            with room_for(size):
                save_bundle(old.ensemble, newer, room.bundle, bars=bars)
            break
        except BundleError as error:
            assert "cannot be written" in str(error)  # noqa: PT017  the loop is the point
            assert room.contents() == before
            refused += 1
    assert refused >= 4
    assert load_bundle(room.bundle).manifest.seed == 7


@pytest.mark.slow
@pytest.mark.parametrize("size", [1_000, 30_000, 100_000])
def test_a_training_on_a_full_disk_keeps_the_bundle_in_force(
    size: int, desk: Desk, world: Any
) -> None:
    words = [*TRAIN.on(desk.room, *world.files), "--end-date", "2022-02-15"]
    before = desk.room.contents()
    with room_for(size):
        code = TRAIN.main([*map(str, words)])
    out, err = desk.said.readouterr()
    assert (code, out) == (1, "")
    assert "the bundle cannot be written" in err.splitlines()[-1]
    after = desk.room.contents()
    learned = [name for name in after if name.startswith("ensemble.partial")]
    assert {name: after[name] for name in after if name not in learned} == before
    assert not any(".part" in name.removeprefix("ensemble.partial") for name in learned)


def test_an_answer_that_the_terminal_cannot_show_is_escaped(tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"\xff.csv")
    said = subprocess.run(  # noqa: S603  our own script
        [sys.executable, ROOT / "generate_training_data.py", *SYNTHETIC, file],
        env={**os.environ, "PYTHONIOENCODING": "ascii:strict"},
        capture_output=True,
        check=True,
    )
    assert said.stderr == b""
    assert said.stdout.endswith(b"\\udcff.csv\n")
    assert file.stat().st_size


def test_an_answer_that_nobody_can_take_is_a_line() -> None:
    with Path("/dev/full").open("w") as full:
        said = subprocess.run(  # noqa: S603  our own script
            [sys.executable, ROOT / "run_backtest.py", "--show-config"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert said.returncode == 1
    assert said.stderr == "run_backtest: [Errno 28] No space left on device\n"


# A folder without permission: root may write everywhere, so it steps down for a moment.


@contextmanager
def nobody() -> Iterator[None]:
    """Be a user without privileges within the block; whoever is one already stays it."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


@pytest.fixture
def closed(furnished: Room) -> Iterator[Room]:
    """A room that everybody may enter, and nobody may write to."""
    with TemporaryDirectory() as name:
        room = copy_of(furnished, Path(name))
        folders = [room.path, *(path for path in room.path.rglob("*") if path.is_dir())]
        for folder in folders:
            folder.chmod(0o555)
        yield room
        for folder in folders:
            folder.chmod(0o755)


CLOSED: Mapping[str, tuple[Command, Callable[[Room], list[object]], str]] = {
    "run_backtest": (
        BACKTEST, lambda room: BACKTEST.on(room, "never-read.csv"), "--out must be a folder that"
    ),
    "run_paper": (
        PAPER, lambda room: PAPER.on(room, "never-read.csv"), "--out must be a folder that"
    ),
    "evaluate_ml_ensemble": (
        EVALUATE,
        lambda room: [*EVALUATE.on(room, "never-read.csv"), "--backtest"],
        "--out must be a folder that",
    ),
    "train_ml_ensemble": (
        TRAIN, lambda room: TRAIN.on(room, "never-read.csv"), "the folder cannot be written"
    ),
    "train_ml_ensemble --update": (
        UPDATE, lambda room: UPDATE.on(room, "never-read.csv"), "the folder cannot be written"
    ),
    "generate_training_data": (GENERATE, GENERATE.on, "cannot be written"),
}  # fmt: skip


@pytest.mark.parametrize(("command", "words", "about"), CLOSED.values(), ids=CLOSED)
def test_a_folder_without_permission_is_refused_before_the_work(
    command: Command,
    words: Callable[[Room], list[object]],
    about: str,
    closed: Room,
    capsys: pytest.CaptureFixture[str],
) -> None:
    desk = Desk(closed, capsys)
    with nobody():
        desk.refuses(command, words(closed), [about])
