"""Kinds of columns: how a value is kept in SQLite, and how it comes back."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.paper.typed_text import from_text, to_text


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of column.

    Attributes
    ----------
    sql : type and constraints
    put, get : from the value to what SQLite keeps, and back
    """

    sql: str
    put: Callable[[Any], Any]
    get: Callable[[Any], Any]

    def being(self, sql: str) -> "Kind":
        """Return the same kind under other constraints."""
        return replace(self, sql=sql)


def ms(moment: np.datetime64) -> int:
    """Return the moment in milliseconds since 1970."""
    return int(moment.astype("datetime64[ms]").astype(np.int64))


def moment_at(ms: int) -> np.datetime64:
    """Return the moment so many milliseconds after 1970."""
    return np.datetime64(ms, "ms")


def number(value: float) -> float:
    """Return the number as SQLite keeps it, without -0.0; the checksum must be that of it."""
    return float(value) + 0.0


def perhaps(kind: Kind) -> Kind:
    """Return the kind of a column that may hold None."""

    def unless_none(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda value: None if value is None else change(value)

    sql = kind.sql.removesuffix(" NOT NULL")
    return Kind(sql, unless_none(kind.put), unless_none(kind.get))


TEXT = Kind("TEXT NOT NULL", str.__str__, str)
NUMBER = Kind("REAL NOT NULL", number, float)
WHOLE = Kind("INTEGER NOT NULL", int, int)
FLAG = Kind("INTEGER NOT NULL", int, bool)
TIME = Kind("INTEGER NOT NULL", ms, moment_at)
MOMENT = TIME.being("INTEGER NOT NULL REFERENCES moments")
# Any value of JSON's types, numbers that are not finite, and moments.
VALUES = Kind("TEXT NOT NULL", to_text, from_text)
LIST = Kind("TEXT NOT NULL", to_text, lambda text: tuple(from_text(text)))
