"""What befalls a process but `kill -9`, and how its session goes on."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path

import numpy as np

from engine.paper.status import ExitCode
from run_paper import main as paper
from tests.survival.killing import Survived, go_on, judged
from tests.survival.process import Ended, rows_in, running
from tests.survival.recording import Recording

BARS, BAR_S = 30, 0.5  # that a session trades: it lasts longer than a second process takes to load
LIVED = 4  # of them before it is befallen
SOON_S = 3.0  # within which a session ends that is interrupted twice
ROOM = 250_000  # bytes: enough for a state to begin, and for its journal to grow for a while
NO_ROOM = 60_000  # less than a state begins with
DISK = 1_200_000  # the same for all files together

# Root may write whatever its rights say; without this capability it is like anybody else.
_AS_ANYBODY = ("setpriv", "--bounding-set=-dac_override") if os.geteuid() == 0 else ()


@dataclass(frozen=True, slots=True)
class Case:
    """Something that befalls a session.

    Attributes
    ----------
    shows : what the user sees of it
    befall : let it happen to the session of a state, and mend what was broken
    quick : it belongs to `make test`
    """

    name: str
    shows: str
    befall: Callable[[Recording, Path], None]
    quick: bool = False


def outlive(case: Case, recording: Recording, folder: Path) -> Survived:
    """Befall a session, go on with the same command until the end, and judge it."""
    state = folder / "session.sqlite"
    case.befall(recording, state)
    if rows_in(state, "moments") < recording.count:
        go_on(recording.words(state), state)
    return Survived(*judged(recording, state))


def refused(recording: Recording, state: Path, before: Sequence[str] = ()) -> str:
    """Start a command that refuses in one line; return the line. No byte of the state changes."""
    content = state.read_bytes()
    with running(recording.words(state), state, before) as command:
        ended = command.end()
    assert ended.code == 1, ended
    assert state.read_bytes() == content
    return ended.line


# ---------------------------------------------------------------- signals


def stopped(recording: Recording, state: Path, number: signal.Signals) -> None:
    with running(recording.words(state), state) as command:
        assert command.wait_for("moments", LIVED)
        command.send(number)
        ended = command.end()
    assert ended.code == 0, ended.err
    assert "the session is kept in" in ended.out
    with redirect_stdout(StringIO()):
        assert paper(["--status", str(state)]) == ExitCode.STOPPED


def interrupted_twice(recording: Recording, state: Path) -> None:
    with running(recording.words(state), state) as command:
        assert command.wait_for("moments", LIVED)
        command.send(signal.SIGINT)
        time.sleep(0.05)  # two at once are one
        command.send(signal.SIGINT)
        ended = command.end(SOON_S)
    assert ended.code == 130, ended
    assert ended.line == "run_paper: stopped"


def interrupted_within_start_up(recording: Recording, state: Path) -> None:
    for seconds in (0.5, 1.5, 3.0):
        with running(recording.words(state), state) as command:
            time.sleep(seconds)
            command.send(signal.SIGINT)
            ended = command.end()
        assert ended.code in (130, -signal.SIGINT, 0), ended  # a shell calls the second 130 as well
        assert ended.code != 130 or ended.line == "run_paper: stopped"


# ---------------------------------------------------------------- disks and rights


def grown_too_large(recording: Recording, state: Path) -> None:
    """No file may grow beyond a size; this is what a quota looks like."""
    said = "it cannot be written: disk I/O error; check the disk"
    _gave_up(recording, state, _limited(ROOM), said)


def without_room(recording: Recording, state: Path) -> None:
    """There is no room for a session to go on, and none to begin another."""
    stopped(recording, state, signal.SIGTERM)  # this has compiled what else would need room
    assert "it cannot be written: " in refused(recording, state, _limited(NO_ROOM // 4))
    other = state.with_name("other.sqlite")
    with running(recording.words(other), other, _limited(NO_ROOM)) as command:
        ended = command.end()
    assert ended.code == 1, ended
    assert ended.line.startswith(f"run_paper: {other}: it cannot be written: "), ended
    assert not other.exists()


def disk_full(recording: Recording, state: Path) -> None:
    """The disk is a small one in memory; then everything moves to where there is room."""
    with small_disk(state.parent / "disk") as disk:
        _gave_up(recording, disk / state.name, (), "the disk is full: make room")
        for file in disk.glob(f"{state.name}*"):
            shutil.copy(file, state.parent)


def _limited(size: int) -> Sequence[str]:
    return ("prlimit", f"--fsize={size}")


def _gave_up(recording: Recording, state: Path, before: Sequence[str], said: str) -> None:
    with running(recording.words(state), state, before) as command:
        assert command.wait_for("moments", 1)
        ended = command.end()
    assert ended.code == 1, ended
    assert ended.line.startswith(f"run_paper: {state}: {said}"), ended.err


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """Yield a folder that is a disk of `DISK` bytes; only root can make one."""
    place.mkdir()
    size = f"size={DISK}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "none", place], check=True)  # noqa: S603,S607  our own words
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)  # noqa: S603,S607  our own words


def read_only(recording: Recording, state: Path) -> None:
    stopped(recording, state, signal.SIGTERM)
    for place, rights in ((state, 0o444), (state.parent, 0o555)):
        before = place.stat().st_mode
        place.chmod(rights)
        try:
            line = refused(recording, state, _AS_ANYBODY)
        finally:
            place.chmod(before)
        assert "it must be writable, and so must its folder" in line
        assert str(place) in line


def damaged(recording: Recording, state: Path) -> None:
    """Cut copies of a state and flip bytes of them; none goes on, and the state itself does."""
    stopped(recording, state, signal.SIGTERM)
    sound = state.read_bytes()
    for number, content in enumerate(_harmed(sound)):
        copy = state.with_name(f"harmed{number}.sqlite")
        copy.write_bytes(content)
        line = refused(recording, copy)
        assert "it is damaged" in line or "it is no state of a paper session" in line


def _harmed(sound: bytes) -> Iterator[bytes]:
    yield sound[: len(sound) // 2]
    yield sound[:-4096]
    yield b""
    yield sound.replace(b"the session begins", b"the session Begins")
    content = bytearray(sound)
    for place in np.random.default_rng(len(sound)).integers(len(content), size=30):
        content[place] ^= 0xFF
    yield bytes(content)


# ---------------------------------------------------------------- two at once


def started_twice(recording: Recording, state: Path) -> None:
    words = recording.words(state)
    with running(words, state) as first:
        assert first.wait_for("moments", 1)
        with running(words, state) as second:
            other = second.end()
        assert first.wait_for("moments", 1)
        ended = first.end()
    assert ended.code == 0, ended.err
    assert_refused_beside(other, first.pid)


def assert_refused_beside(other: Ended, pid: int) -> None:
    assert other.code == 1, other
    assert f"a state must have one writer, found another at work, process {pid}: " in other.line


CASES = (
    Case(
        "SIGTERM",
        "the report, exit code 0; `--status` exits with 3",
        partial(stopped, number=signal.SIGTERM),
    ),
    Case(
        "SIGINT (Ctrl-C)",
        "the report, exit code 0; `--status` exits with 3",
        partial(stopped, number=signal.SIGINT),
    ),
    Case("SIGINT twice", "`stopped` within 3 s, exit code 130", interrupted_twice),
    Case(
        "SIGINT at three moments of start-up",
        "`stopped`, exit code 130",
        interrupted_within_start_up,
    ),
    Case("disk full", "one line: make room; exit code 1", disk_full),
    Case(
        "no file may grow any more (quota)",
        "one line: check the disk; exit code 1",
        grown_too_large,
    ),
    Case(
        "no room to go on, and none to begin another",
        "one line: check the disk; exit code 1",
        without_room,
    ),
    Case("state or folder read-only", "one line: mend the rights; exit code 1", read_only),
    Case(
        "state corrupted: cut (3 ways), changed (2)",
        "one line: restore a copy; exit code 1; not a byte changes",
        damaged,
    ),
    Case(
        "a second process on the state",
        "one line that names the first; exit code 1; the first goes on",
        started_twice,
        quick=True,
    ),
)
