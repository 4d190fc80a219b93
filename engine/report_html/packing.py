"""Long arrays as short text; `page/unpacking.js` is the way back.

Prices lie on a grid of decimals and times on one of bars, so that their steps are small whole
numbers. Of these, signs folded in, only as many bytes are kept as the largest needs, and they are
written byte plane by byte plane, as Parquet's BYTE_STREAM_SPLIT does: the upper planes are nearly
all zeros. Deflate counts letters and runs there and does not look for repeated words: of those
there are none, and the search takes ten times as long.
"""

import base64
import zlib
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from feeds.bars import FloatArray, IntArray, TimeArray

Packed: TypeAlias = Mapping[str, Any]
"""An array as JSON: how many values, how they were made whole numbers, and their bytes."""

MOST_DECIMALS = 10
LARGEST_WHOLE = 2**53  # the page counts in floats
LARGEST_STEP = 2**31 - 1

_LEVEL = 6
_SAMPLE = 500  # values that tell most arrays without few decimals


def pack_numbers(values: FloatArray) -> Packed:
    """Pack floats: exactly if they have few decimals, else as float32; NaN where there is none."""
    return _decimal(values) or _floats(values, "float32", "<f4")


def pack_exact(values: FloatArray) -> Packed:
    """Pack floats to the last bit; NaN where there is none."""
    return _decimal(values) or _floats(values, "float64", "<f8")


def pack_rounded(values: FloatArray, bits: int) -> Packed:
    """Pack floats from 0 up, each rounded to so many binary digits (2 to 24); not NaN."""
    dropped = 24 - bits
    stored = np.asarray(values, dtype="<f4").view(np.int32)
    rounded = (stored + (1 << dropped >> 1)) >> dropped << dropped
    return _floats(rounded.view(np.float32), "float32", "<f4")


def pack_times(times: TimeArray) -> Packed:
    """Pack moments as ms since 1970."""
    ms = times.astype("datetime64[ms]").astype(np.int64)
    steps = np.diff(ms)
    unit = int(np.gcd.reduce(steps)) if len(steps) and steps.any() else 1
    begin = int(ms[0]) if len(ms) else 0
    return {**pack_whole((ms - begin) // unit), "unit": unit, "begin": begin}


def pack_whole(values: IntArray, *, decimals: int = 0) -> Packed:
    """Pack whole numbers, to be divided by 10 ** `decimals`, by the steps between them.

    Raises
    ------
    ValueError
        if a step does not fit into 32 bits
    """
    begin = int(values[0]) if len(values) else 0
    packed = pack_steps(np.diff(values, prepend=begin))
    return {**packed, "kind": "whole", "begin": begin, "decimals": decimals}


def pack_steps(steps: IntArray) -> Packed:
    """Pack whole numbers that lie around 0, each as it is.

    Raises
    ------
    ValueError
        if one does not fit into 32 bits
    """
    largest = int(np.abs(steps).max(initial=0))
    if largest > LARGEST_STEP:
        raise ValueError(f"a step must fit into 32 bits, found {largest}")
    folded = ((steps << 1) ^ (steps >> 63)).astype("<u4")  # 0, -1, 1, -2, … become 0, 1, 2, 3, …
    width = -(-max(int(folded.max(initial=0)).bit_length(), 1) // 8)
    planes = folded.view(np.uint8).reshape(-1, 4)[:, :width]
    return {"kind": "steps", "length": len(steps), "width": width, "bytes": _bytes(planes)}


def wholes(values: FloatArray, decimals: int) -> FloatArray:
    """Return the nearest multiples of 10 ** -`decimals`, as how many they are."""
    return np.rint(values * 10.0**decimals)


def decimals_of(values: FloatArray) -> int | None:
    """Return the fewest decimals that give every value to the last bit; None above the most."""
    decimals = range(MOST_DECIMALS + 1)
    return next((d for d in decimals if _fit(values[:_SAMPLE], d) and _fit(values, d)), None)


def _fit(values: FloatArray, decimals: int) -> bool:
    """Return whether so many decimals give every value; NaN has none."""
    with np.errstate(over="ignore", invalid="ignore"):  # neither what is too large nor NaN fits
        whole = wholes(values, decimals)
        return bool(np.all((whole / 10.0**decimals == values) & (np.abs(whole) < LARGEST_WHOLE)))


def _decimal(values: FloatArray) -> Packed | None:
    """Pack floats of few decimals; None if they have many."""
    values = np.asarray(values, dtype=np.float64)
    decimals = decimals_of(values)
    if decimals is None:
        return None
    whole = wholes(values, decimals).astype(np.int64)
    if np.abs(np.diff(whole)).max(initial=0) > LARGEST_STEP:
        return None
    return pack_whole(whole, decimals=decimals)


def _floats(values: FloatArray, kind: str, stored: str) -> Packed:
    with np.errstate(over="ignore"):  # what is too large for float32 is infinite there
        rows = np.asarray(values, dtype=stored)
    planes = rows.view(np.uint8).reshape(-1, rows.itemsize)
    return {"kind": kind, "length": len(rows), "width": rows.itemsize, "bytes": _bytes(planes)}


def _bytes(rows: np.ndarray[Any, Any]) -> str:
    """Return the columns of bytes one after the other, deflated, as text."""
    deflate = zlib.compressobj(_LEVEL, strategy=zlib.Z_RLE)
    packed = deflate.compress(rows.T.tobytes()) + deflate.flush()
    return base64.b64encode(packed).decode("ascii")
