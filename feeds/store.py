"""The store: bars that were downloaded, one Parquet file for each listing, and what they cover.

    data/<exchange>/<BASE-QUOTE>/<timeframe>.parquet

and below `data/at/<address>/` what another address than the exchange's own has said.

A file reads like any file of bars. Its metadata says beside symbol and timeframe which stretches
of time were asked for (`covered`), since rows alone cannot tell a minute without trade from one
that was never downloaded. Rows and coverage change together, in one step.
"""

import fcntl
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from feeds.atomic import atomic_path
from feeds.bars import Bars, IntArray
from feeds.errors import StoreError, UnknownMarketError
from feeds.files import METADATA_KEY, write_table
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

    def within(self, span: Span) -> pd.DataFrame:
        """Return the rows of a span, numbered from 0."""
        first, last = np.searchsorted(_times(self.rows), span)
        return self.rows.iloc[first:last].reset_index(drop=True)

    def replaced(self, rows: pd.DataFrame, span: Span) -> "_Held":
        """Return what is held when `rows` are all that there is in `span`."""
        first, last = np.searchsorted(_times(self.rows), span)
        parts = [self.rows.iloc[:first], rows, self.rows.iloc[last:]]
        whole = pd.concat([part for part in parts if len(part)] or [rows], ignore_index=True)
        return _Held(whole, joined([*self.covered, span]))


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
        return self._load(listing).covered

    def missing(self, listing: Listing, span: Span) -> tuple[Span, ...]:
        """Return what of `span` is not covered, oldest first."""
        return uncovered(span, self.covered(listing))

    def last_bar(self, listing: Listing, *, before: int) -> int | None:
        """Return when the last bar that is held before a moment opened, in ms; None without one."""
        time = _times(self._load(listing).rows)
        count = int(np.searchsorted(time, before))
        return int(time[count - 1]) if count else None

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
            self._save(path, listing, self._load(listing).replaced(rows, span))

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
        held = self._load(listing)
        missing = uncovered(span, held.covered)
        if missing:
            raise StoreError(f"{listing}: {missing[0]} must be downloaded first")
        rows = held.within(span)
        if rows.empty:
            raise StoreError(f"{listing}: there are no bars from {span}; choose other dates")
        raw = RawBars(rows, listing.symbol, listing.timeframe, str(listing))
        return raw.mended(repair, fill_limit=fill_limit)

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

    def _load(self, listing: Listing) -> _Held:
        path = self.path(listing)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return _Held(_raw(pd.DataFrame(columns=["timestamp", *VALUES])), ())
        except OSError as error:
            raise StoreError(
                f"{path}: cannot be read: {_reason(error)}; choose another folder with --store"
            ) from error
        try:
            table = pq.ParquetFile(pa.BufferReader(data)).read()
            said = json.loads(table.schema.metadata[METADATA_KEY])
            return _verified(table.to_pandas(ignore_metadata=True), said, listing)
        except (*_UNREADABLE, OSError) as error:
            raise StoreError(
                f"{path}: the file is damaged or none of the store ({_reason(error)}); move it "
                "away, and its bars are downloaded again"
            ) from error

    def _save(self, path: Path, listing: Listing, held: _Held) -> None:
        said = {
            "symbol": listing.symbol,
            "timeframe": str(listing.timeframe),
            "exchange": listing.exchange,
            "covered": held.covered,
            "digest": _digest(held, listing),
        }
        stamped = held.rows.assign(timestamp=held.rows["timestamp"].dt.tz_localize("UTC"))
        with atomic_path(path) as draft:
            write_table(stamped, said, draft)


def _verified(table: pd.DataFrame, said: Any, listing: Listing) -> _Held:
    if not isinstance(table["timestamp"].dtype, pd.DatetimeTZDtype):
        raise TypeError("its times are none")
    held = _Held(_raw(table), tuple(Span(int(start), int(end)) for start, end in said["covered"]))
    if said["digest"] != _digest(held, listing):
        raise ValueError("its digest does not fit what it holds")
    return held


def _raw(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of a raw frame."""
    time = pd.to_datetime(table["timestamp"], utc=True).dt.tz_localize(None)
    values = {name: table[name].astype(np.float64) for name in VALUES}
    return pd.DataFrame({"timestamp": time.astype("datetime64[ms]"), **values})


def _digest(held: _Held, listing: Listing) -> str:
    """Return the SHA-256 of the rows, of what they cover and of whose they are."""
    sha = hashlib.sha256(json.dumps([str(listing), held.covered]).encode())
    sha.update(_times(held.rows).tobytes())
    for name in VALUES:
        sha.update(held.rows[name].to_numpy(np.float64).tobytes())
    return sha.hexdigest()


def _times(rows: pd.DataFrame) -> IntArray:
    return rows["timestamp"].to_numpy("datetime64[ms]").astype(np.int64)


def _reason(error: Exception) -> str:
    """Return in one line what went wrong."""
    return getattr(error, "strerror", None) or first_line(error)
