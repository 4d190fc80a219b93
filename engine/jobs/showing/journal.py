"""The journal of a kept run: the candidate bars of a symbol."""

from typing import Any

import numpy as np
import pandas as pd

from engine.errors import RunError
from engine.jobs.showing.decision import Row
from engine.jobs.showing.folder import RunFolder
from engine.plain import plain
from feeds.moments import iso, parse_utc, readable
from feeds.timeframe import Timeframe


def journal(run: RunFolder, label: str, symbol: str) -> pd.DataFrame:
    """Return the candidate bars of a symbol, oldest first, their moments as numpy's."""
    frame = run.table(label, "decisions.parquet")
    if "symbol" not in frame:  # a run without a candidate bar
        return pd.DataFrame({"decided_at": np.array([], "datetime64[ms]")})
    own = frame[frame["symbol"] == symbol].reset_index(drop=True)
    return own.assign(decided_at=own["decided_at"].dt.tz_localize(None))


def refuse_outside(
    run: RunFolder, symbol: str, begin: np.datetime64, end: np.datetime64, asked: str
) -> None:
    """Refuse a stretch, its end not part of it, on which the run decided nothing.

    Raises
    ------
    RunError
        if the run did not trade the symbol, or not then
    """
    data = run.manifest.data
    if symbol not in data.symbols:
        raise RunError(f"{symbol}: the run traded {', '.join(data.symbols)}; ask for one of them")
    facts = data.symbols[symbol]
    first = parse_utc(facts.start) + Timeframe.parse(data.timeframe).delta
    last = parse_utc(facts.end)
    if end <= first or begin > last:
        raise RunError(
            f"{symbol}: the run decided from {readable(first)} to {readable(last)}, found {asked}; "
            "ask for a moment or a day inside"
        )


def moments(frame: pd.DataFrame) -> np.ndarray:
    """Return when each candidate bar was decided."""
    return frame["decided_at"].to_numpy("datetime64[ms]")


def row_at(frame: pd.DataFrame, position: int) -> Row:
    """Return a row with None for what is undefined, moments as text."""
    found: dict[str, Any] = plain(frame.iloc[position].to_dict())
    return found | {"decided_at": iso(moments(frame)[position])}
