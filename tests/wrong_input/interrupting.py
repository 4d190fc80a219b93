"""Commands in processes of their own that are interrupted."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

ROOT = Path(__file__).resolve().parents[2]

# The script runs as it does by itself; before it, the child says that Python has started.
SCRIPT = """
import runpy, sys
sys.path.insert(0, sys.argv[1])
import engine.jobs
print("up", flush=True)
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

Moment: TypeAlias = Callable[[IO[str]], object]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: list[str]

    @property
    def stopped(self) -> bool:
        """Whether it was interrupted before its answer."""
        return not self.out


def started(script: str, words: list[object]) -> "subprocess.Popen[str]":
    """Return the running command, once Python is up."""
    process = subprocess.Popen(  # noqa: S603  our own script
        [sys.executable, "-c", SCRIPT, str(ROOT), str(ROOT / script), *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def interrupted(script: str, words: list[object], moment: Moment) -> Ended:
    """Run the command, send SIGINT when `moment` has returned, and wait for its end."""
    process = started(script, words)
    assert process.stderr is not None
    said = moment(process.stderr)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    return Ended(
        process.returncode, out, [*([said] if isinstance(said, str) else []), *err.splitlines()]
    )


def after(seconds: float) -> Moment:
    return lambda _: time.sleep(seconds)


def at_line(word: str) -> Moment:
    """Return the moment at which the command has said a line with the word in it."""
    return lambda err: next(line for line in err if word in line)


def check(ended: Ended, *, log: bool = False) -> None:
    """Check how the command said that it was interrupted; with `log`, it may have said more."""
    if ended.stopped:
        assert ended.code in (130, -signal.SIGINT)  # a shell calls both 130
        assert re.fullmatch(r"(\w+: )?stopped", ended.err[-1])
        assert log or ended.err[:-1] == []
    assert not any("Traceback" in line for line in ended.err)
