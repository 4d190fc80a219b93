"""How far a long job has come: the code reports, the command decides how it is shown.

It is like the log in this. Who does the work writes

    with progress("reading", total=len(files), unit="files") as advance:
        for file in files:
            read(file)
            advance()

and knows nothing of terminals; without a display nothing is shown.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Protocol


class Advance(Protocol):
    """Says that `count` more units are done."""

    def __call__(self, count: float = 1, /) -> None: ...


class Display(Protocol):
    """Shows tasks while they run."""

    def task(self, what: str, total: float | None, unit: str) -> AbstractContextManager[Advance]:
        """Show a task until the block ends; without a total only what is done is known."""


class _Silent:
    """Shows nothing."""

    def task(self, _what: str, _total: float | None, _unit: str) -> AbstractContextManager[Advance]:
        return nullcontext(_ignore)


def _ignore(_count: float = 1, /) -> None:
    """Show nothing."""


_SILENT = _Silent()
_display: ContextVar[Display] = ContextVar("display", default=_SILENT)


def progress(what: str, *, total: float | None, unit: str) -> AbstractContextManager[Advance]:
    """Report a task: what is done, how much of it there is, counted in which unit.

    >>> with progress("counting", total=3, unit="bars") as advance:
    ...     advance(2)
    """
    return _display.get().task(what, total, unit)


@contextmanager
def shown_by(display: Display) -> Iterator[None]:
    """Let `display` show the tasks of the block."""
    token = _display.set(display)
    try:
        yield
    finally:
        _display.reset(token)
