"""The searches of windows on workers of other machines: their records are filled there.

A worker gets what the record of its window holds, goes on from there, and sends it back. So the
command then finds every trial done, as if it had been interrupted at the end and begun again: it is
the same search, whose choices follow from the seed and the record alone.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.errors import UsageError
from engine.jobs.markets import Market
from engine.jobs.searching.asked import AskedSearch
from engine.jobs.searching.finding import find, search_folder
from engine.jobs.searching.space import Space
from engine.jobs.searching.storage import settle, shown
from engine.jobs.searching.window import SearchWindow
from engine.jobs.settings import Settings
from engine.jobs.spreading.task import Backend, Task
from feeds.atomic import atomic_path
from feeds.progress import progress

log = logging.getLogger("tandem.search")

_REACHED = "postgresql"  # the one kind of storage that is not a file of one machine
_TRIALS = "trials.sqlite3"
_KEPT = (_TRIALS, "tried.json")


@dataclass(frozen=True, slots=True, eq=False)
class _Shared:
    """What the searches of all windows have in common."""

    markets: Sequence[Market]
    settings: Settings
    space: Space
    asked: AskedSearch


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """The search of one window, without the markets, and what its record holds already."""

    window: SearchWindow
    record: Mapping[str, bytes]

    def __str__(self) -> str:
        return str(self.window.window)


def search_far(
    windows: Sequence[SearchWindow], space: Space, asked: AskedSearch, out: Path, backend: Backend
) -> None:
    """Let workers fill the record of each window, and keep it below `out` as it comes back.

    Raises
    ------
    RunError
        if one fails; the others that had ended are kept
    UsageError
        if the record is to be where workers cannot reach it
    """
    if asked.storage is not None and not asked.storage.startswith(_REACHED):
        raise UsageError(
            "--storage must be one that every worker reaches when windows are searched on a "
            f"cluster, postgresql://…, found {shown(asked.storage)}: or leave it out"
        )
    shared = _Shared(windows[0].markets, windows[0].settings, space, asked)
    folders = {each.window: search_folder(each.ground(), space, asked, out) for each in windows}
    jobs = [_Job(replace(each, markets=()), _read(folders[each.window])) for each in windows]
    with progress("searching", total=len(jobs), unit="windows") as advance:
        for job, record in backend.run(Task(_searched, shared), jobs):
            _write(record, folders[job.window.window])
            log.info("%s is searched", job)
            advance()


def _searched(shared: _Shared, job: _Job) -> Mapping[str, bytes]:
    """Make the search of one window; return its record."""
    ground = replace(job.window, markets=shared.markets).ground()
    with TemporaryDirectory(prefix="tandem-") as own:
        folder = search_folder(ground, shared.space, shared.asked, Path(own))
        _write(job.record, folder)
        find(ground, shared.space, shared.asked, Path(own))
        return _read(folder)


def _read(folder: Path) -> dict[str, bytes]:
    _settle(folder)
    files = [folder / name for name in _KEPT]
    return {file.name: file.read_bytes() for file in files if file.exists()}


def _write(record: Mapping[str, bytes], folder: Path) -> None:
    _settle(folder)
    for name in _KEPT:
        if name in record:
            with atomic_path(folder / name) as draft:
                draft.write_bytes(record[name])


def _settle(folder: Path) -> None:
    """Leave nothing of a record beside the files that are sent or replaced."""
    if (folder / _TRIALS).exists():
        settle(folder / _TRIALS)
