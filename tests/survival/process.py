"""The paper command as a process of its own, and the moments at which it is killed."""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 180.0  # real seconds without any progress: machines are shared
_LOOK_S = 0.01  # between two looks at a state


class When(Enum):
    """What a kill waits for, before a further moment that is drawn by chance."""

    START = "within start-up"
    RECOVERY = "from where it begins to go on"
    BAR = "some bars on"
    FILL = "right after a fill"


@dataclass(frozen=True, slots=True)
class Kill:
    """A moment at which a process is killed.

    Attributes
    ----------
    bars : of a kill at BAR, how many are to be committed first
    after_s : real seconds more
    """

    when: When
    after_s: float
    bars: int = 0


def drawn_kills(rng: np.random.Generator, bar_s: float) -> Iterator[Kill]:
    """Yield moments without end: of each ten two within start-up, and three after a fill."""
    while True:
        ten = [When.START] * 2 + [When.FILL] * 3 + [When.BAR] * 5
        for place in rng.permutation(len(ten)):
            match when := ten[place]:
                case When.START:
                    yield Kill(when, rng.uniform(0.0, 6.0))
                case When.FILL:
                    yield Kill(when, rng.uniform(0.0, 0.1))
                case _:
                    yield Kill(when, rng.uniform(0.0, bar_s), bars=int(rng.integers(1, 6)))


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended, and all that it said; the exit code is negative if it was killed."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line in which it refused or gave up; the log may have said more before."""
        assert self.out == ""
        assert "Traceback" not in self.err
        *before, last = self.err.splitlines()
        assert last.startswith("run_paper: ")
        assert not [line for line in before if line.startswith("run_paper: ")]
        return last


class Command:
    """`run_paper.py` with some words, running.

    Parameters
    ----------
    before : another command with its words, which starts this one and turns into it
    """

    def __init__(self, words: Sequence[str], state: Path, before: Sequence[str] = ()) -> None:
        self._state = state
        # Not beside the state: there may be no room.
        self._out, self._err = _kept(), _kept()
        self._process = subprocess.Popen(  # noqa: S603  our own command
            [*before, sys.executable, "run_paper.py", *words],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._err,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self, patience_s: float = PATIENCE_S) -> Ended:
        """Wait until it ends; it is killed if it does not, which its code then says."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(patience_s)
        self._process.kill()
        code = self._process.wait()
        return Ended(code, _said(self._out), _said(self._err))

    def close(self) -> None:
        """See to it that it does not run any more."""
        if self.runs:
            self.end(patience_s=0.0)
        self._out.close()
        self._err.close()

    def wait_for(self, table: str, more: int) -> bool:
        """Wait for so many more rows; False if the process has ended before."""
        wanted, until = rows_in(self._state, table) + more, time.monotonic() + PATIENCE_S
        while self.runs:
            if rows_in(self._state, table) >= wanted:
                return True
            assert time.monotonic() < until, f"no {table} in {PATIENCE_S} s: {_said(self._err)}"
            time.sleep(_LOOK_S)
        return False

    def kill_at(self, kill: Kill) -> bool:
        """Kill it at a moment; False if it has ended before."""
        waited_for = {
            When.RECOVERY: ("events", 1),  # the first thing that it writes
            When.BAR: ("moments", kill.bars),
            When.FILL: ("fills", 1),
        }
        if kill.when in waited_for and not self.wait_for(*waited_for[kill.when]):
            return False
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(kill.after_s)
            return False
        self.send(signal.SIGKILL)
        return self.end().code == -signal.SIGKILL


@contextmanager
def running(words: Sequence[str], state: Path, before: Sequence[str] = ()) -> Iterator[Command]:
    """Yield the command, running; it does not outlive the block."""
    command = Command(words, state, before)
    try:
        yield command
    finally:
        command.close()


def rows_in(state: Path, table: str) -> int:
    """Return how many rows a table of a state has; 0 if there is none yet."""
    if not state.exists():
        return 0
    with closing(sqlite3.connect(f"file:{state}?mode=ro", uri=True)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608  a name of ours


def _kept() -> IO[str]:
    return tempfile.TemporaryFile("w+")


def _said(file: IO[str]) -> str:
    file.seek(0)
    return file.read()
