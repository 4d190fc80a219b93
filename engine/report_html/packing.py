"""Long arrays as short text; `page/unpacking.js` is the way back.

Prices lie on a grid of decimals and times on one of bars, so that their steps are small whole
numbers. These are written byte plane by byte plane, as Parquet's BYTE_STREAM_SPLIT does: the upper
planes are nearly all zeros, and deflate makes next to nothing of them.
"""

import base64
import zlib
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from feeds.bars import FloatArray, TimeArray

Packed: TypeAlias = Mapping[str, Any]
"""An array as JSON: how many values, how they were made whole numbers, and their bytes."""

MOST_DECIMALS = 10
_WHOLE = 2**31 - 1
_LEVEL = 6


def pack_numbers(values: FloatArray) -> Packed:
    """Pack floats: exactly if they have few decimals, else as float32; NaN where there is none."""
    values = np.asarray(values, dtype=np.float64)
    return _decimal(values) or {
        "kind": "float32",
        "length": len(values),
        "bytes": _bytes(values.astype("<f4").view(np.uint8).reshape(-1, 4)),
    }


def pack_exact(values: FloatArray) -> Packed:
    """Pack floats to the last bit; NaN where there is none."""
    values = np.asarray(values, dtype=np.float64)
    return _decimal(values) or {
        "kind": "float64",
        "length": len(values),
        "bytes": _bytes(values.astype("<f8").view(np.uint8).reshape(-1, 8)),
    }


def _decimal(values: FloatArray) -> Packed | None:
    """Pack floats of few decimals; None if they have many."""
    for decimals in range(MOST_DECIMALS + 1):
        whole = np.round(values * 10.0**decimals)
        if not np.all(np.abs(whole) < _WHOLE / 2):  # NaN included; a step may go from end to end
            break
        if np.array_equal(np.round(whole / 10.0**decimals, decimals), values):
            return _whole(whole.astype(np.int64), scale=decimals)
    return None


def pack_times(times: TimeArray) -> Packed:
    """Pack moments as ms since 1970."""
    ms = times.astype("datetime64[ms]").astype(np.int64)
    steps = np.diff(ms)
    unit = int(np.gcd.reduce(steps)) if len(steps) and steps.any() else 1
    begin = int(ms[0]) if len(ms) else 0
    return {**_whole((ms - begin) // unit, scale=0), "unit": unit, "begin": begin}


def _whole(values: np.ndarray[Any, Any], *, scale: int) -> Packed:
    steps = np.diff(values, prepend=0)
    if len(steps) and np.abs(steps).max() > _WHOLE:
        raise ValueError(f"steps must fit into 32 bits, found {np.abs(steps).max()}")
    planes = steps.astype("<i4").view(np.uint8).reshape(-1, 4)
    return {"kind": "whole", "length": len(values), "decimals": scale, "bytes": _bytes(planes)}


def _bytes(rows: np.ndarray[Any, Any]) -> str:
    """Return the columns of bytes one after the other, deflated, as text."""
    return base64.b64encode(zlib.compress(rows.T.tobytes(), _LEVEL)).decode("ascii")
