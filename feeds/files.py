"""Bars in files: Parquet and CSV, read with suspicion, written atomically."""

import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from feeds.atomic import atomic_path
from feeds.bars import Bars, given_up
from feeds.errors import BadBarsError, BadFileError
from feeds.gaps import FILL_LIMIT
from feeds.identity import (
    SYNTHETIC,
    Claim,
    claim_of_columns,
    claim_of_name,
    claim_of_text,
    says_synthetic,
    settle_symbol,
    settle_timeframe,
)
from feeds.mending import RawBars
from feeds.messages import first_line
from feeds.parquet_part import Dates, part_of
from feeds.quality import QualityReport, known_repairs
from feeds.rows import TIME_COLUMNS, VALUES, raw_rows, spellings
from feeds.timeframe import Timeframe

METADATA_KEY = b"tandem"  # in a Parquet file's metadata: JSON that says whose bars it holds
GROUP = 65_536  # rows of a Parquet file that are read together: 45 days of one-minute bars
_WORDS = ("symbol", "timeframe", "source")
_READ = (*TIME_COLUMNS, *VALUES, *_WORDS)

_TEXT_KINDS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_null)
_ODD_KINDS = (
    pa.types.is_nested,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_fixed_size_binary,
)
_LONGEST_HEADER = 10_000  # pandas takes minutes over a noise of commas

# What the readers raise on bytes that are not what they claim to be: a time zone that nobody knows
# is a KeyError, metadata nested without end a RecursionError, a size beyond reason a MemoryError.
_UNREADABLE = (
    ValueError,
    LookupError,
    RecursionError,
    MemoryError,
    pa.ArrowException,
    pd.errors.ParserWarning,
)


@dataclass(frozen=True, slots=True, eq=False)
class _Contents:
    """A file as it is: its columns under plain names, and what its metadata says."""

    table: pd.DataFrame
    metadata: Mapping[str, str]

    @property
    def synthetic(self) -> bool:
        return self.metadata.get("source") == SYNTHETIC or says_synthetic(self.table)


def read_bars(
    path: Path,
    *,
    symbol: str | None = None,
    timeframe: Timeframe | None = None,
    repair: Iterable[str] = (),
    fill_limit: int = FILL_LIMIT,
    dates: Dates | None = None,
) -> tuple[Bars, QualityReport]:
    """Read a Parquet or CSV file of bars; a defective one is refused unless repairs are named.

    Parameters
    ----------
    path : a file with `timestamp` (or `date`) and `open high low close volume`
    symbol, timeframe : taken where neither the file nor its name says them
    repair : names from `feeds.quality.REPAIRS`
    fill_limit : missing bars in a row that are filled; a longer hole splits segments
    dates : which bars are needed. Of a Parquet file in order only the groups of rows that hold them
        are read, where no repair is named; what is not read is not judged. The bars are those of
        the whole file, down to the numbers of their segments; there may be others around them.

    Raises
    ------
    BadFileError
        if it cannot be read as bars
    BadBarsError
        if its rows have defects that the named repairs do not remove
    """
    repairs, command = known_repairs(repair), Claim("the command", symbol, timeframe)
    with giving_back():
        if dates is not None and not repairs and path.suffix.lower() == ".parquet":
            found = _read_part(path, command, dates, fill_limit)
            if found is not None:
                return found
        return _raw_bars(_read(path), path, command).mended(repairs, fill_limit=fill_limit)


def _read_part(
    path: Path, command: Claim, dates: Dates, fill_limit: int
) -> tuple[Bars, QualityReport] | None:
    """Return the bars of the groups that the dates need; None if the whole file must be read.

    So it must where anything is wrong, to say what is and in which row.
    """
    try:
        file, spelled = _opened(path)
        part = part_of(file, next(spelled[n] for n in TIME_COLUMNS if n in spelled), dates)
        if part is None:
            return None
        raw = _raw_bars(_table_of(file, spelled, path, part.groups), path, command)
        bars, quality = raw.mended((), fill_limit=fill_limit)
        if not dates.among(bars):
            return None
    except (*_UNREADABLE, OSError, BadFileError, BadBarsError):
        return None
    ahead = part.segments_before(raw.timeframe, fill_limit)
    return bars.unchecked({"segment": given_up(bars.segment + ahead)}), quality


