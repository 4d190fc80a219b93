"""What a live feed counts, to be read from any thread."""

from collections import Counter
from threading import Lock

from feeds.live.assembly import Assembly
from feeds.live.moment import FeedHealth

_NOTHING = FeedHealth(
    connected=False,
    clock_offset_ms=0.0,
    reconnects=0,
    repaired=0,
    filled=0,
    revised=0,
    differed=0,
    halted=(),
    failures={},
)


class Tally:
    """Counts of one feed, and how it was doing when it was looked at last.

    Attributes
    ----------
    reconnects : connections after the first; written by the feed's own thread only
    """

    def __init__(self) -> None:
        self.reconnects = 0
        self._lock = Lock()
        self._failures: Counter[str] = Counter()
        self._health = _NOTHING

    def fail(self, kind: str) -> None:
        """Count what came to nothing."""
        with self._lock:
            self._failures[kind] += 1

    def publish(self, *, connected: bool, clock_offset_ms: float, assembly: Assembly) -> None:
        """Let every thread see how the feed is doing."""
        counts = assembly.counts()
        self._health = FeedHealth(
            connected=connected,
            clock_offset_ms=clock_offset_ms,
            reconnects=self.reconnects,
            repaired=sum(each.repaired for each in counts),
            filled=sum(each.filled for each in counts),
            revised=assembly.revised,
            differed=sum(each.differed for each in counts),
            halted=tuple(sorted(assembly.halted)),
            failures=self._failed(),
        )

    def _failed(self) -> dict[str, int]:
        with self._lock:
            return dict(self._failures)

    def health(self) -> FeedHealth:
        """Return what was published last."""
        return self._health
