"""Where two columns that should say the same do not."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from feeds.bars import BoolArray


def unequal(before: NDArray[Any], after: NDArray[Any], atol: float = 0.0) -> BoolArray:
    """Return (rows,) True where the rows differ; NaN equals NaN, and nothing else.

    Parameters
    ----------
    before, after : (rows,) or (rows, columns), of one shape
    atol : how far two numbers may lie apart; 0.0 for not at all
    """
    same = np.asarray(before == after)
    if before.dtype.kind == "f":
        same |= np.isnan(before) & np.isnan(after)
        if atol:
            same |= np.abs(before - after) <= atol
    return np.asarray(~(same if same.ndim == 1 else same.all(axis=1)))


def first_unequal(before: NDArray[Any], after: NDArray[Any], atol: float = 0.0) -> int | None:
    """Return the first row that differs, or that only one of both has; None if there is none."""
    shared = min(len(before), len(after))
    wrong = unequal(before[:shared], after[:shared], atol)
    if wrong.any():
        return int(np.argmax(wrong))
    return None if len(before) == len(after) else shared


def told(before: NDArray[Any], after: NDArray[Any], row: int) -> str:
    """Return what a row said before and after."""
    return f"{_shown(before, row)} became {_shown(after, row)}"


def _shown(column: NDArray[Any], row: int) -> str:
    if row >= len(column):
        return "nothing"
    value = column[row]
    if np.ndim(value):
        return f"a row of {len(value)}"
    return f"{value:.9g}" if isinstance(value, float | np.floating) else str(value)
