"""The state of a paper session: written in one transaction for each moment, by one process."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from engine.errors import StateError
from engine.paper.columns import moment_at, ms
from engine.paper.file import (
    SessionLock,
    check_free,
    check_writable,
    named_errors,
    open_to_read,
    open_to_write,
)
from engine.paper.integrity import check_sound
from engine.paper.reading import StateReader
from engine.paper.records import Event, MomentRecord, SessionFacts
from engine.paper.rows import (
    bar_rows,
    decision_row,
    event_row,
    facts_row,
    fill_row,
    moment_row,
    order_row,
    rejection_row,
    revision_row,
)
from engine.paper.schema import (
    BARS,
    DECISIONS,
    EVENTS,
    FILLS,
    HEALTH,
    MOMENTS,
    ORDERS,
    REJECTIONS,
    REVISIONS,
    SESSION,
    Row,
    Table,
    sealed,
    statements,
)
from feeds.atomic import atomic_path
from feeds.bars import Bars
from feeds.live.moment import LiveBar
from feeds.moments import readable
from feeds.timeframe import Timeframe


class PaperState:
    """The state of a session and its one writer; a context manager that lets go of it.

    What `commit` has returned from is kept, whatever happens to the process or the machine then.
    When it raises, nothing of the moment is kept, and it may be tried again.

    Attributes
    ----------
    reader : of the same state, for the thread in which this was made
    """

    def __init__(self, path: Path, lock: SessionLock, connection: sqlite3.Connection) -> None:
        self._path, self._lock, self._connection = path, lock, connection
        self.reader = StateReader.open(path)
        self._timeframe = Timeframe.parse(self.reader.facts().timeframe)
        moments = self.reader.moments(last=1)
        self._last_moment = ms(moments[0].closed_at) if moments else None
        self._last_bars = dict(_last_bars(connection))

    @classmethod
    def create(cls, path: Path, facts: SessionFacts, warmup: Mapping[str, Bars]) -> Self:
        """Begin a session's state; it appears whole or not at all.

        Parameters
        ----------
        warmup : by symbol, bars that are known from before the session

        Raises
        ------
        StateError : there is a file already, it cannot be written, or another process begins it
        """
        with named_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path) as lock:
            check_free(path)
            with named_errors(path), atomic_path(path) as draft:
                _write_beginning(draft, facts, warmup)
            return cls._opened(path, lock)

    @classmethod
    def resume(cls, path: Path) -> Self:
        """Open the state of a session that is to go on, after checking all of it.

        Raises
        ------
        StateError
            in one line, with a remedy: it is damaged, of another version or no state at all,
            cannot be written, or belongs to another process. The file is left as it was.
        """
        open_to_read(path).close()
        check_writable(path)
        with _locked(path) as lock:
            check_sound(path)
            return cls._opened(path, lock)

    @classmethod
    def _opened(cls, path: Path, lock: SessionLock) -> Self:
        connection = open_to_write(path)
        try:
            with named_errors(path):
                return cls(path, lock, connection)
        except BaseException:
            connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the state; what was committed stays."""
        self.reader.close()
        self._connection.close()
        self._lock.release()

    def commit(self, record: MomentRecord) -> None:
        """Keep all that came of a moment.

        Raises
        ------
        StateError
            the moment or one of its bars does not come after those that are kept, or it cannot
            be written
        """
        self._check(record)
        moment = record.closed_at
        with self._transaction():
            self._insert(MOMENTS, [moment_row(record)])
            for live in record.bars.values():
                self._insert(BARS, bar_rows(live.bar, live.origin))
            self._insert(DECISIONS, [decision_row(moment, row) for row in record.decisions])
            for order in record.orders:
                self._connection.execute(_UPSERT_ORDER, sealed(order_row(moment, order)))
            self._insert(FILLS, [fill_row(moment, fill) for fill in record.fills])
            self._insert(REJECTIONS, [rejection_row(moment, each) for each in record.rejections])
            self._insert(REVISIONS, [revision_row(moment, each) for each in record.revisions])
        self._last_moment = ms(moment)
        self._last_bars |= {symbol: _place(live) for symbol, live in record.bars.items()}

    def note(self, event: Event) -> None:
        """Keep an event."""
        with self._transaction():
            self._insert(EVENTS, [event_row(event)])

    def beat(self, health: Mapping[str, Any]) -> None:
        """Keep how the session is doing, instead of what it said before."""
        with self._transaction():
            self._connection.execute(
                _REPLACE_HEALTH, sealed(HEALTH.row({"id": 1, "document": health}))
            )

    def _insert(self, table: Table, rows: Iterable[Row]) -> None:
        self._connection.executemany(table.insert(), map(sealed, rows))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Keep all that is written in the block, or nothing of it."""
        with named_errors(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite ends some failed ones by itself
                    self._connection.execute("ROLLBACK")
                raise

    def _check(self, record: MomentRecord) -> None:
        if self._last_moment is not None and ms(record.closed_at) <= self._last_moment:
            raise StateError(
                f"{self._path}: a moment must close after the last one kept, "
                f"{readable(moment_at(self._last_moment))}, found {readable(record.closed_at)}"
            )
        for symbol, live in record.bars.items():
            if not self._goes_on(symbol, live, record.closed_at):
                raise StateError(
                    f"{self._path}: a bar must be the one that closed at its moment, and go on "
                    f"from the symbol's last, which that of {symbol} at "
                    f"{readable(record.closed_at)} does not"
                )

    def _goes_on(self, symbol: str, live: LiveBar, closed_at: np.datetime64) -> bool:
        bar = live.bar
        if (bar.symbol, bar.timeframe, len(bar)) != (symbol, self._timeframe, 1):
            return False
        time, segment = _place(live)
        before, old_segment = self._last_bars.get(symbol, (time - self._timeframe.ms, segment))
        step, turn = time - before, segment - old_segment
        follows = turn > 0 if step > self._timeframe.ms else (step, turn) == (self._timeframe.ms, 0)
        return follows and bool(bar.closed_at[0] == closed_at)


_UPSERT_ORDER = (
    f"{ORDERS.insert()} ON CONFLICT (id) DO UPDATE SET "
    f"{', '.join(f'{name} = excluded.{name}' for name in [*ORDERS.columns, 'seal'])}"
)
_REPLACE_HEALTH = HEALTH.insert().replace("INSERT", "INSERT OR REPLACE", 1)


def _last_bars(connection: sqlite3.Connection) -> list[tuple[str, tuple[int, int]]]:
    """Return when the last bar of each symbol opened, and its segment."""
    rows = connection.execute("SELECT symbol, max(time), segment FROM bars GROUP BY symbol")
    return [(symbol, (time, segment)) for symbol, time, segment in rows]


def _place(live: LiveBar) -> tuple[int, int]:
    return ms(live.bar.time[0]), int(live.bar.segment[0])


@contextmanager
def _locked(path: Path) -> Iterator[SessionLock]:
    """Take the lock, and let go of it if the block fails."""
    lock = SessionLock.taken(path)
    try:
        yield lock
    except BaseException:
        lock.release()
        raise


def _write_beginning(draft: Path, facts: SessionFacts, warmup: Mapping[str, Bars]) -> None:
    draft.unlink(missing_ok=True)  # one that was killed may have had the same number
    connection = sqlite3.connect(draft, isolation_level=None)
    try:
        # A draft that is not finished is thrown away: it needs no journal.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("BEGIN")
        for statement in statements():
            connection.execute(statement)
        connection.execute(SESSION.insert(), sealed(facts_row(facts)))
        for bars in warmup.values():
            connection.executemany(BARS.insert(), map(sealed, bar_rows(bars, None)))
        connection.execute("COMMIT")
    finally:
        connection.close()
