"""The store: bars that were downloaded, one Parquet file for each listing, and what they cover.

    data/<exchange>/<BASE-QUOTE>/<timeframe>.parquet

and below `data/at/<address>/` what another address than the exchange's own has said.

A file reads like any file of bars. Its metadata says beside symbol and timeframe which stretches
of time were asked for (`covered`), since rows alone cannot tell a minute without trade from one
that was never downloaded. Rows and coverage change together, in one step.

A file is divided into groups of rows, with a digest each: who asks for a year of ten reads that
year, and what is read is verified.
"""

import fcntl
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from feeds.atomic import atomic_path
from feeds.bars import Bars, IntArray
from feeds.errors import StoreError, UnknownMarketError
from feeds.files import GROUP, METADATA_KEY, framed, giving_back, write_table
from feeds.gaps import FILL_LIMIT
from feeds.mending import RawBars
from feeds.messages import first_line
from feeds.quality import QualityReport
from feeds.rows import VALUES
from feeds.spans import Span, joined, uncovered
from feeds.symbol import normalise_symbol
from feeds.timeframe import Timeframe

_EXCHANGE = re.compile(r"[a-z0-9]{1,40}", re.ASCII)  # as ccxt names them; never a path
_UNREADABLE = (  # what a damaged file raises
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RecursionError,
    MemoryError,
    pa.ArrowException,
)

Found = TypeVar("Found")

DEFAULT_EXCHANGE = "binance"  # where bars come from if nobody says


@dataclass(frozen=True, slots=True)
class Listing:
    """A symbol at a timeframe, as one exchange has it."""

    exchange: str
    symbol: str
    timeframe: Timeframe

    def __post_init__(self) -> None:
        if not _EXCHANGE.fullmatch(self.exchange):
            raise UnknownMarketError(
                f"an exchange is named in small letters and digits, as ccxt does, "
                f"found {self.exchange!r}"
            )
        object.__setattr__(self, "symbol", normalise_symbol(self.symbol))

    def __str__(self) -> str:
        return f"{self.exchange} {self.symbol} {self.timeframe}"


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """What a file holds: a raw frame, oldest row first, and the spans that it covers."""

    rows: pd.DataFrame
    covered: tuple[Span, ...]

    def replaced(self, rows: pd.DataFrame, span: Span) -> "_Held":
        """Return what is held when `rows` are all that there is in `span`."""
        first, last = np.searchsorted(_times(self.rows), span)
        parts = [self.rows.iloc[:first], rows, self.rows.iloc[last:]]
        whole = pd.concat([part for part in parts if len(part)] or [rows], ignore_index=True)
        return _Held(whole, joined([*self.covered, span]))


_COLUMNS = ["timestamp", *VALUES]


class _Group(NamedTuple):
    """Rows of a file that are read together: when the first and the last open, and their digest."""

    first: int
    last: int
    digest: str

    @classmethod
    def of(cls, rows: pd.DataFrame) -> "_Group":
        time = _times(rows)
        return cls(int(time[0]), int(time[-1]), _digest(rows))


