"""Whether the machine itself kept a session waiting: then nothing can be said of a fault."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from time import monotonic

NAP_S = 0.02
MOST = 0.25  # of a bar


@dataclass(slots=True)
class Strain:
    """How long a thread that only naps was kept from waking up, at worst; in real seconds.

    Whoever sees something else wait for the machine makes it longer.
    """

    seconds: float = 0.0

    def is_heavy(self, bar_seconds: float, *, slowest: float) -> bool:
        """Return whether bars went by faster than the machine could follow.

        Parameters
        ----------
        slowest : how long the session took to decide on a bar, at worst, in real seconds
        """
        return max(self.seconds, slowest) > MOST * bar_seconds


@contextmanager
def strain() -> Iterator[Strain]:
    """Watch the machine as long as the block lasts."""
    found, over = Strain(), Event()
    napper = Thread(target=_nap, args=(found, over), daemon=True)
    napper.start()
    try:
        yield found
    finally:
        over.set()
        napper.join()


def _nap(found: Strain, over: Event) -> None:
    began = monotonic()
    while not over.wait(NAP_S):
        woken = monotonic()
        found.seconds = max(found.seconds, woken - began - NAP_S)
        began = woken
