"""Recorded trades in Parquet files."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from feeds.errors import BadBarsError, BadFileError
from feeds.identity import claim_of_name
from feeds.messages import first_line
from feeds.standin.trades import RecordedTrades

COLUMNS = ("timestamp", "price", "qty", "is_buyer_maker")


def holds_trades(path: Path) -> bool:
    """Return whether a file is Parquet and has the columns of trades; its rows are not read."""
    try:
        names = set(pq.read_schema(path).names)
    except (OSError, pa.ArrowException):
        return False
    return names >= set(COLUMNS)


def read_trades(path: Path, *, symbol: str | None = None) -> RecordedTrades:
    """Read a Parquet file of trades: `timestamp` (UTC), `price`, `qty` and `is_buyer_maker`.

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
            time=pd.DatetimeIndex(table["timestamp"]).tz_localize(None).to_numpy("datetime64[ms]"),
            price=table["price"].to_numpy("float64"),
            units=table["qty"].to_numpy("float64"),
            buyer_is_maker=table["is_buyer_maker"].to_numpy("bool"),
        )
    except (BadBarsError, ValueError, TypeError) as error:
        raise BadFileError(f"{path.name}: {first_line(error)}") from error


def _read(path: Path) -> pd.DataFrame:
    try:
        table: pd.DataFrame = pq.read_table(path).to_pandas(ignore_metadata=True)
    except FileNotFoundError as error:
        raise BadFileError(f"{path}: there is no such file") from error
    except (OSError, pa.ArrowException) as error:
        line = first_line(error)
        raise BadFileError(f"{path.name}: cannot be read as parquet: {line}") from error
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise BadFileError(
            f"{path.name}: trades must have the columns {', '.join(COLUMNS)}, "
            f"missing {', '.join(missing)}"
        )
    if table.empty:
        raise BadFileError(f"{path.name}: the file has no rows")
    return table
