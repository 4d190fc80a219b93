"""What the exchange says otherwise about bars that have been handed over."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from feeds.live.rows import Row

REMEMBERED = 8  # bars that have left


class Change(NamedTuple):
    """A bar that was handed over, and what the exchange says of it since."""

    before: Row
    after: Row


@dataclass(slots=True)
class Handed:
    """The last bars of one symbol that have left.

    Attributes
    ----------
    doubtful : the stream has shown one otherwise since: REST is to be asked
    """

    doubtful: bool = False
    _rows: dict[int, Row] = field(default_factory=dict)
    _suspected: dict[int, Row] = field(default_factory=dict)
    _changes: list[Change] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Remember a bar that leaves."""
        self._rows[row.time] = row
        if len(self._rows) > REMEMBERED:
            oldest = next(iter(self._rows))
            del self._rows[oldest]
            self._suspected.pop(oldest, None)

    def see(self, row: Row) -> bool:
        """Take a candle that the stream shows late; return whether it is merely an old state."""
        handed = self._rows.get(row.time)
        if handed is None or handed == row:
            return False
        if row.volume < handed.volume:
            return True
        if self._suspected.get(row.time) != row:
            self._suspected[row.time] = row
            self.doubtful = True
        return False

    def hear(self, shown: Mapping[int, Row]) -> None:
        """Note what REST says; less than before it must say twice: a cache may be behind."""
        self.doubtful = False
        for time, row in shown.items():
            handed = self._rows.get(time)
            if handed is None or handed == row:
                self._suspected.pop(time, None)
            elif row.volume > handed.volume or self._suspected.get(time) == row:
                self._changes.append(Change(handed, row))
                self._rows[time] = row
            else:
                self._suspected[time] = row

    def take_changes(self) -> list[Change]:
        """Return the revisions since this was asked last."""
        changes, self._changes = self._changes, []
        return changes
