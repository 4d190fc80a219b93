"""Reading a session's state, while it is written or afterwards."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np

from engine.paper.columns import moment_at, ms
from engine.paper.file import damaged, named_errors, open_to_read
from engine.paper.records import Event, OrderRecord, PricedFill, SessionFacts
from engine.paper.rows import (
    RecordedMoment,
    bars_of,
    decision_of,
    event_of,
    facts_of,
    fill_of,
    moment_of,
    order_of,
    rejection_of,
    revision_of,
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
)
from engine.paper.typed_text import from_text
from engine.records import Rejection
from feeds.bars import Bars
from feeds.errors import FeedError
from feeds.live.moment import Origin, Revision
from feeds.timeframe import Timeframe

T = TypeVar("T")

# Orders in these states can still fill.
OPEN_ORDERS = ("waiting", "asleep")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A moment at which nothing was held and no order waited: a session can go on from there.

    Attributes
    ----------
    account : the account's history, as it was written
    """

    closed_at: np.datetime64
    cash: float
    account: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class BarOrigin:
    """How a bar came.

    Attributes
    ----------
    time : when it opened
    origin : None for a bar of warm-up
    offline : it closed while nobody watched
    """

    time: np.datetime64
    origin: Origin | None
    offline: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """How long decisions took, in real milliseconds; None where none was measured."""

    p50_ms: float | None = None
    p99_ms: float | None = None
    moments: int = 0


