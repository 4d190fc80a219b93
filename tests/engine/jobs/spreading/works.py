"""Work for workers: what a job is, is told by the function."""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from distributed import get_worker

from engine.errors import RunError
from feeds.bars import FloatArray


def counted(data: dict[str, int], job: int) -> int:
    """Return a sum."""
    return data["a"] + job


def named(data: dict[str, FloatArray], job: int) -> str:
    """Return a name of the data."""
    return sorted(data)[job]


def summed(data: FloatArray, job: int) -> float:
    """Return the sum of a part of the data, seeded by the job."""
    return float(np.random.default_rng(job).permutation(data)[: job + 1].sum())


def noted(folder: Path, job: int) -> int:
    """Write down who does the job, wait until it may end, and return it."""
    (folder / f"{job}-{os.getpid()}.begun").touch()
    while (folder / f"{job}.hold").exists():
        time.sleep(0.02)
    return job


def deadly_once(folder: Path, job: int) -> int:
    """Kill the worker of job 1 at the first try."""
    (folder / f"{job}-{os.getpid()}.begun").touch()
    if job == 1 and not (folder / "killed").exists():
        (folder / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return job * job


def deadly(_folder: Path, job: int) -> int:
    """Kill the worker of job 1 each time."""
    if job == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return job


def failing(_folder: Path, job: int) -> int:
    """Fail at job 1."""
    if job == 1:
        raise RunError("job 1 cannot be done")
    return job


def pid(_data: Sequence[Any], job: int) -> int:
    """Return who does the job, a moment later."""
    time.sleep(0.05 + 0 * job)
    return os.getpid()


class Arriving:
    """Data that writes down in which processes it is made from what was sent."""

    def __init__(self, folder: Path, rows: FloatArray) -> None:
        self.folder, self.rows = folder, rows

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "rows": self.rows}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]  # as if made here
        count = len(list(self.folder.glob(f"arrived*.{os.getpid()}")))
        (self.folder / f"arrived{count}.{os.getpid()}").touch()


def arrived(data: Arriving, job: int) -> int:
    """Use the data."""
    return len(data.rows) + job


def held(_data: Sequence[Any], job: int) -> int:
    """Return how many sets of shared data the worker holds."""
    time.sleep(0.05 + 0 * job)
    return sum(name.startswith("tandem-") for name in get_worker().plugins)


def alone(folder: Path, job: int) -> bool:
    """Return whether no other job was done in this process meanwhile."""
    mine = folder / f"{job}.doing"
    mine.touch()
    time.sleep(0.1)
    only = list(folder.glob("*.doing")) == [mine]
    mine.unlink()
    return only
