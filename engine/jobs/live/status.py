"""`--status STATE`: how a session is doing, whether it runs or not."""

from pathlib import Path

from engine.paper.reading import StateReader
from engine.paper.status import Status, status_of
from feeds.clock import Clock, SystemClock


def status(path: Path, clock: Clock | None = None) -> Status:
    """Return how the session of a state is doing; its `exit_code` is the command's.

    Raises
    ------
    StateError : the state cannot be read
    """
    with StateReader.open(path) as reader:
        return status_of(reader, clock or SystemClock())
