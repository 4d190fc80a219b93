"""The journal's rows, many at a time as columns: a year of many symbols has hundreds of thousands.

A row is a dictionary of some thirty names, 1.5 kB; in columns it takes a sixth of that.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, TypeAlias, overload

import numpy as np
import pandas as pd

Row: TypeAlias = dict[str, Any]
AT_ONCE = 4096  # rows that are packed together


@dataclass(frozen=True, slots=True, eq=False)
class _Column:
    """What the rows of a pack have under one name.

    Attributes
    ----------
    packed : of the rows that have the name; an array of Python's floats or of moments, or a list
    has : which rows those are; None for all
    """

    packed: np.ndarray | list[Any]
    has: np.ndarray | None

    @classmethod
    def of(cls, name: str, rows: Sequence[Row]) -> "_Column":
        has = np.array([name in row for row in rows])
        values = [row[name] for row in rows if name in row]
        return cls(_packed(values), None if has.all() else has)

    def unpacked(self) -> Iterator[Any]:
        """Yield what each row had under the name, and nothing of one without it."""
        return iter(_objects(self.packed))

    def spread(self, rows: int) -> np.ndarray | list[Any]:
        """Return a value for each row, NaN for one without."""
        if self.has is None:
            return self.packed
        if isinstance(self.packed, np.ndarray) and self.packed.dtype == np.float64:
            whole = np.full(rows, np.nan)
            whole[self.has] = self.packed
            return whole
        following = self.unpacked()
        return [next(following) if has else np.nan for has in self.has.tolist()]


def _packed(values: list[Any]) -> np.ndarray | list[Any]:
    kinds = {type(value) for value in values}
    if kinds == {float}:
        return np.array(values, np.float64)
    if kinds == {np.datetime64} and len({value.dtype for value in values}) == 1:
        return np.array(values)
    words: dict[str, str] = {}  # the same few, again and again
    return [words.setdefault(v, v) if type(v) is str else v for v in values]


def _objects(values: np.ndarray | list[Any]) -> list[Any]:
    if isinstance(values, list):
        return values
    return values.tolist() if values.dtype == np.float64 else list(values)


@dataclass(frozen=True, slots=True, eq=False)
class _Pack:
    """Rows as columns, by name."""

    rows: int
    columns: dict[str, _Column]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "_Pack":
        names = dict.fromkeys(name for row in rows for name in row)
        return cls(len(rows), {name: _Column.of(name, rows) for name in names})

    def __iter__(self) -> Iterator[Row]:
        columns = [
            (name, repeat(True) if column.has is None else iter(column.has), column.unpacked())
            for name, column in self.columns.items()
        ]
        for _ in range(self.rows):
            yield {name: next(values) for name, has, values in columns if next(has)}


class Journal(Sequence[Row]):
    """Rows as they were appended, all but the latest packed."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._packs: list[_Pack] = []
        self._latest: list[Row] = []
        for row in rows:
            self.append(row)

    def append(self, row: Row) -> None:
        """Take the next row."""
        self._latest.append(row)
        if len(self._latest) == AT_ONCE:
            self._packs.append(_Pack.of(self._latest))
            self._latest = []

    def clear(self) -> None:
        """Forget all rows."""
        self._packs, self._latest = [], []

    def __len__(self) -> int:
        return sum(pack.rows for pack in self._packs) + len(self._latest)

    def __iter__(self) -> Iterator[Row]:
        for pack in self._packs:
            yield from pack
        yield from self._latest

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> list[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | list[Row]:
        return (list(self) if self._packs else self._latest)[place]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # what grows has no hash

    def having(self, name: str) -> Iterator[Row]:
        """Yield the rows that have the name."""
        for pack in self._packs:
            if name in pack.columns:
                yield from (row for row in pack if name in row)
        yield from (row for row in self._latest if name in row)

    def frame(self) -> pd.DataFrame:
        """Return the rows as a frame, just as pandas makes one of them.

        Numbers of the frame are the memory of the journal: neither is written to.
        """
        if self._latest:
            self._packs.append(_Pack.of(self._latest))
            self._latest = []
        self._packs = [_one(self._packs)]
        (pack,) = self._packs
        columns = {name: column.spread(pack.rows) for name, column in pack.columns.items()}
        listed = [name for name, values in columns.items() if isinstance(values, list)]
        # pandas finds the kind of what it is given in rows; of columns it would find another.
        told = pd.DataFrame(list(zip(*(columns[n] for n in listed), strict=True)), columns=listed)
        whole = {name: told[name] if name in listed else columns[name] for name in columns}
        return pd.DataFrame(whole, copy=False)


def _one(packs: list[_Pack]) -> _Pack:
    """Return one pack of all rows; the packs are used up."""
    names = dict.fromkeys(name for pack in packs for name in pack.columns)
    return _Pack(sum(pack.rows for pack in packs), {name: _joined(name, packs) for name in names})


def _joined(name: str, packs: Sequence[_Pack]) -> _Column:
    # Taken out of the packs, so that no more than one column is there twice.
    columns = [pack.columns.pop(name, _Column([], np.zeros(pack.rows, np.bool_))) for pack in packs]
    has = [
        np.ones(pack.rows, np.bool_) if column.has is None else column.has
        for pack, column in zip(packs, columns, strict=True)
    ]
    everyone = all(column.has is None for column in columns)
    parts = [found for found in (column.packed for column in columns) if len(found)]
    return _Column(_one_array(parts), None if everyone else np.concatenate(has))


def _one_array(parts: Sequence[np.ndarray | list[Any]]) -> np.ndarray | list[Any]:
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    if len(arrays) == len(parts) and len({part.dtype for part in arrays}) == 1:
        return np.concatenate(arrays)
    return [value for part in parts for value in _objects(part)]
