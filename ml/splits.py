"""Splits in time: parts cut at moments that hold for all symbols, purged by known_at.

A row belongs to the part in which it is decided, and only if its label is known when the next part
starts; the others are dropped. So nothing that a later part is asked about can have shaped an
earlier one, however far the labels reach.

Folds repeat the first three parts inside the train part, on ever longer pasts. Rows that are
learned from are always older than those that judge, so purging is all that is needed: an embargo
keeps rows *after* a judged stretch out of learning, and here none are learned from.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np

from feeds.bars import IntArray, TimeArray
from ml.errors import TrainingError

_FOREVER = np.datetime64("9999-01-01", "ms")


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Rows of a training set by what they are for, oldest part first.

    Attributes
    ----------
    train, stop, calibrate, test : positions of rows: to fit on, to stop the fitting early,
        to calibrate on, to report on
    """

    train: IntArray
    stop: IntArray
    calibrate: IntArray
    test: IntArray

    def items(self) -> list[tuple[str, IntArray]]:
        """Return the names and rows of the parts, oldest first."""
        return [(field.name, getattr(self, field.name)) for field in fields(self)]


def chronological_parts(
    decided_at: TimeArray, known_at: TimeArray, fractions: Sequence[float]
) -> Parts:
    """Return train, stop, calibrate and test, cut at `fractions` of the time spanned.

    Parameters
    ----------
    decided_at, known_at : datetime64[ms] (rows,), of all symbols, in any order
    fractions : the four shares of the time from the first to the last decision; they add up to 1,
        and where the last is 0 there is no test part

    Raises
    ------
    TrainingError
        if there is no row
    """
    cuts = cut_moments(decided_at, fractions)
    tested = fractions[-1] > 0.0
    parts = purged_parts(decided_at, known_at, cuts if tested else cuts[:-1])
    verify_parts(parts, decided_at, known_at)
    nothing = np.empty(0, np.int64)
    return Parts(*(parts if tested else [*parts, nothing]))


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Rows of one rehearsal of a training, oldest part first.

    Attributes
    ----------
    train, stop, judge : positions of rows: to fit on, to stop the fitting early, to be judged on
    """

    train: IntArray
    stop: IntArray
    judge: IntArray

    def items(self) -> list[tuple[str, IntArray]]:
        """Return the names and rows of the parts, oldest first."""
        return [(field.name, getattr(self, field.name)) for field in fields(self)]


def expanding_folds(
    decided_at: TimeArray, known_at: TimeArray, count: int, *, stop: float
) -> list[Fold]:
    """Return `count` folds, each judged on the next stretch and learning from all before it.

    The older half of the rows is only learned from; the other half is cut into `count` stretches
    of as many rows each, at moments that hold for all symbols.

    Parameters
    ----------
    decided_at, known_at : datetime64[ms] (rows,), of all symbols, in any order
    count : folds, at least 1
    stop : share of the rows before the judged stretch, its latest, that stop the fitting early

    Raises
    ------
    TrainingError
        if there is no row
    """
    if not len(decided_at):
        raise TrainingError("rows are needed to fold them in time, found none")
    ordered = np.sort(decided_at)
    bounds = [len(ordered) * (count + number) // (2 * count) for number in range(count)]
    folds = []
    for bound, end in zip(bounds, np.append(ordered[bounds[1:]], _FOREVER), strict=True):
        rows = np.flatnonzero(decided_at < end)
        cuts = ordered[[int(bound * (1.0 - stop)), bound]]
        parts = purged_parts(decided_at[rows], known_at[rows], cuts)
        verify_parts(parts, decided_at[rows], known_at[rows])
        folds.append(Fold(*(rows[part] for part in parts)))
    return folds


def cut_moments(decided_at: TimeArray, fractions: Sequence[float]) -> TimeArray:
    """Return the moments (datetime64[ms]) that cut the time spanned into `fractions` of it."""
    if not len(decided_at):
        raise TrainingError("rows are needed to split them in time, found none")
    start, end = decided_at.min(), decided_at.max()
    span = float((end - start) / np.timedelta64(1, "ms"))
    offsets = np.cumsum(np.asarray(fractions[:-1], np.float64)) * span
    return np.asarray(start + offsets.astype(np.int64).astype("timedelta64[ms]"))


def purged_parts(decided_at: TimeArray, known_at: TimeArray, cuts: TimeArray) -> list[IntArray]:
    """Return the rows of the `len(cuts) + 1` parts that the moments `cuts` make, oldest first.

    A row decided at a cut belongs to the later part; a row of an earlier part is kept only if its
    label is known at or before the cut.
    """
    part = np.searchsorted(cuts, decided_at, side="right")
    end = np.append(cuts, _FOREVER)[part]
    kept = known_at <= end
    return [np.flatnonzero(kept & (part == number)) for number in range(len(cuts) + 1)]


def verify_parts(parts: Sequence[IntArray], decided_at: TimeArray, known_at: TimeArray) -> None:
    """Raise TrainingError if a label of one part is known only after a later part has started."""
    filled = [rows for rows in parts if len(rows)]
    for earlier, later in pairwise(filled):
        known, start = known_at[earlier].max(), decided_at[later].min()
        if not known <= start:
            raise TrainingError(
                "labels of an earlier part must be known when the next part starts "
                f"({start}Z), found one known at {known}Z: purge the rows by known_at"
            )
