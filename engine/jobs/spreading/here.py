"""Jobs in processes of this machine, by joblib; one alone is done in the command's own."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError
from threadpoolctl import threadpool_limits

from engine.errors import RunError
from engine.jobs.spreading.task import Data, Job, Result, Task, done_apart

log = logging.getLogger("tandem.run")

_DEATHS = 3  # in a row without a job that ended, after which nothing more is tried


@dataclass(frozen=True, slots=True)
class Processes:
    """At most so many processes, of one thread each."""

    count: int
    far = False

    def run(
        self, task: Task[Data, Job, Result], jobs: Sequence[Job], /
    ) -> Iterator[tuple[Job, Result]]:
        """Yield each job with its result as it ends, as `Backend` has it."""
        if min(self.count, len(jobs)) > 1:
            yield from self._apart(task, jobs)
            return
        for job in jobs:
            with threadpool_limits(1):
                result = task.work(task.data, job)
            yield job, result

    def _apart(
        self, task: Task[Data, Job, Result], jobs: Sequence[Job]
    ) -> Iterator[tuple[Job, Result]]:
        """Yield what comes of jobs in processes of their own; these are replaced if one dies."""
        waiting, deaths = dict(enumerate(jobs)), 0
        while waiting:
            try:
                for place, result in self._once(task, waiting):
                    deaths = 0
                    yield waiting.pop(place), result
            except TerminatedWorkerError as error:
                deaths += 1
                if deaths == _DEATHS:
                    raise RunError(_told(list(waiting.values()))) from error
                log.warning(
                    "a worker died: %d jobs that had not ended are done again", len(waiting)
                )

    def _once(
        self, task: Task[Data, Job, Result], waiting: dict[int, Job]
    ) -> Iterator[tuple[int, Result]]:
        """Yield the places of jobs and their results, until all are done or a worker dies."""
        parent, done = os.getpid(), delayed(_done)
        count = max(2, min(self.count, len(waiting)))  # with 1, joblib works in this process
        with parallel_config(backend="loky", inner_max_num_threads=1):
            yield from Parallel(n_jobs=count, return_as="generator_unordered")(
                done(task.work, task.data, job, place, parent)
                for place, job in list(waiting.items())
            )


def _told(jobs: Sequence[object]) -> str:
    more = f" and {len(jobs) - 1} more" if len(jobs) > 1 else ""
    return (
        f"{jobs[0]}{more}: a worker must live until its job ends, and {_DEATHS} died in a row, as "
        "they do when memory is short; what had ended is kept: run it again with fewer --workers"
    )


def _done(
    work: Callable[[Any, Any], Result], data: Any, job: Any, place: int, parent: int
) -> tuple[int, Result]:
    _end_with(parent)
    return place, done_apart(work, data, job)


@cache
def _end_with(parent: int) -> None:
    """Let this process end soon after its parent does, however that ended.

    An orphan would hold its job's files and work on for nobody.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
