"""New bars go on where old ones end: what was known stays as it was."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from feeds.bars import PRICES, Bars
from feeds.errors import BadBarsError
from feeds.gaps import Hole, to_bars
from feeds.moments import readable

_VALUES = (*PRICES, "volume")

# Two files of one bar may round the same decimals to neighbouring numbers, or add up a volume in
# another order. No market moves by so little.
_SAME = 1e-9

_FORMING = "; it is the last old bar, which was perhaps still forming when it was stored"


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """Old bars with new ones behind them. Filled bars are not counted: nobody brought them.

    Attributes
    ----------
    bars : every old bar that exists, as it was, then the added ones
    added : new bars behind the last old one
    shared : new bars that the old series has too
    passed_over : new bars ahead of its end that the old series does not have; not taken
    missing : what neither has, between the last old bar and the first added one
    """

    bars: Bars
    added: int
    shared: int
    passed_over: int
    missing: Hole | None


def join_bars(old: Bars, new: Bars, *, fill_limit: int) -> Joined:
    """Return `old` with those bars of `new` behind it that are later than all of its own.

    Parameters
    ----------
    fill_limit : missing bars in a row that are filled, in the joined bars as in `old`

    Raises
    ------
    BadBarsError
        if they differ in symbol, timeframe or origin (real, simulated), or in a value of a bar
        that both have
    """
    _refuse_strangers(old, new)
    before, after = _rows(old), _rows(new)
    mine, theirs = before.index.isin(after.index), after.index.isin(before.index)
    _refuse_contradiction(old, before[mine], after[theirs])
    later = after[after.index > before.index[-1]] if len(before) else after
    return Joined(
        bars=_joined(old, before, later, fill_limit) if len(later) else old,
        added=len(later),
        shared=int(mine.sum()),
        passed_over=int((~theirs).sum()) - len(later),
        missing=_missing(old, before, later),
    )


def _joined(old: Bars, before: pd.DataFrame, later: pd.DataFrame, fill_limit: int) -> Bars:
    return to_bars(
        pd.concat([before, later]).reset_index(),
        old.symbol,
        old.timeframe,
        fill_limit=fill_limit,
        synthetic=old.synthetic,
    )


def _rows(bars: Bars) -> pd.DataFrame:
    """Return the bars that exist, under the times at which they opened."""
    time = pd.DatetimeIndex(bars.time[~bars.filled], name="timestamp")
    return pd.DataFrame({name: getattr(bars, name)[~bars.filled] for name in _VALUES}, time)


def _refuse_strangers(old: Bars, new: Bars) -> None:
    traits = {
        "symbol": (old.symbol, new.symbol),
        "timeframe": (str(old.timeframe), str(new.timeframe)),
        "origin": (_origin(old), _origin(new)),
    }
    for name, (mine, theirs) in traits.items():
        if mine != theirs:
            raise BadBarsError(
                f"{old.symbol}: bars that are joined must be of one {name}, found {mine} and "
                f"{theirs}"
            )


def _origin(bars: Bars) -> str:
    return "a simulated market" if bars.synthetic else "a real market"


def _refuse_contradiction(old: Bars, mine: pd.DataFrame, theirs: pd.DataFrame) -> None:
    """Refuse rows of the same times that differ in a value."""
    said, says = mine.to_numpy(np.float64), theirs.to_numpy(np.float64)
    differ = np.abs(said - says) > _SAME * np.maximum(np.abs(said), np.abs(says))
    rows = differ.any(axis=1)
    if rows.any():
        row = int(np.argmax(rows))
        column = int(np.argmax(differ[row]))
        time = mine.index.to_numpy("datetime64[ms]")[row]
        raise BadBarsError(
            f"{old.symbol}: old and new bars of one time must be equal, found {int(rows.sum())} "
            f"of {len(rows)} that differ, first {readable(time)}: {_VALUES[column]} "
            f"{said[row, column]} in the old, {says[row, column]} in the new"
            f"{_FORMING if time == old.time[~old.filled][-1] else ''}"
        )


def _missing(old: Bars, before: pd.DataFrame, later: pd.DataFrame) -> Hole | None:
    if not (len(before) and len(later)):
        return None
    end, start = (
        moment.to_datetime64().astype("datetime64[ms]")
        for moment in (before.index[-1], later.index[0])
    )
    count = int((start - end) // old.timeframe.delta) - 1
    return Hole(end, start, count) if count else None
