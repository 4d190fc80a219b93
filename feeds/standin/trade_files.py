"""Recorded trades in Parquet and CSV files."""

import logging
import os
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from feeds.bars import BoolArray
from feeds.errors import BadBarsError, BadFileError
from feeds.identity import claim_of_name
from feeds.messages import first_line
from feeds.rows import read_times
from feeds.standin.trades import RecordedTrades

log = logging.getLogger("tandem.feeds")

COLUMNS = ("timestamp", "price", "qty", "is_buyer_maker")
_HEADER = ",".join(COLUMNS).encode() + b"\n"
_LONGEST_HEADER = 10_000
# What the readers raise on bytes that are not what they claim to be.
_UNREADABLE = (ValueError, TypeError, LookupError, MemoryError, pa.ArrowException)


def holds_trades(path: Path) -> bool:
    """Return whether a file has the columns of trades; its rows are not read."""
    try:
        if path.suffix.lower() == ".csv":
            with path.open("rb") as file:
                names = file.readline(_LONGEST_HEADER).decode("utf-8-sig").strip().split(",")
        else:
            names = pq.read_schema(path).names
    except (OSError, ValueError, pa.ArrowException):
        return False
    return set(names) >= set(COLUMNS)


def read_trades(path: Path, *, symbol: str | None = None) -> RecordedTrades:
    """Read a Parquet or CSV file of trades: `timestamp`, `price`, `qty` and `is_buyer_maker`.

    The last line of a CSV file is left out if it has no end: whoever wrote it was killed.

    Parameters
    ----------
    symbol : taken where the file's name does not say it

    Raises
    ------
    BadFileError
        if it cannot be read as trades, or nobody says of which symbol
    """
    table = _read(path)
    named = claim_of_name(path).symbol or symbol
    if named is None:
        raise BadFileError(f"{path.name}: its name must say whose trades it holds; give the symbol")
    try:
        return RecordedTrades(
            symbol=named,
            time=read_times(table["timestamp"], path.name).to_numpy("datetime64[ms]"),
            price=table["price"].to_numpy("float64"),
            units=table["qty"].to_numpy("float64"),
            buyer_is_maker=_flags(table["is_buyer_maker"]),
        )
    except (BadBarsError, ValueError, TypeError) as error:
        raise BadFileError(f"{path.name}: {first_line(error)}") from error


def append_trades(trades: RecordedTrades, path: Path) -> None:
    """Add trades to a CSV file, which is made if there is none; one write, so that all or none
    of them are there if the process is killed.

    Raises
    ------
    BadFileError
        if it cannot be written
    """
    time = np.datetime_as_string(trades.time, unit="ms", timezone="UTC").tolist()
    columns = (time, trades.price.tolist(), trades.units.tolist(), trades.buyer_is_maker.tolist())
    lines = "".join(f"{t},{p!r},{u!r},{m}\n" for t, p, u, m in zip(*columns, strict=True))
    try:
        with path.open("ab") as file:
            begins = b"" if file.tell() else _HEADER
            file.write(begins + lines.encode())
    except OSError as error:
        raise BadFileError(f"{path}: cannot be written: {error.strerror or error}") from error


def drop_unfinished(path: Path) -> None:
    """Cut off the last line of a CSV file if it has no end: whoever wrote it was killed."""
    if path.exists():
        whole = path.read_bytes().rpartition(b"\n")
        os.truncate(path, len(whole[0]) + len(whole[1]))


def _flags(column: pd.Series) -> BoolArray:
    if not column.isin([True, False]).all():  # 0 and 1 are these to pandas
        raise ValueError("is_buyer_maker must be true or false in each row")
    return column.to_numpy("bool")


def _read(path: Path) -> pd.DataFrame:
    try:
        table = _read_csv(path) if path.suffix.lower() == ".csv" else _read_parquet(path)
    except FileNotFoundError as error:
        raise BadFileError(f"{path}: there is no such file") from error
    except OSError as error:
        raise BadFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except _UNREADABLE as error:
        kind = path.suffix[1:] or "parquet"
        raise BadFileError(f"{path.name}: cannot be read as {kind}: {first_line(error)}") from error
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise BadFileError(
            f"{path.name}: trades must have the columns {', '.join(COLUMNS)}, "
            f"missing {', '.join(missing)}"
        )
    if table.empty:
        raise BadFileError(f"{path.name}: the file has no rows")
    return table


def _read_parquet(path: Path) -> pd.DataFrame:
    table: pd.DataFrame = pq.read_table(path).to_pandas(ignore_metadata=True)
    return table


def _read_csv(path: Path) -> pd.DataFrame:
    whole, end, rest = path.read_bytes().rpartition(b"\n")
    if rest:
        log.warning("%s: its last line has no end and is left out", path.name)
    return pd.read_csv(BytesIO(whole + end), index_col=False, encoding="utf-8-sig")