@dataclass(frozen=True, slots=True, eq=False)
class _File:
    """A file of the store that has been opened: what it covers is known, no row is read yet.

    Attributes
    ----------
    groups : of the rows; None for a file that was written before rows had groups
    """

    parquet: pq.ParquetFile
    covered: tuple[Span, ...]
    groups: tuple[_Group, ...] | None

    @classmethod
    def of(cls, file: BinaryIO, listing: Listing) -> "_File":
        parquet = pq.ParquetFile(file)
        said = json.loads(parquet.schema_arrow.metadata[METADATA_KEY])
        covered = tuple(Span(int(start), int(end)) for start, end in said["covered"])
        kind = parquet.schema_arrow.field("timestamp").type
        if not isinstance(getattr(kind, "tz", None), str):
            raise TypeError("its times are none")
        if "groups" not in said:
            found = cls(parquet, covered, None)
            _refuse_other(said["digest"], _whole_digest(found.rows(), covered, listing))
            return found
        groups = tuple(_Group(*each) for each in said["groups"])
        _refuse_other(said["digest"], _head_digest(groups, covered, listing))
        return cls(parquet, covered, groups)

    def rows(self, span: Span | None = None) -> pd.DataFrame:
        """Return the rows of a span, numbered from 0; of the groups that it touches and no others.

        Without a span they are all.
        """
        if self.groups is None:
            parts = [_raw(framed(self.parquet.read(_COLUMNS)))]
        else:
            touched = [n for n, group in enumerate(self.groups) if _touches(group, span)]
            parts = [self._group(number) for number in touched]
            for number, rows in zip(touched, parts, strict=True):
                _refuse_other(self.groups[number].digest, _digest(rows))
        if not parts:
            return _empty()
        whole = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
        if span is None:
            return whole
        first, last = np.searchsorted(_times(whole), span)
        return whole.iloc[first:last].reset_index(drop=True)

    def _group(self, number: int) -> pd.DataFrame:
        return _raw(framed(self.parquet.read_row_group(number, _COLUMNS)))


def _touches(group: _Group, span: Span | None) -> bool:
    return span is None or (group.first < span.end and group.last >= span.start)


class Store:
    """Downloaded bars under a folder. Several processes may use it at a time.

    Every method may raise `StoreError`: a file is damaged, or cannot be read or written. A damaged
    file is never overwritten.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, listing: Listing) -> Path:
        """Return where the bars of a listing are kept."""
        symbol = listing.symbol.replace("/", "-")
        return self.root / listing.exchange / symbol / f"{listing.timeframe}.parquet"

    def covered(self, listing: Listing) -> tuple[Span, ...]:
        """Return the spans of which the store holds every bar that the exchange has."""
        return self._read(listing, lambda file: file.covered) or ()

    def missing(self, listing: Listing, span: Span) -> tuple[Span, ...]:
        """Return what of `span` is not covered, oldest first."""
        return uncovered(span, self.covered(listing))

    def last_bar(self, listing: Listing, *, before: int) -> int | None:
        """Return when the last bar that is held before a moment opened, in ms; None without one."""
        rows = self._read(listing, lambda file: file.rows(_ending(file, before)))
        return None if rows is None or rows.empty else int(_times(rows)[-1])

    def refuse_unwritable(self, listing: Listing) -> None:
        """Refuse a place at which nothing can be kept: before a download, not after it."""
        with self._locked(listing):
            pass

    def add(self, listing: Listing, rows: pd.DataFrame, span: Span) -> None:
        """Keep the rows of a span, and that it is covered; what was held of it is replaced.

        Parameters
        ----------
        rows : a raw frame (see `feeds.quality`) in order of time, all within the span
        """
        time = _times(rows)
        if len(time) and not (span.start <= time.min() and time.max() < span.end):
            raise StoreError(f"{listing}: rows must lie in the span they cover, {span}")
        with self._locked(listing) as path:
            held = self._read(listing, lambda file: _Held(file.rows(), file.covered))
            self._save(path, listing, (held or _Held(_empty(), ())).replaced(rows, span))

    def read(
        self,
        listing: Listing,
        span: Span,
        *,
        repair: Iterable[str] = (),
        fill_limit: int = FILL_LIMIT,
    ) -> tuple[Bars, QualityReport]:
        """Return the bars that open in `span`; defective rows are refused unless repairs are named.

        Raises
        ------
        StoreError
            if the span is not covered, or the exchange has no bars in it
        BadBarsError
            if its rows have defects that the named repairs do not remove
        """
        with giving_back():
            return self._rows(listing, span).mended(repair, fill_limit=fill_limit)

    def _rows(self, listing: Listing, span: Span) -> RawBars:
        missing, rows = self._read(listing, partial(_asked, span=span)) or ((span,), None)
        if missing:
            raise StoreError(f"{listing}: {missing[0]} must be downloaded first")
        if rows is None or rows.empty:
            raise StoreError(f"{listing}: there are no bars from {span}; choose other dates")
        return RawBars(rows, listing.symbol, listing.timeframe, str(listing))

    @contextmanager
    def _locked(self, listing: Listing) -> Iterator[Path]:
        """Yield the path while no other process changes its file; turn what fails to an error."""
        path = self.path(listing)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.with_name(f".{path.name}.lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # until it is closed
                for draft in path.parent.glob(f".{path.name}.*.part"):
                    draft.unlink()  # of a process that was killed: none that lives is writing
                yield path
        except OSError as error:
            raise StoreError(
                f"{path}: cannot be written: {_reason(error)}; make room, or choose another "
                "folder with --store"
            ) from error

    def _read(self, listing: Listing, what: Callable[[_File], Found]) -> Found | None:
        """Return something that the listing's file holds; None if there is no file."""
        path = self.path(listing)
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(
                f"{path}: cannot be read: {_reason(error)}; choose another folder with --store"
            ) from error
        with file:
            try:
                return what(_File.of(file, listing))
            except (*_UNREADABLE, OSError) as error:
                raise StoreError(
                    f"{path}: the file is damaged or none of the store ({_reason(error)}); move it "
                    "away, and its bars are downloaded again"
                ) from error

    def _save(self, path: Path, listing: Listing, held: _Held) -> None:
        starts = range(0, len(held.rows), GROUP)
        groups = tuple(_Group.of(held.rows.iloc[start : start + GROUP]) for start in starts)
        said = {
            "symbol": listing.symbol,
            "timeframe": str(listing.timeframe),
            "exchange": listing.exchange,
            "covered": held.covered,
            "groups": groups,
            "digest": _head_digest(groups, held.covered, listing),
        }
        stamped = held.rows.assign(timestamp=held.rows["timestamp"].dt.tz_localize("UTC"))
        with atomic_path(path) as draft:
            write_table(stamped, said, draft)


