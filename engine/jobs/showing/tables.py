"""Tables of two runs side by side: the first row that differs, the trades that only one has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from engine.jobs.showing.folder import RunFolder
from engine.plain import plain

Change: TypeAlias = tuple[Any, Any]
"""What a value is in the first run, and in the second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDifference:
    """How a table of a run differs from the same of another.

    Attributes
    ----------
    rows : of the first and of the second run
    first : position of the first row that differs
    columns : in which that row differs, and what it says in each run; columns that only one of the
        tables has are None in the other
    """

    run: str
    table: str
    rows: tuple[int, int]
    first: int
    columns: Mapping[str, Change]

    def to_json(self) -> dict[str, Any]:
        """Return the difference in JSON's own types."""
        found: dict[str, Any] = plain({name: getattr(self, name) for name in self.__slots__})
        return found

    def line(self) -> str:
        """Return what a person reads."""
        said = "; ".join(f"{name} {a} -> {b}" for name, (a, b) in list(self.columns.items())[:3])
        more = f"; {len(self.columns) - 3} more columns" if len(self.columns) > 3 else ""
        return (
            f"{self.run}/{self.table}: {self.rows[0]:,} and {self.rows[1]:,} rows, the first that "
            f"differs is row {self.first}: {said}{more}"
        )


def table_difference(
    label: str, name: str, old: RunFolder, new: RunFolder
) -> TableDifference | None:
    """Return how a table differs, to the last bit; None if it does not.

    The column `stamp` is about the whole run and not looked at.
    """
    frames = [_comparable(run.table(label, name)) for run in (old, new)]
    first = _first_difference(*frames)
    if first is None:
        return None
    return TableDifference(
        run=label,
        table=name,
        rows=(len(frames[0]), len(frames[1])),
        first=first,
        columns=differing(_cells(frames[0], first), _cells(frames[1], first)),
    )


def _comparable(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns="stamp", errors="ignore")


def _first_difference(old: pd.DataFrame, new: pd.DataFrame) -> int | None:
    """Return the position of the first row that is not the same, or None."""
    columns = sorted({*old.columns, *new.columns})
    short = min(len(old), len(new))
    other = np.zeros(short, np.bool_)
    for name in columns:
        a, b = (frame[name].iloc[:short] if name in frame else None for frame in (old, new))
        if a is None or b is None:
            there = a if a is not None else b
            other |= there.notna().to_numpy() if there is not None else False
        else:
            same = (a.reset_index(drop=True) == b.reset_index(drop=True)).to_numpy(np.bool_)
            other |= ~(same | (a.isna().to_numpy() & b.isna().to_numpy()))
    if other.any():
        return int(np.argmax(other))
    return None if len(old) == len(new) else short


def _cells(frame: pd.DataFrame, row: int) -> dict[str, Any]:
    return plain(frame.iloc[row].to_dict()) if row < len(frame) else {}


def differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Change]:
    """Return what differs by name; what only one has is None in the other.

    >>> differing({"fee": 0.001, "seed": 0}, {"fee": 0.002, "seed": 0})
    {'fee': (0.001, 0.002)}
    """
    names = dict.fromkeys([*first, *second])
    pairs = {name: (first.get(name), second.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
