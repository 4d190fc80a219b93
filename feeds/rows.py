"""Tables as people store them become raw rows: `timestamp` (UTC) and float64 OHLCV."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from feeds.bars import PRICES
from feeds.errors import BadFileError
from feeds.messages import printable, shown

VALUES = (*PRICES, "volume")
TIME_COLUMNS = ("timestamp", "date")  # the first one found is read

_EARLIEST_S, _LATEST_S = 946_684_800, 4_102_444_800  # 2000 and 2100: the spans of units lie apart
_FIRST, _LAST = pd.Timestamp("1970-01-01"), pd.Timestamp("2200-01-01")  # of dates
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def spellings(columns: Iterable[object], source: str) -> dict[str, str]:
    """Return for each column name in lower case how the file spells it.

    Raises
    ------
    BadFileError
        if a needed column is missing, or two differ only in case
    """
    found: dict[str, str] = {}
    for name in map(str, columns):
        plain = name.strip().lower()
        if plain in found and plain in (*TIME_COLUMNS, *VALUES):
            raise BadFileError(f"{source}: one column must be called {plain}, found two")
        found[plain] = name
    missing = [name for name in VALUES if name not in found]
    if not any(name in found for name in TIME_COLUMNS):
        missing.insert(0, "timestamp (or date)")
    if missing:
        listed = printable(", ".join(found)) or "none"
        raise BadFileError(f"{source}: missing column {', '.join(missing)}; found {listed}")
    return found


def raw_rows(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """Return the rows of a table whose columns have plain names, as they stand in the file.

    Parameters
    ----------
    table : `timestamp` or `date` (ISO text, with or without zone; epoch s, ms, us or ns; datetime)
        and `open high low close volume`; numbered from 0
    source : the file's name, for messages

    Returns
    -------
    `timestamp` as datetime64[ms], naive UTC, and float64 columns; an empty number is NaN

    Raises
    ------
    BadFileError
        if a time or a number cannot be read, naming row and value
    """
    column = next(name for name in TIME_COLUMNS if name in table)
    times = read_times(table[column], source)
    values = {name: _numbers(table[name], source) for name in VALUES}
    return pd.DataFrame({"timestamp": times.astype("datetime64[ms]"), **values})


def _numbers(column: pd.Series, source: str) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce").astype(np.float64)
    is_truth = bool(pd.api.types.is_bool_dtype(column))  # True is 1 to pandas
    _refuse(column, (numbers.isna() | is_truth) & column.notna(), source, "a number")
    return numbers


def read_times(column: pd.Series, source: str) -> pd.Series:
    """Return times of any form that `raw_rows` knows as naive UTC.

    Raises
    ------
    BadFileError
        if one cannot be read, naming row and value
    """
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    elif not pd.api.types.is_datetime64_dtype(column):
        numbers = pd.to_numeric(column, errors="coerce").astype(np.float64)
        is_epoch = bool(numbers.notna().iloc[0])
        return _epochs(column, numbers, source) if is_epoch else _dates(column, source)
    wrong = ~column.between(_FIRST, _LAST, inclusive="left")
    _refuse(column, wrong, source, "a date between the years 1970 and 2200")
    return column


def _dates(column: pd.Series, source: str) -> pd.Series:
    text = column.astype(str).where(column.notna())
    times = pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce").dt.tz_localize(None)
    _refuse(column, times.isna(), source, "a date like 2024-01-01 00:05 or epoch s or ms")
    return read_times(times, source)


def _epochs(column: pd.Series, numbers: pd.Series, source: str) -> pd.Series:
    """Read epoch numbers; the first one tells the unit, and all must be in it."""
    unit = next((unit for unit in _PER_SECOND if _in_span(numbers.iloc[:1], unit).all()), "s or ms")
    outside = ~_in_span(numbers, unit)
    _refuse(column, outside, source, f"epoch {unit} between the years 2000 and 2100")
    milliseconds = numbers * 1000 / _PER_SECOND[unit]
    return pd.Series(milliseconds.round().astype(np.int64).to_numpy("datetime64[ms]"))


def _in_span(numbers: pd.Series, unit: str) -> pd.Series:
    scale = _PER_SECOND.get(unit, 0)  # an unknown unit has no span
    return numbers.between(_EARLIEST_S * scale, _LATEST_S * scale, inclusive="left")


def _refuse(column: pd.Series, wrong: pd.Series, source: str, wanted: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        found = column.iloc[row]
        said = "nothing" if pd.isna(found) else shown(str(found))
        raise BadFileError(
            f"{source}: {column.name} must be {wanted}, found {said} in row {row + 1}"
        )
