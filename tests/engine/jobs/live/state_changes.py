"""States on disk in which something was changed, sealed again so that nothing looks damaged."""

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from engine.paper.schema import TABLES, sealed
from engine.paper.typed_text import from_text, to_text

Row = dict[str, Any]
Change: TypeAlias = Callable[[Row], None]

SWAPS = {"score_below": "missed", "ordered": "missed", "in_position": "missed", "vetoed": "missed"}
SWAPS |= {"STRONG_BUY": "BUY", "AVOID": "BUY", "NEUTRAL": "BUY", "WEAK_BUY": "BUY", "BUY": "AVOID"}
SWAPS |= {"LOW": "HIGH", "MEDIUM": "HIGH", "HIGH": "LOW", "VERY_HIGH": "LOW"}
COLUMNS = {table.name: list(table.columns) for table in TABLES}


@dataclass(frozen=True)
class Kept:
    """A state on disk, from which copies are made to be changed."""

    path: Path
    copy: Path

    def changed(self, table: str, which: str, change: Change) -> Path:
        """Return a copy in which the rows of a table have been changed, sealed again."""
        shutil.copy(self.path, self.copy)
        connection = sqlite3.connect(self.copy)
        columns = COLUMNS[table]
        select = f"SELECT rowid, {', '.join(columns)} FROM {table} {which}"  # noqa: S608  ours
        found = connection.execute(select).fetchall()
        assert found
        for rowid, *values in found:
            row = dict(zip(columns, values, strict=True))
            change(row)
            names = ", ".join(f"{name} = ?" for name in [*columns, "seal"])
            update = f"UPDATE {table} SET {names} WHERE rowid = ?"  # noqa: S608  ours
            connection.execute(update, (*sealed((*row.values(),)), rowid))
        connection.commit()
        connection.close()
        return self.copy

    def without(self, table: str, which: str) -> Path:
        """Return a copy that lacks rows of a table."""
        shutil.copy(self.path, self.copy)
        connection = sqlite3.connect(self.copy)
        rows = f"SELECT rowid FROM {table} {which}"  # noqa: S608  ours
        delete = f"DELETE FROM {table} WHERE rowid IN ({rows})"  # noqa: S608  ours
        assert connection.execute(delete).rowcount > 0
        connection.commit()
        connection.close()
        return self.copy


def add(column: str, by: float) -> Change:
    """Return what adds a number to a column."""

    def change(row: Row) -> None:
        row[column] += by

    return change


def in_line(**changes: Any) -> Change:
    """Return what changes a journal's row: adds a number, or swaps a word for another."""

    def change(row: Row) -> None:
        line = from_text(row["line"])
        for name, new in changes.items():
            line[name] = SWAPS[line[name]] if new == "another" else line[name] + new
        row["line"] = to_text(line)

    return change


def one(which: str, at: int) -> str:
    """Return what selects one of the rows."""
    return f"{which} ORDER BY rowid LIMIT 1 OFFSET {at}"
