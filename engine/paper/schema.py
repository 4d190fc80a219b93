"""How a session's state lies in its file: one SQLite table for each kind of record.

    session      what it was begun with, one row
    bars         warm-up bars (no origin) and every bar that was handed over, by symbol and time
    moments      when something closed, and what the account was worth then
    decisions    the strategy's journal, a row of it as text (`engine.paper.typed_text`)
    orders       as they stand, in the order in which they were first sent
    fills        what was traded, and what priced it
    rejections   what was wanted and not traded
    revisions    bars that the exchange changed after they were handed over
    events       to know, and no trade
    health       how the session is doing, one row

Moments in time are whole milliseconds since 1970, UTC; flags are 0 or 1. Money, prices and units
are 64-bit floats (SQLite keeps no -0.0: it comes back as 0.0). Rows of a table without a key of
their own stand in the order in which they came. `seal` is a checksum of the rest of
its row, so that a damaged number is found before it is traded on; it proves damage, not intent.
"""

import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias

from engine.paper.columns import (
    FLAG,
    LIST,
    MOMENT,
    NUMBER,
    TEXT,
    TIME,
    VALUES,
    WHOLE,
    Kind,
    perhaps,
)

# "TAND": says that a database is such a state.
APPLICATION_ID = 0x54414E44
VERSION = 1

Row: TypeAlias = tuple[Any, ...]

_ONE = WHOLE.being("INTEGER PRIMARY KEY CHECK (id = 1)")


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its columns without the seal, and what SQLite must know besides.

    Attributes
    ----------
    columns : by name
    key : constraint over several columns
    indexed : columns, or lists of them, that are searched by
    """

    name: str
    columns: Mapping[str, Kind]
    key: str = ""
    indexed: Sequence[str] = field(default=())

    def create(self) -> list[str]:
        """Return the statements that make the table."""
        kinds = {**self.columns, "seal": WHOLE}
        columns = [f"{name} {kind.sql}" for name, kind in kinds.items()]
        inside = ", ".join([*columns, *([self.key] if self.key else [])])
        table = f"CREATE TABLE {self.name} ({inside}) STRICT"
        return [table] + [
            f"CREATE INDEX {self.name}_by_{columns.split(',')[0]} ON {self.name} ({columns})"
            for columns in self.indexed
        ]

    def insert(self) -> str:
        """Return the statement that takes a sealed row."""
        marks = ", ".join("?" * (len(self.columns) + 1))
        return f"INSERT INTO {self.name} VALUES ({marks})"  # noqa: S608  names are from below

    def select(self, *, sealed: bool = False) -> str:
        """Return the beginning of a statement that reads the columns."""
        columns = ", ".join([*self.columns, *(["seal"] if sealed else [])])
        return f"SELECT {columns} FROM {self.name}"  # noqa: S608  names are from below

    def row(self, values: Mapping[str, Any]) -> Row:
        """Return the values as SQLite keeps them."""
        return tuple(kind.put(values[name]) for name, kind in self.columns.items())

    def values(self, row: Row) -> dict[str, Any]:
        """Return the values of a row as they were."""
        kinds = self.columns.items()
        return {name: kind.get(kept) for (name, kind), kept in zip(kinds, row, strict=True)}


SESSION = Table(
    "session",
    {
        "id": _ONE, "exchange": TEXT, "symbols": LIST, "timeframe": TEXT, "cash": NUMBER,
        "settings": VALUES, "rules": VALUES, "recording": perhaps(VALUES), "created_at": TIME,
        "versions": VALUES,
    },
)  # fmt: skip
BARS = Table(
    "bars",
    {
        "symbol": TEXT, "time": TIME, "open": NUMBER, "high": NUMBER, "low": NUMBER,
        "close": NUMBER, "volume": NUMBER, "filled": FLAG, "segment": WHOLE, "synthetic": FLAG,
        "origin": perhaps(TEXT),
    },
    key="PRIMARY KEY (symbol, time)",
)  # fmt: skip
MOMENTS = Table(
    "moments",
    {
        "closed_at": TIME.being("INTEGER PRIMARY KEY"), "offline": FLAG, "late": FLAG,
        "arrived_at": TIME, "latency_ms": perhaps(NUMBER), "cash": NUMBER,
        "position_value": NUMBER, "ml": TEXT, "account": perhaps(VALUES),
    },
)  # fmt: skip
DECISIONS = Table(
    "decisions",
    {"moment": MOMENT, "symbol": perhaps(TEXT), "line": VALUES},
    indexed=("moment", "symbol, moment"),
)
ORDERS = Table(
    "orders",
    {
        "id": TEXT.being("TEXT NOT NULL UNIQUE"), "moment": MOMENT, "symbol": TEXT,
        "units": NUMBER, "kind": TEXT, "price": perhaps(NUMBER), "reason": TEXT,
        "decided_at": TIME, "sent_at": TIME, "status": TEXT,
    },
)  # fmt: skip
FILLS = Table(
    "fills",
    {
        # An order fills once and whole.
        "order_id": TEXT.being("TEXT NOT NULL UNIQUE REFERENCES orders (id)"),
        "moment": MOMENT, "symbol": TEXT, "units": NUMBER, "price": NUMBER,
        "aimed_price": NUMBER, "fee": NUMBER, "decided_at": TIME, "filled_at": TIME, "bar": WHOLE,
        "reason": TEXT, "kind": TEXT, "order_price": perhaps(NUMBER), "model": TEXT,
        "quote": perhaps(NUMBER), "quoted_at": perhaps(TIME), "bar_range": NUMBER,
    },
    indexed=("moment",),
)  # fmt: skip
REJECTIONS = Table(
    "rejections",
    {"moment": MOMENT, "symbol": TEXT, "units": NUMBER, "decided_at": TIME, "reason": TEXT},
    indexed=("moment",),
)
REVISIONS = Table(
    "revisions",
    {
        "moment": MOMENT, "symbol": TEXT, "time": TIME, "before": LIST, "after": LIST,
        "seen_at": TIME,
    },
    indexed=("moment",),
)  # fmt: skip
EVENTS = Table("events", {"at": TIME, "kind": TEXT, "text": TEXT})
HEALTH = Table("health", {"id": _ONE, "document": VALUES})

TABLES = (
    SESSION, BARS, MOMENTS, DECISIONS, ORDERS, FILLS, REJECTIONS, REVISIONS, EVENTS, HEALTH,
)  # fmt: skip


def sealed(row: Row) -> Row:
    """Return the row with its checksum at the end."""
    return (*row, _checksum(row))


def is_sound(row: Row) -> bool:
    """Return whether a row that was read with its checksum is as it was written."""
    return bool(row[-1] == _checksum(row[:-1]))


def statements() -> list[str]:
    """Return the statements that make an empty state."""
    marks = [f"PRAGMA application_id = {APPLICATION_ID}", f"PRAGMA user_version = {VERSION}"]
    return marks + [statement for table in TABLES for statement in table.create()]


@cache
def fingerprint() -> tuple[Row, ...]:
    """Return what SQLite says of its tables, indices, views and triggers in a sound state."""
    memory = sqlite3.connect(":memory:")
    try:
        for statement in statements():
            memory.execute(statement)
        return tuple(memory.execute(LAID_OUT).fetchall())
    finally:
        memory.close()


LAID_OUT = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"


def _checksum(row: Row) -> int:
    return zlib.crc32(repr(row).encode())
