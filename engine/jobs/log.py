"""The log of a command: on stderr as much as was asked for, and all of it kept with the run."""

import logging
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from feeds.atomic import atomic_text

_ROOT = "tandem"
LIVE = "tandem.paper"  # tells what happens as it happens, and is shown like progress
_LINES_KEPT = 100_000


class _Shown(logging.Handler):
    """Writes to the console that progress is shown on, so that neither breaks the other."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(
            self.format(record), markup=False, highlight=False, soft_wrap=True, end="\n"
        )


class _Kept(logging.Handler):
    """Keeps the lines, with their times in UTC."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        form = logging.Formatter(
            "%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ"
        )
        form.converter = time.gmtime
        self.setFormatter(form)
        self.lines: deque[str] = deque(maxlen=_LINES_KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@contextmanager
def logged(console: Console, *, verbose: bool, quiet: bool = False) -> Iterator[None]:
    """Log while the block runs: warnings are shown, with `verbose` everything; all is kept.

    What a live session tells is shown in any case, but with `quiet`.
    """
    log = logging.getLogger(_ROOT)
    shown, kept = _Shown(console), _Kept()
    told = None if quiet else LIVE
    shown.addFilter(lambda line: verbose or line.levelno >= logging.WARNING or line.name == told)
    before = log.handlers[:], log.level
    log.handlers[:] = [shown, kept]
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.handlers[:] = before[0]
        log.setLevel(before[1])


def log_so_far() -> str:
    """Return the lines since the command began; nothing where no command did."""
    kept = [h for h in logging.getLogger(_ROOT).handlers if isinstance(h, _Kept)]
    return "".join(f"{line}\n" for handler in kept for line in handler.lines)


def keep_log(version: Path) -> None:
    """Write the lines so far beside the bundle that they tell of; none where there are none."""
    lines = log_so_far()
    if lines:
        atomic_text(version / "training.log", lines)
