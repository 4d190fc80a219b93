"""Processes that write states, to be refused, starved or killed."""

import multiprocessing
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from engine.errors import StateError
from engine.paper.reading import StateReader
from engine.paper.state import PaperState
from tests.engine.paper.state_makers import full_moment, make_market

NOBODY = 65534

# A server without threads makes them: it has loaded all this once, and each takes milliseconds.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])


@contextmanager
def child(
    target: Callable[[Connection, Path], None], path: Path
) -> Iterator[tuple[BaseProcess, Connection]]:
    """Run a function of this module in a process of its own; it is killed after the block."""
    here, there = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=target, args=(there, path), daemon=True)
    process.start()
    there.close()
    try:
        yield process, here
    finally:
        process.kill()
        process.join()
        here.close()


def hold(pipe: Connection, path: Path) -> None:
    """Have the state until killed."""
    with PaperState.resume(path):
        pipe.send(os.getpid())
        pipe.recv()


def commit_without_end(pipe: Connection, path: Path) -> None:
    """Commit moment after moment, and say the number of each that is kept."""
    market = make_market(1000)
    with PaperState.resume(path) as state:
        for number in range(len(state.reader.moments()), 1000):
            state.commit(full_moment(market, number))
            pipe.send(number)


def commit_until_the_file_is_full(pipe: Connection, path: Path) -> None:
    """Commit while no file may grow beyond a size; say how many were kept, and what was said."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))
    market, number = make_market(1000), 0
    with PaperState.resume(path) as state:
        try:
            for number in range(1000):
                state.commit(full_moment(market, number))
        except StateError as error:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
            state.commit(full_moment(market, number))
            pipe.send((number, str(error)))


def resume_as_nobody(pipe: Connection, path: Path) -> None:
    """Try to go on as a user without rights, and say what was said."""
    if os.getuid() == 0:
        os.setuid(NOBODY)
    try:
        PaperState.resume(path).close()
    except StateError as error:
        pipe.send(str(error))


def read_as_nobody(pipe: Connection, path: Path) -> None:
    """Read as a user without rights, and say how many moments there are."""
    if os.getuid() == 0:
        os.setuid(NOBODY)
    with StateReader.open(path) as reader:
        pipe.send(len(reader.moments()))
