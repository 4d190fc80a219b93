"""How progress is shown: a bar on a terminal, a line now and then elsewhere.

What is over within two seconds is not shown at all.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import monotonic

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from feeds.progress import Advance, Display, shown_by

SHOWN_AFTER = 2.0  # seconds
SAID_EVERY = 10.0  # seconds between the lines of a task


class _Rate(ProgressColumn):
    """Units per second, in figures of a sensible length."""

    def render(self, task: Task) -> Text:
        unit = str(task.fields["unit"])
        return Text("" if not task.speed else f"{_figures(task.speed)} {unit}/s")


class BarDisplay:
    """Bars on a terminal, one below the other, each gone when its task is done."""

    def __init__(self, console: Console) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            _Rate(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )

    @contextmanager
    def task(self, what: str, total: float | None, unit: str) -> Iterator[Advance]:
        """Show a bar with rate and time left."""
        bars = self._bars
        number = bars.add_task(what, total=total, unit=unit, visible=False)
        try:
            with _later(lambda: self._show(number)):
                yield lambda count=1, /: bars.advance(number, count)
        finally:
            bars.remove_task(number)
            if not bars.tasks:
                bars.stop()

    def _show(self, number: TaskID) -> None:
        self._bars.update(number, visible=True)
        self._bars.start()


class LineDisplay:
    """Plain lines, for files and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def task(self, what: str, total: float | None, unit: str) -> Iterator[Advance]:
        """Say how far the task is, at most every `SAID_EVERY` seconds, and how long it took."""
        lines = _Lines(self._console, what, total, unit)
        with _later(lines.say):
            yield lines.advance
        lines.end()


@contextmanager
def _later(show: Callable[[], None]) -> Iterator[None]:
    """Call `show` if the block takes longer than `SHOWN_AFTER`; never after its end."""
    begin = threading.Timer(SHOWN_AFTER, show)
    begin.daemon = True
    begin.start()
    try:
        yield
    finally:
        begin.cancel()
        begin.join()


class _Lines:
    """One task as lines."""

    def __init__(self, console: Console, what: str, total: float | None, unit: str) -> None:
        self._console, self._what, self._total, self._unit = console, what, total, unit
        self._done = 0.0
        self._began = monotonic()
        self._said_at: float | None = None

    def advance(self, count: float = 1, /) -> None:
        """Count, and say it if it is time to."""
        self._done += count
        if self._said_at is not None and monotonic() - self._said_at >= SAID_EVERY:
            self.say()

    def say(self) -> None:
        """Say how far the task is."""
        self._said_at = monotonic()
        self._write(f"{self._counted()}{self._forecast(self._said_at - self._began)}")

    def end(self) -> None:
        """Say how long it took, if anything was said before."""
        if self._said_at is not None:
            self._write(f"{self._counted()} in {_lasting(monotonic() - self._began)}")

    def _counted(self) -> str:
        of = "" if self._total is None else f" of {self._total:,.0f}"
        return f"{self._what}: {self._done:,.0f}{of} {self._unit}"

    def _forecast(self, seconds: float) -> str:
        if not self._done or seconds <= 0.0:
            return ""
        rate = self._done / seconds
        rest = None if self._total is None else _lasting((self._total - self._done) / rate)
        left = "" if rest is None else f", {rest} left"
        return f", {_figures(rate)}/s{left}"

    def _write(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def show_progress(console: Console, *, quiet: bool) -> AbstractContextManager[None]:
    """Return the block in which progress is shown on the console; not at all if `quiet`."""
    if quiet:
        return nullcontext()
    display: Display = BarDisplay(console) if console.is_terminal else LineDisplay(console)
    return shown_by(display)


def error_console() -> Console:
    """Return the console on which log and progress are written: what is no answer."""
    return Console(file=sys.stderr)


def _figures(number: float) -> str:
    """Return the number with three figures, or whole with separators from 100 on.

    >>> _figures(0.12345), _figures(12.345), _figures(12345.6)
    ('0.123', '12.3', '12,346')
    """
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _lasting(seconds: float) -> str:
    """Return a length of time.

    >>> _lasting(7.25), _lasting(75), _lasting(3700)
    ('7.2 s', '1 min 15 s', '1 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