def _raw(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of a raw frame."""
    time = pd.to_datetime(table["timestamp"], utc=True).dt.tz_localize(None)
    values = {name: table[name].astype(np.float64) for name in VALUES}
    return pd.DataFrame({"timestamp": time.astype("datetime64[ms]"), **values})


def _empty() -> pd.DataFrame:
    return _raw(pd.DataFrame(columns=_COLUMNS))


def _asked(file: _File, span: Span) -> tuple[Sequence[Span], pd.DataFrame | None]:
    """Return what is missing of a span; of one that is covered, the rows."""
    missing = uncovered(span, file.covered)
    return missing, None if missing else file.rows(span)


def _ending(file: _File, before: int) -> Span:
    """Return a span before a moment that holds the last row before it, if there is one."""
    groups = file.groups or ()
    begun = [group.first for group in groups if group.first < before]
    return Span(max(begun, default=0), before)


def _head_digest(groups: Sequence[_Group], covered: Sequence[Span], listing: Listing) -> str:
    """Return the SHA-256 of the groups' digests, of what they cover and of whose they are."""
    return hashlib.sha256(json.dumps([str(listing), covered, groups]).encode()).hexdigest()


def _whole_digest(rows: pd.DataFrame, covered: Sequence[Span], listing: Listing) -> str:
    """Return the SHA-256 of a file without groups."""
    sha = hashlib.sha256(json.dumps([str(listing), covered]).encode())
    return _with_rows(sha, rows)


def _digest(rows: pd.DataFrame) -> str:
    return _with_rows(hashlib.sha256(), rows)


def _with_rows(sha: "hashlib._Hash", rows: pd.DataFrame) -> str:
    sha.update(np.ascontiguousarray(_times(rows)).data)
    for name in VALUES:
        sha.update(np.ascontiguousarray(rows[name].to_numpy(np.float64)).data)
    return sha.hexdigest()


def _refuse_other(said: object, found: str) -> None:
    if said != found:
        raise ValueError("its digest does not fit what it holds")


def _times(rows: pd.DataFrame) -> IntArray:
    return rows["timestamp"].to_numpy("datetime64[ms]").astype(np.int64)


def _reason(error: Exception) -> str:
    """Return in one line what went wrong."""
    return getattr(error, "strerror", None) or first_line(error)
