"""A real Dask cluster of processes on this machine."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import IO

from tests.wrong_input.interrupting import ROOT

_QUIET = ("--no-dashboard", "--host", "127.0.0.1")
_AT = re.compile(r"Scheduler at:\s+(tcp://\S+)")
_UP = re.compile(r"Registered to:")


@dataclass
class LocalCluster:
    """A scheduler and workers, each a process that can be killed."""

    folder: Path
    scheduler: "subprocess.Popen[str]"
    address: str
    workers: list["subprocess.Popen[str]"] = field(default_factory=list)

    def add_worker(self, *words: str, root: Path = ROOT) -> "subprocess.Popen[str]":
        """Start a worker; return when the scheduler knows it."""
        process = _started(
            "worker", self.address, "--no-nanny", "--local-directory", str(self.folder),
            *(words or ("--nthreads", "1")), root=root,
        )  # fmt: skip
        self.workers.append(process)
        _heard(process, _UP)
        return process

    def close(self) -> None:
        """Kill all of it."""
        for process in (*self.workers, self.scheduler):
            kill(process)


def kill(process: "subprocess.Popen[str]") -> None:
    """Kill the process as the system does when memory is short."""
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


@contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[LocalCluster]:
    """Yield a cluster with so many workers of one thread."""
    scheduler = _started("scheduler", "--port", "0", root=ROOT)
    made = LocalCluster(folder, scheduler, _heard(scheduler, _AT))
    try:
        for _ in range(workers):
            made.add_worker()
        yield made
    finally:
        made.close()


def _started(kind: str, *words: str, root: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(  # noqa: S603  our own words
        [sys.executable, "-m", "dask", kind, *words, *_QUIET],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )


def _heard(process: "subprocess.Popen[str]", what: re.Pattern[str]) -> str:
    """Return what it says of itself; read on, so that it is never held up."""
    assert process.stderr is not None
    lines = []
    end = time.monotonic() + 60
    for line in process.stderr:
        lines.append(line)
        if found := what.search(line):
            Thread(target=_drain, args=(process.stderr,), daemon=True).start()
            return found.group(found.lastindex or 0)
        assert time.monotonic() < end, lines
    raise AssertionError(lines)


def _drain(pipe: IO[str]) -> None:
    try:
        for _ in pipe:
            pass
    except ValueError:  # closed, as its process was killed
        return
