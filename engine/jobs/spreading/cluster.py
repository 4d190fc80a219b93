"""Jobs on a Dask cluster that is there: its scheduler is asked, its workers do the work.

Workers run this code with these libraries, or the command ends before any work: other versions
would give other numbers. They may be of other machines, so what comes of a job is sent back.

Shared data is a plugin of the workers, named by its digest. So it is sent once to each, to those
too that come later in place of one that died; scattered data would be lost with its last holder.
"""

import logging
import platform
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import version
from queue import Empty, Queue
from typing import Any

from distributed import Client, Future, WorkerPlugin, get_worker
from distributed.client import FutureCancelledError
from distributed.comm.core import CommClosedError
from distributed.scheduler import KilledWorker

from engine.errors import RunError
from engine.jobs.spreading.code import code_digest
from engine.jobs.spreading.task import Data, Job, Result, Task, done_apart
from feeds.messages import one_line
from ml.manifest import library_versions

log = logging.getLogger("tandem.run")

_PATIENCE = 10.0  # seconds until a scheduler answers, or has a first worker
_LOOK = 2.0  # seconds between looks at whether any worker is left


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster whose scheduler is at an address, such as tcp://192.168.0.7:8786."""

    address: str
    far = True

    def run(
        self, task: Task[Data, Job, Result], jobs: Sequence[Job], /
    ) -> Iterator[tuple[Job, Result]]:
        """Yield each job with its result as it ends, as `Backend` has it."""
        if not jobs:
            return
        with _connected(self.address) as client, _sent(client, task) as name:
            facts = facts_here()
            asked = {
                client.submit(_done, task.work, name, job, facts, pure=False): job for job in jobs
            }
            try:
                for future in _ended(client, self.address, asked):
                    job = asked.pop(future)
                    yield job, _result(future, job, self.address)
            finally:
                with suppress(CommClosedError, TimeoutError):
                    client.cancel(list(asked), reason="the command has ended")


@contextmanager
def _connected(address: str) -> Iterator[Client]:
    """Yield a client of the cluster, whose workers are like this process."""
    with _silent():
        try:
            client = Client(address, timeout=_PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:
            raise RunError(
                f"--address must be that of a Dask scheduler, and none answers at {address}: "
                f"{one_line(str(error))}; start one with: dask scheduler"
            ) from error
        try:
            _check(client, address)
            yield client
        finally:
            client.close(timeout=_PATIENCE)


@contextmanager
def _silent() -> Iterator[None]:
    """Keep the library's own log and warnings to itself: what matters of them is said here."""
    own = logging.getLogger("distributed")
    before = own.level
    own.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        own.setLevel(before)


def _check(client: Client, address: str) -> None:
    """Raise `RunError` if the cluster has no worker, or one that is not like this process."""
    try:
        client.wait_for_workers(1, timeout=_PATIENCE)
    except TimeoutError as error:
        raise RunError(
            f"the cluster at {address} must have a worker, found none in {_PATIENCE:.0f} s; start "
            f"one in the folder of this program with: dask worker {address} --nthreads 1"
        ) from error
    try:
        client.run(import_module, __name__)
    except ImportError as error:
        raise RunError(
            f"the workers of {address} must be able to import this program, and cannot: {error}; "
            "start them in its folder, in an environment of its requirements.lock"
        ) from error
    found: Mapping[str, dict[str, str]] = client.run(facts_here)
    for worker, facts in found.items():
        refuse_other(facts_here(), facts, worker)
    threads = client.nthreads()
    crowded = [worker for worker, count in threads.items() if count > 1]
    if crowded:
        log.warning(
            "%s has %d threads, and a worker does one job at a time: start it with --nthreads 1",
            crowded[0], threads[crowded[0]],
        )  # fmt: skip
    log.info("the cluster at %s has %d workers", address, len(found))


@cache
def facts_here() -> dict[str, str]:
    """Return what must be the same on every worker: versions, and the digest of the code."""
    return {
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "distributed": version("distributed"),
        **library_versions(),
        "this program's code": code_digest(),
    }


def refuse_other(here: Mapping[str, str], there: Mapping[str, str], worker: str) -> None:
    """Raise `RunError` if a worker's versions are not those of the command."""
    for name in dict.fromkeys([*here, *there]):
        own, other = (facts.get(name, "none")[:16] for facts in (here, there))
        if own != other:
            raise RunError(
                f"every worker must have {name} {own} as here, and {worker} has {other}: install "
                "the same requirements.lock and the same program there, and start it anew"
            )


class _SharedData(WorkerPlugin):
    """Data that a worker holds."""

    def __init__(self, name: str, data: Any) -> None:
        self.name, self.data = name, data


@contextmanager
def _sent(client: Client, task: Task[Any, Any, Any]) -> Iterator[str]:
    """Yield the name of the data on every worker, those that come later too, until the end."""
    name = f"tandem-{task.digest}-{client.id}"  # nobody else's, who may end sooner
    client.register_plugin(_SharedData(name, task.data), name=name)
    try:
        yield name
    finally:
        with suppress(CommClosedError, OSError, TimeoutError):
            client.unregister_worker_plugin(name)


def _done(
    work: Callable[[Any, Any], Result], data: str, job: Any, facts: Mapping[str, str]
) -> Result:
    """Do a job on a worker, with the data that it holds."""
    worker = get_worker()
    refuse_other(facts, facts_here(), worker.address)  # it may have come after the others
    return done_apart(work, worker.plugins[data].data, job)


def _ended(client: Client, address: str, asked: Mapping[Future, Any]) -> Iterator[Future]:
    """Yield what has been asked for as it ends; while no worker is left, one is waited for."""
    ended: Queue[Future] = Queue()
    for future in asked:
        future.add_done_callback(ended.put)
    told = False
    while asked:
        try:
            yield ended.get(timeout=_LOOK)
        except Empty:
            left = client.status != "running" or bool(client.nthreads())
            if not left and not told:
                log.warning("no worker of %s is left: %d jobs wait for one", address, len(asked))
            told = not left


def _result(future: Future, job: object, address: str) -> Any:
    try:
        return future.result()
    except KilledWorker as error:
        raise RunError(
            f"{job}: a worker must live until its job ends, and several of {address} died of this "
            "one, as they do when memory is short; what had ended is kept: give them more"
        ) from error
    except (FutureCancelledError, CommClosedError) as error:
        raise RunError(
            f"{job}: the scheduler at {address} is gone; what had ended is kept: run the command "
            "again when it is back"
        ) from error
