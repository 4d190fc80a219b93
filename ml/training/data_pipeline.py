"""From bars, asked bars and labels to the rows that models learn from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feeds.bars import Bars, BoolArray, FloatArray, IntArray, TimeArray
from ml.base import FloatMatrix, Samples
from ml.errors import TrainingError
from ml.features.catalog import FEATURE_NAMES
from ml.features.matrix import feature_matrix
from ml.labels import Labels

VOLATILITY = "volatility_20"


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """What one file of bars brings.

    Attributes
    ----------
    bars : of one symbol
    population : bool, True for the bars that are learned from
    asked : bool, True for the bars on which a run would ask; what the bands are counted on
    labels : one per bar
    weight : (bars,) how much a bar's row counts; None if all count alike
    """

    bars: Bars
    population: BoolArray
    asked: BoolArray
    labels: Labels
    weight: FloatArray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """Rows of all symbols, ordered by the moment of their decision.

    Attributes
    ----------
    samples : feature rows, with the rows before them at hand
    y : int64 (rows,), 0 or 1
    decided_at, known_at : datetime64[ms] (rows,), close of the deciding bar and of the bar that
        settles the label
    symbol : int64 (rows,), position in `symbols`
    asked : bool (rows,), True for the bars on which a run would ask
    volatility : (rows,), the feature `volatility_20`, which a label that looks ahead must beat
    weight : (rows,), how much a row counts; None if all count alike
    """

    samples: Samples
    y: IntArray
    decided_at: TimeArray
    known_at: TimeArray
    symbol: IntArray
    symbols: tuple[str, ...]
    asked: BoolArray
    volatility: FloatArray
    weight: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.y)

    def take(self, chosen: NDArray[Any]) -> "TrainingSet":
        """Return the chosen rows (positions or mask)."""
        columns = ("y", "decided_at", "known_at", "symbol", "asked", "volatility")
        taken = {name: getattr(self, name)[chosen] for name in columns}
        taken["weight"] = None if self.weight is None else self.weight[chosen]
        return replace(self, samples=self.samples.take(chosen), **taken)

    def thinned(self, limit: int) -> "TrainingSet":
        """Return at most `limit` rows, evenly spread."""
        return self if len(self) <= limit else self.take(evenly(len(self), limit))


def usable_rows(source: Source, *, warmup_bars: int) -> BoolArray:
    """Return True for the bars of the population that can teach.

    They are real bars with at least `warmup_bars` bars of their segment before them and a valid
    label.
    """
    bars, labels = source.bars, source.labels
    warm = bars.bars_before() >= warmup_bars
    return source.population & ~bars.filled & labels.valid & warm


def build_training_set(
    sources: Sequence[Source],
    *,
    warmup_bars: int,
    max_rows: int | None = None,
) -> TrainingSet:
    """Return the usable rows of all sources, oldest first.

    Parameters
    ----------
    sources : all of one timeframe; no two may hold the same bar; all with weights or none
    warmup_bars : bars of a segment before its first row; no fewer than the features' lookback
        plus the steps of a sequence model
    max_rows : more rows are thinned evenly in time; None for no limit

    Raises
    ------
    TrainingError
        if no row is usable
    """
    chosen = [usable_rows(each, warmup_bars=warmup_bars) for each in sources]
    found = sum(int(mask.sum()) for mask in chosen)
    if not found:
        raise TrainingError(_nothing_usable(sources, warmup_bars))
    whole = _joined(sources, chosen)
    order = np.lexsort((whole.symbol, whole.decided_at))
    if max_rows is not None:
        order = order[evenly(found, max_rows)]
    return whole.take(order)


def evenly(rows: int, limit: int) -> IntArray:
    """Return `limit` of `rows` positions, ascending and evenly spread; all if there are no more.

    >>> evenly(9, 3)
    array([0, 4, 8])
    """
    return np.linspace(0, rows - 1, min(rows, limit)).round().astype(np.int64)


def _joined(sources: Sequence[Source], chosen: Sequence[BoolArray]) -> TrainingSet:
    symbols = tuple(dict.fromkeys(each.bars.symbol for each in sources))
    codes = [np.full(len(each.bars), symbols.index(each.bars.symbol)) for each in sources]
    mask = np.concatenate(chosen)
    matrix = _features([each.bars for each in sources])
    rows = np.flatnonzero(mask)
    weights = [each.weight for each in sources if each.weight is not None]
    return TrainingSet(
        samples=Samples(matrix, rows),
        y=np.concatenate([each.labels.value for each in sources])[mask],
        decided_at=np.concatenate([each.bars.closed_at for each in sources])[mask],
        known_at=np.concatenate([each.labels.known_at for each in sources])[mask],
        symbol=np.concatenate(codes)[mask],
        symbols=symbols,
        asked=np.concatenate([each.asked for each in sources])[mask],
        volatility=matrix[rows, FEATURE_NAMES.index(VOLATILITY)].astype(np.float64),
        weight=None if not weights else np.concatenate(weights)[mask],
    )


def _features(markets: Sequence[Bars]) -> FloatMatrix:
    """Return the features of all bars; no market's are held a second time beside the whole."""
    matrix = np.empty((sum(map(len, markets)), len(FEATURE_NAMES)), np.float32)
    start = 0
    for bars in markets:
        matrix[start : start + len(bars)] = feature_matrix(bars)
        start += len(bars)
    return matrix


def _nothing_usable(sources: Sequence[Source], warmup_bars: int) -> str:
    bars = sum(len(each.bars) for each in sources)
    population = sum(int(each.population.sum()) for each in sources)
    return (
        f"a training row needs {warmup_bars} bars of its segment before it and a settled "
        f"label; found none among {population} bars of the population ({bars} in all): give "
        "more bars"
    )
