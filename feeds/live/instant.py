"""When something was, by two clocks that may each be wrong in a way of its own."""

from math import inf
from typing import NamedTuple


class Instant(NamedTuple):
    """A moment, or a stretch of time, in ms by both clocks here: the local one, the stopwatch."""

    local: float
    watch: float

    def halfway(self, later: "Instant") -> "Instant":
        """Return the moment between the two."""
        return Instant((self.local + later.local) / 2, (self.watch + later.watch) / 2)

    def before(self, moment: float) -> "Instant":
        """Return how long before a moment of the exchange it is."""
        return Instant(moment - self.local, moment - self.watch)

    def after(self, moment: float) -> "Instant":
        """Return how long after a moment of the exchange it is."""
        return Instant(self.local - moment, self.watch - moment)

    def since(self, earlier: "Instant") -> "Instant":
        """Return what has passed."""
        return Instant(self.local - earlier.local, self.watch - earlier.watch)

    def at_least(self, other: "Instant") -> "Instant":
        """Return the later one by each clock."""
        return Instant(max(self.local, other.local), max(self.watch, other.watch))

    def at_most(self, other: "Instant") -> "Instant":
        """Return the earlier one by each clock."""
        return Instant(min(self.local, other.local), min(self.watch, other.watch))


NEVER = Instant(-inf, -inf)