def _raw_bars(contents: _Contents, path: Path, command: Claim) -> RawBars:
    rows = raw_rows(contents.table, path.name)
    claims = _claims(contents, path, command)
    timeframe = settle_timeframe(claims, rows["timestamp"].to_numpy("datetime64[ms]"), path.name)
    symbol = settle_symbol(claims, path.name)
    return RawBars(rows, symbol, timeframe, path.name, contents.synthetic)


def write_bars(bars: Bars, path: Path) -> None:
    """Write the bars that exist (not the filled ones) to a `.parquet` or `.csv` file, atomically.

    Reading the file gives the same bars back, to the last bit, under the same fill limit.

    Raises
    ------
    BadFileError
        if the suffix is unknown, there is nothing to write or it cannot be written
    """
    write = _of_suffix(path, _WRITERS)
    frame = bars.frame()[~bars.filled]
    if frame.empty:
        raise BadFileError(f"{path}: there are no bars to write")
    if bars.synthetic:
        frame["source"] = SYNTHETIC
    try:
        with atomic_path(path) as draft:
            write(frame, bars, draft)
    except OSError as error:
        raise BadFileError(f"{path}: cannot be written: {error.strerror or error}") from error


def write_table(frame: pd.DataFrame, said: Mapping[str, object], path: Path) -> None:
    """Write a frame with `timestamp` and OHLCV to a Parquet file, and in its metadata what is said.

    `said` has at least `symbol` and `timeframe`. The file is divided into groups of `GROUP` rows,
    each of which can be read without the others.
    """
    table = pa.Table.from_pandas(frame, preserve_index=False)
    metadata = {**(table.schema.metadata or {}), METADATA_KEY: json.dumps(said).encode()}
    # Prices and times hardly repeat: dictionaries of them would cost time and room.
    words = [name for name in frame if name not in ("timestamp", *VALUES)]
    stamped = table.replace_schema_metadata(metadata)
    pq.write_table(stamped, path, compression="zstd", use_dictionary=words, row_group_size=GROUP)


def refuse_output(path: Path) -> None:
    """Refuse a path at which bars cannot be kept: before the work, not after it.

    Raises
    ------
    BadFileError
    """
    _of_suffix(path, _WRITERS)


def _claims(contents: _Contents, path: Path, command: Claim) -> list[Claim]:
    said = contents.metadata
    metadata = claim_of_text("its metadata", said.get("symbol"), said.get("timeframe"), path.name)
    return [metadata, claim_of_columns(contents.table, path.name), claim_of_name(path), command]


def _read(path: Path) -> _Contents:
    read = _of_suffix(path, _READERS)
    try:
        if not path.stat().st_size:
            raise BadFileError(f"{path.name}: the file is empty")
        contents = read(path)
    except FileNotFoundError as error:
        raise BadFileError(
            f"{path}: there is no such file; paths count from where the command is run"
        ) from error
    except OSError as error:
        raise BadFileError(
            f"{path}: cannot be read: {error.strerror or error}; name a file that can"
        ) from error
    except _UNREADABLE as error:
        line = first_line(error)
        raise BadFileError(f"{path.name}: cannot be read as {path.suffix[1:]}: {line}") from error
    if contents.table.empty:
        raise BadFileError(f"{path.name}: the file has no rows")
    return contents


def _read_parquet(path: Path) -> _Contents:
    return _table_of(*_opened(path), path)


def _opened(path: Path) -> tuple[pq.ParquetFile, Mapping[str, str]]:
    """Return the file, and how it spells the columns that are read."""
    file = pq.ParquetFile(path)
    spelled = spellings(file.schema_arrow.names, path.name)
    wanted = {name: spelled[name] for name in _READ if name in spelled}
    for name, spelling in wanted.items():
        _refuse_kind(name, file.schema_arrow.field(spelling).type, path.name)
    return file, wanted


