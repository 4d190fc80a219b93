"""What is spread: one function, the data that all jobs share, and the jobs.

A job is done in a process that does no other at the time, on one thread, so that neither the number
of workers nor the machine changes its result.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any, Generic, Protocol, TypeVar

import joblib
from threadpoolctl import threadpool_limits

from engine.jobs.display import error_console
from engine.jobs.log import logged

log = logging.getLogger("tandem.run")

Data = TypeVar("Data")
Job = TypeVar("Job")
Result = TypeVar("Result")

_CORES = "LOKY_MAX_CPU_COUNT"
_ONE_AT_A_TIME = Lock()  # seeds, limits of threads and logs are the whole process's


@dataclass(frozen=True, eq=False)
class Task(Generic[Data, Job, Result]):
    """What is done for each job.

    Attributes
    ----------
    work : importable, called with the data and a job; it returns what can be pickled. Where workers
        are of another machine it finds none of this one's files.
    data : what jobs have in common; it goes to each worker once
    """

    work: Callable[[Data, Job], Result]
    data: Data

    @cached_property
    def digest(self) -> str:
        """Of the content of the data."""
        return str(joblib.hash(self.data, hash_name="sha1"))


class Backend(Protocol):
    """Where jobs are done."""

    @property
    def far(self) -> bool:
        """Whether workers may lack the files of this machine."""

    def run(
        self, task: Task[Data, Job, Result], jobs: Sequence[Job], /
    ) -> Iterator[tuple[Job, Result]]:
        """Yield each job with its result as it ends, in no order; `str` of a job names it.

        A worker that dies loses its job, which is done again; what was yielded is not. Who asked
        keeps a result before the next one is awaited, and asks again for what it lacks.

        Raises
        ------
        RunError
            if a job fails, or workers die of it again and again
        """


def done_apart(work: Callable[[Any, Any], Result], data: Any, job: Any) -> Result:
    """Do a job in a worker, which logs as a command does."""
    with _ONE_AT_A_TIME, logged(error_console(), verbose=False), threadpool_limits(1), _one_core():
        return work(data, job)


@contextmanager
def _one_core() -> Iterator[None]:
    """Let `joblib.cpu_count` say 1, which asks the environment whenever it is asked."""
    before = os.environ.get(_CORES)
    os.environ[_CORES] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_CORES]
        else:
            os.environ[_CORES] = before
