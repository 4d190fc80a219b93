"""One hash for all that a run came to: the same inputs give the same hash.

It is taken over trades, fills, rejections, equity, decisions and metrics, to the last bit, and over
seed and bars: then a bar that no trade has touched tells, too. It knows nothing of moments of
creation, paths, settings and bundles: a bundle trained again from the same bars decides alike,
but is dated anew. The same code and libraries on the same kind of machine give the same bits;
elsewhere the last digits of learned probabilities may differ.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from engine.plain import plain

if TYPE_CHECKING:
    from engine.result import RunResult

# Names in `RunResult.digests` that are not of bars.
_BUNDLE = "bundle"


def result_hash(result: "RunResult") -> str:
    """Return the SHA-256 of one run."""
    sha = hashlib.sha256()
    for records in (result.trades, result.fills, result.rejections):
        sha.update(_text([astuple(record) for record in records]))
    curve = result.equity
    sha.update(np.asarray(curve.time, "datetime64[ms]").astype("<i8").tobytes())
    for values in (curve.equity, curve.cash, curve.position_value):
        sha.update(_bits(values))
    _add_frame(sha, result.decisions)
    sha.update(_text(result.metrics.to_dict()))
    sha.update(_text([result.label, result.vetoes, result.ml_asked, result.ml_unavailable]))
    sha.update(_text([result.seed, bar_digests(result.digests)]))
    return sha.hexdigest()


def joint_hash(hashes: Mapping[str, str]) -> str:
    """Return the hash of several runs together, from that of each by its label."""
    return hashlib.sha256(_text(hashes)).hexdigest()


def hashes_of(results: Sequence["RunResult"]) -> dict[str, str]:
    """Return the hash of each run by its label."""
    return {result.label: result_hash(result) for result in results}


def bar_digests(digests: Mapping[str, str]) -> dict[str, str]:
    """Return those of the digests that are of bars, by symbol."""
    return {name: digest for name, digest in digests.items() if name != _BUNDLE}


def _add_frame(sha: "hashlib._Hash", frame: pd.DataFrame) -> None:
    """Add the columns by name: numbers as they are, everything else as text."""
    for name in sorted(frame.columns):
        column = frame[name]
        sha.update(_text([name, len(column)]))
        if pd.api.types.is_numeric_dtype(column):
            sha.update(_bits(column.to_numpy(np.float64, na_value=np.nan)))
        else:
            cells = zip(column, column.notna(), strict=True)
            sha.update(_text([str(cell) if there else None for cell, there in cells]))


def _bits(values: Any) -> bytes:
    """Return the bits of the numbers; there are many that are not a number, and only one here."""
    numbers = np.asarray(values, "<f8") + 0.0  # -0.0 becomes 0.0
    return np.where(np.isnan(numbers), np.nan, numbers).tobytes()


def _text(value: Any) -> bytes:
    return json.dumps(plain(value), sort_keys=True, allow_nan=False).encode()
