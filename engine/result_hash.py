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
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd

from engine.plain import plain
from engine.records import Fill, Rejection, Trade
from engine.result import RunResult

# Names in `RunResult.digests` that are of an ensemble, not of bars.
ENSEMBLES = frozenset({"bundle", "windows"})


def result_hash(result: RunResult) -> str:
    """Return the SHA-256 of one run."""
    sha = hashlib.sha256()
    happened = ((Trade, result.trades), (Fill, result.fills), (Rejection, result.rejections))
    for kind, records in happened:
        for each in fields(kind):
            _add_column(sha, each.name, [getattr(record, each.name) for record in records])
    for each in fields(result.equity):
        _add_column(sha, each.name, getattr(result.equity, each.name))
    for name in sorted(result.decisions.columns):
        _add_column(sha, name, result.decisions[name])
    sha.update(_text(plain(result.metrics.to_dict())))
    counts = [result.label, result.vetoes, result.ml_asked, result.ml_unavailable]
    sha.update(_text(plain([*counts, result.seed, bar_digests(result.digests)])))
    return sha.hexdigest()


def joint_hash(hashes: Mapping[str, str]) -> str:
    """Return the hash of several runs together, from that of each by its label."""
    return hashlib.sha256(_text(dict(hashes))).hexdigest()


def hashes_of(results: Sequence[RunResult]) -> dict[str, str]:
    """Return the hash of each run by its label."""
    return {result.label: result_hash(result) for result in results}


def bar_digests(digests: Mapping[str, str]) -> dict[str, str]:
    """Return those of the digests that are of bars, by symbol."""
    return {name: digest for name, digest in digests.items() if name not in ENSEMBLES}


def _add_column(sha: "hashlib._Hash", name: str, values: Any) -> None:
    """Add numbers as their bits, moments as milliseconds, everything else as text."""
    column = pd.Series(values)
    sha.update(_text([name, len(column)]))
    if pd.api.types.is_numeric_dtype(column):
        numbers = column.to_numpy("<f8", na_value=np.nan) + 0.0  # -0.0 becomes 0.0
        # Many bit patterns are not a number, and only one is here.
        sha.update(np.where(np.isnan(numbers), np.nan, numbers).tobytes())
    elif pd.api.types.is_datetime64_any_dtype(column):
        sha.update(column.to_numpy("datetime64[ms]").astype("<i8").tobytes())
    else:
        cells = zip(column.astype(object).tolist(), column.notna().tolist(), strict=True)
        sha.update(_text([str(cell) if there else None for cell, there in cells]))


def _text(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, allow_nan=False).encode()