def _table_of(
    file: pq.ParquetFile,
    spelled: Mapping[str, str],
    path: Path,
    groups: Sequence[int] | None = None,
) -> _Contents:
    """Return the columns, of all rows or of some groups."""
    columns = list(spelled.values())
    table = file.read(columns) if groups is None else file.read_row_groups(groups, columns)
    said = _metadata(file.schema_arrow, path.name)
    return _Contents(_plain(framed(table), spelled), said)


def framed(table: pa.Table) -> pd.DataFrame:
    """Return the table as a frame; it is used up, so that its columns are there once."""
    frame: pd.DataFrame = table.to_pandas(
        ignore_metadata=True, split_blocks=True, self_destruct=True
    )
    return frame


@contextmanager
def giving_back() -> Iterator[None]:
    """Give the memory of tables back to the system when the block is over.

    Arrow keeps what it has freed for its next table: several times the bars of a file.
    """
    try:
        yield
    finally:
        pa.default_memory_pool().release_unused()


def _refuse_kind(name: str, kind: pa.DataType, source: str) -> None:
    """Refuse a column of bytes or nested values, and one without text where words belong."""
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    text = any(is_one(plain) for is_one in _TEXT_KINDS)
    if any(is_one(plain) for is_one in _ODD_KINDS) or (name in _WORDS and not text):
        wanted = "text" if name in _WORDS else "a number or a time in each row"
        raise BadFileError(f"{source}: column {name} must hold {wanted}, found {kind}")


def _metadata(schema: pa.Schema, source: str) -> Mapping[str, str]:
    said = json.loads((schema.metadata or {}).get(METADATA_KEY, b"{}"))
    if not isinstance(said, dict) or not all(
        isinstance(said.get(name), str | None) for name in _WORDS
    ):
        raise BadFileError(f"{source}: its metadata must say symbol and timeframe as text")
    return cast("Mapping[str, str]", said)


def _read_csv(path: Path) -> _Contents:
    with path.open("rb") as file:
        if len(file.readline(_LONGEST_HEADER + 1)) > _LONGEST_HEADER:
            raise BadFileError(
                f"{path.name}: its first line must name the columns, found more than "
                f"{_LONGEST_HEADER} characters; is it text?"
            )
    # Every column is read, and none becomes the index: a row with a comma too many would
    # otherwise lose a value or shift all of them, in silence.
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        table = pd.read_csv(path, index_col=False, encoding="utf-8-sig", low_memory=False)
    return _Contents(_plain(table, spellings(table.columns, path.name)), {})


def _plain(table: pd.DataFrame, spelled: Mapping[str, str]) -> pd.DataFrame:
    return table.rename(columns={spelling: name for name, spelling in spelled.items()})


def _write_parquet(frame: pd.DataFrame, bars: Bars, path: Path) -> None:
    said = {"symbol": bars.symbol, "timeframe": str(bars.timeframe)}
    if bars.synthetic:
        said["source"] = SYNTHETIC
    write_table(frame, said, path)


def _write_csv(frame: pd.DataFrame, bars: Bars, path: Path) -> None:
    time = frame["timestamp"].dt.tz_localize(None).to_numpy("datetime64[s]")
    frame["timestamp"] = np.datetime_as_string(time, timezone="UTC")
    frame.insert(6, "symbol", bars.symbol)
    frame.insert(7, "timeframe", str(bars.timeframe))
    frame.to_csv(path, index=False)


Read: TypeAlias = Callable[[Path], _Contents]
Write: TypeAlias = Callable[[pd.DataFrame, Bars, Path], None]
_READERS: Mapping[str, Read] = {".parquet": _read_parquet, ".csv": _read_csv}
_WRITERS: Mapping[str, Write] = {".parquet": _write_parquet, ".csv": _write_csv}
_Way = TypeVar("_Way", Read, Write)


def _of_suffix(path: Path, ways: Mapping[str, _Way]) -> _Way:
    way = ways.get(path.suffix.lower())
    if path.is_dir():
        raise BadFileError(f"{path}: bars are kept in files, this is a folder; name one in it")
    if way is None:
        raise BadFileError(
            f"{path}: bars are kept in {' or '.join(ways)} files, found "
            f"{path.suffix or 'no suffix'}"
        )
    return way