class _Connected:
    """Asks one connection, and names what goes wrong."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    def _rows(self, statement: str, *values: Any) -> list[Row]:
        with named_errors(self.path):
            return self._connection.execute(statement, values).fetchall()

    def _records(self, of: Callable[[Row], T], rows: Sequence[Row]) -> list[T]:
        try:
            return [of(row) for row in rows]
        except (ValueError, TypeError, RecursionError) as error:
            raise damaged(self.path, f"a record cannot be read: {error}") from error

    def _of_moments(
        self, table: Table, of: Callable[[Row], T], after: np.datetime64 | None, last: int | None
    ) -> list[T]:
        """Return the records of a table, oldest first."""
        since = _FIRST if after is None else ms(after)
        rows = self._rows(f"{table.select()} WHERE moment > ? {_LATEST}", since, _count(last))
        return self._records(of, rows[::-1])


class _MarketRows(_Connected):
    """Bars, and how they came."""

    _timeframe: Timeframe

    def bars(
        self,
        symbol: str,
        *,
        start: np.datetime64 | None = None,
        end: np.datetime64 | None = None,
        last: int | None = None,
    ) -> Bars:
        """Return a symbol's bars, those of warm-up included; none for an unknown symbol.

        Parameters
        ----------
        start, end : the first open time, and the first one that is left out
        last : at most so many, the latest of them
        """
        rows = self._rows(
            f"{BARS.select()} WHERE symbol = ? AND time >= ? AND time < ? "
            "ORDER BY time DESC LIMIT ?",
            *_span(symbol, start, end),
            _count(last),
        )[::-1]
        try:
            return bars_of(symbol, self._timeframe, rows)
        except FeedError as error:
            raise damaged(self.path, str(error)) from error

    def origins(
        self,
        symbol: str,
        *,
        start: np.datetime64 | None = None,
        end: np.datetime64 | None = None,
        last: int | None = None,
    ) -> list[BarOrigin]:
        """Return how those bars came; parameters and order as in `bars`."""
        rows = self._rows(
            "SELECT time, origin, coalesce(offline, 0) FROM bars LEFT JOIN moments "
            "ON closed_at = time + ? WHERE symbol = ? AND time >= ? AND time < ? "
            "ORDER BY time DESC LIMIT ?",
            self._timeframe.ms,
            *_span(symbol, start, end),
            _count(last),
        )
        return self._records(_origin_of, rows[::-1])


class _TradeRows(_Connected):
    """Decisions, orders, and what became of them."""

    def decisions(
        self,
        *,
        after: np.datetime64 | None = None,
        last: int | None = None,
        symbol: str | None = None,
    ) -> list[dict[str, Any]]:
        """Return rows of the journal as they were written, oldest first.

        Parameters
        ----------
        after : only of moments that closed later
        last : at most so many, the latest of them
        """
        if symbol is None:
            return self._of_moments(DECISIONS, decision_of, after, last)
        since = _FIRST if after is None else ms(after)
        rows = self._rows(
            f"{DECISIONS.select()} WHERE symbol = ? AND moment > ? {_LATEST}",
            symbol,
            since,
            _count(last),
        )
        return self._records(decision_of, rows[::-1])

    def orders(
        self, *, open_only: bool = False, after: np.datetime64 | None = None
    ) -> list[OrderRecord]:
        """Return orders as they stand, in the order in which they were first sent.

        Parameters
        ----------
        after : only those that were decided on at moments that closed later
        """
        where = "AND status IN (?, ?)" if open_only else ""
        values = (_FIRST if after is None else ms(after), *(OPEN_ORDERS if open_only else ()))
        rows = self._rows(f"{ORDERS.select()} WHERE decided_at > ? {where} ORDER BY rowid", *values)
        return self._records(order_of, rows)

    def fills(
        self, *, after: np.datetime64 | None = None, last: int | None = None
    ) -> list[PricedFill]:
        """Return fills in the order in which they happened; parameters as in `decisions`."""
        return self._of_moments(FILLS, fill_of, after, last)

    def rejections(
        self, *, after: np.datetime64 | None = None, last: int | None = None
    ) -> list[Rejection]:
        """Return rejections, oldest first; parameters as in `decisions`."""
        return self._of_moments(REJECTIONS, rejection_of, after, last)

    def rejections_by_close(
        self, *, after: np.datetime64 | None = None
    ) -> dict[np.datetime64, list[Rejection]]:
        """Return rejections by the moment at which they happened; parameters as in `decisions`."""
        since = _FIRST if after is None else ms(after)
        rows = self._rows(f"{REJECTIONS.select()} WHERE moment > ? ORDER BY rowid", since)
        found: dict[np.datetime64, list[Rejection]] = {}
        for row, rejection in zip(rows, self._records(rejection_of, rows), strict=True):
            found.setdefault(moment_at(row[_MOMENT]), []).append(rejection)
        return found


class StateReader(_MarketRows, _TradeRows):
    """A session's state, read-only; each question sees what was committed until then.

    It may be used in the thread in which it was opened. While another process writes, readers
    neither wait nor make it wait.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        super().__init__(path, connection)
        self._facts = self._records(facts_of, self._rows(SESSION.select()))
        if not self._facts:
            raise damaged(path, "it does not say what the session was begun with")
        self._timeframe = Timeframe.parse(self._facts[0].timeframe)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a state.

        Raises
        ------
        StateError : it cannot be read as one, in one line
        """
        connection = open_to_read(path)
        try:
            return cls(path, connection)
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
        self._connection.close()

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """Have all questions of the block see what was committed until the first of them."""
        with named_errors(self.path):
            self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("ROLLBACK")

    def facts(self) -> SessionFacts:
        """Return what the session was begun with."""
        return self._facts[0]

    def health(self) -> dict[str, Any] | None:
        """Return what the session last said of itself, if it has."""
        found = self._records(
            lambda row: HEALTH.values(row)["document"], self._rows(HEALTH.select())
        )
        return found[0] if found else None

    def checkpoint(self) -> Checkpoint | None:
        """Return the latest moment from which the session can go on, if there is one."""
        found = self._records(
            _checkpoint_of,
            self._rows(
                "SELECT closed_at, cash, account FROM moments WHERE account IS NOT NULL "
                "ORDER BY closed_at DESC LIMIT 1"
            ),
        )
        return found[0] if found else None

    def moments(
        self, *, after: np.datetime64 | None = None, last: int | None = None
    ) -> list[RecordedMoment]:
        """Return moments, oldest first; parameters as in `decisions`."""
        since = _FIRST if after is None else ms(after)
        rows = self._rows(
            f"{MOMENTS.select()} WHERE closed_at > ? ORDER BY closed_at DESC LIMIT ?",
            since,
            _count(last),
        )
        return self._records(moment_of, rows[::-1])

    def last_version(self) -> str | None:
        """Return the digest of the bundle that was asked last; None if none ever was."""
        rows = self._rows(
            "SELECT ml FROM moments WHERE ml GLOB ? ORDER BY closed_at DESC LIMIT 1", _DIGEST
        )
        return str(rows[0][0]) if rows else None

    def revisions(
        self, *, after: np.datetime64 | None = None, last: int | None = None
    ) -> list[Revision]:
        """Return revisions, oldest first; parameters as in `decisions`."""
        return self._of_moments(REVISIONS, revision_of, after, last)

    def events(self, *, last: int | None = None) -> list[Event]:
        """Return events, oldest first; with `last` the latest of them."""
        rows = self._rows(f"{EVENTS.select()} ORDER BY rowid DESC LIMIT ?", _count(last))
        return self._records(event_of, rows[::-1])

    def latencies(self, *, last: int | None = None) -> Latencies:
        """Return how long decisions took at live moments, with `last` at the latest of them."""
        rows = self._rows(
            "SELECT latency_ms FROM moments WHERE NOT offline AND latency_ms IS NOT NULL "
            "ORDER BY closed_at DESC LIMIT ?",
            _count(last),
        )
        if not rows:
            return Latencies()
        p50, p99 = np.percentile([value for (value,) in rows], [50, 99], method="higher").tolist()
        return Latencies(p50_ms=p50, p99_ms=p99, moments=len(rows))


_DIGEST = "[0-9a-f]" * 64
# As the indices have it, so that nothing is sorted, nor read beyond what was asked.
_LATEST = "ORDER BY moment DESC, rowid DESC LIMIT ?"
_MOMENT = list(REJECTIONS.columns).index("moment")
_FIRST, _LAST = -(2**63), 2**63 - 1


def _checkpoint_of(row: Row) -> Checkpoint:
    closed_at, cash, account = row
    return Checkpoint(closed_at=moment_at(closed_at), cash=cash, account=from_text(account))


def _span(symbol: str, start: np.datetime64 | None, end: np.datetime64 | None) -> tuple[Any, ...]:
    return (
        symbol,
        _FIRST if start is None else ms(start),
        _LAST if end is None else ms(end),
    )


def _count(last: int | None) -> int:
    """Return the limit as SQLite knows it, to which -1 is none."""
    return -1 if last is None else last


def _origin_of(row: Row) -> BarOrigin:
    time, origin, offline = row
    known = None if origin is None else Origin(origin)
    return BarOrigin(time=moment_at(time), origin=known, offline=bool(offline))
