"""The commands and what they share; the only part of `engine` that knows `strategies` and `ml`."""

import io
import sys
from _thread import interrupt_main
from threading import Timer
from types import TracebackType
from typing import Any


def _say_stopped(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Say an interruption or a missing package in one line; leave everything else to Python."""
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("stopped\n")
    elif isinstance(error, ModuleNotFoundError) and error.name not in sys.modules:
        sys.stderr.write(
            f"{error.name} must be installed for {sys.executable}, which runs this: make setup, "
            "then . .venv/bin/activate\n"
        )
    else:
        sys.__excepthook__(kind, error, trace)


# What a terminal cannot show is escaped: the name of a file may hold what no encoding has.
if isinstance(sys.stdout, io.TextIOWrapper):
    sys.stdout.reconfigure(errors="backslashreplace")

_swallowed = sys.unraisablehook


def _once_more(unraisable: Any) -> None:
    """Repeat an interruption that came where Python drops it; leave everything else as it was."""
    if unraisable.exc_type is KeyboardInterrupt:
        again = Timer(0.05, interrupt_main)
        again.daemon = True
        again.start()
    else:
        _swallowed(unraisable)


# A command catches its interruption by itself; this is for the seconds in which its libraries are
# still being loaded, and so it must come before them.
sys.excepthook = _say_stopped
# While they are loaded and used, Python runs callbacks out of which nothing can be raised.
sys.unraisablehook = _once_more
