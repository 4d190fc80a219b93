"""A real PostgreSQL server on loopback, for the length of a block."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest


def _program(name: str) -> str:
    """Return where a program of the server lies; Debian keeps them out of the way."""
    kept = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = str(kept[-1]) if kept else shutil.which(name)
    if found is None:
        pytest.skip(f"no {name}: PostgreSQL is not installed here")
    return found


def _run(words: Sequence[object]) -> None:
    """Run a program of the server, which refuses to be run by the superuser."""
    subprocess.run(  # noqa: S603  programs of PostgreSQL, with words of our own
        [str(word) for word in words],
        check=True,
        capture_output=True,
        user="nobody" if os.geteuid() == 0 else None,
        cwd="/",
    )


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Start a server with its data in an empty folder; yield the address of its database."""
    control, make = _program("pg_ctl"), _program("initdb")
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    _run([make, "--pgdata", data, "--username", "tandem", "--auth", "trust", "--no-sync"])
    options = f"-h 127.0.0.1 -p {port} -k {folder} -F"
    _run([control, "start", "-D", data, "-l", folder / "log", "-w", "-o", options])
    try:
        yield f"postgresql://tandem@127.0.0.1:{port}/postgres"
    finally:
        _run([control, "stop", "-D", data, "-m", "immediate"])
