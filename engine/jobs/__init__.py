"""The commands and what they share; the only part of `engine` that knows `strategies` and `ml`."""

import sys
from types import TracebackType


def _say_stopped(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Say an interruption in one line; leave everything else to Python."""
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("stopped\n")
    else:
        sys.__excepthook__(kind, error, trace)


# A command catches its interruption by itself; this is for the seconds in which its libraries are
# still being loaded, and so it must come before them.
sys.excepthook = _say_stopped
