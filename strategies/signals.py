"""What `next()` is told at a bar: evidence and opinion, in one batch or from a trailing window.

Both forms run the same functions; `tests/parity` proves that they decide alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from feeds.bars import Bars
from ml.prediction import Prediction, Unavailable
from strategies.config import CryptoScalpingConfig
from strategies.evidence import Evidence, EvidenceTable, candidates, evidence_table, oversold
from strategies.scoring import Opinion, opinion_matters, technical_scores


class OpinionTable(Protocol):
    """Opinions of several bars."""

    def at(self, row: int) -> Prediction | Unavailable: ...


class Ensemble(Protocol):
    """Whoever can be asked for an opinion; `ml.analyzer.Analyzer` is the one."""

    def predict(self, bars: Bars, rows: np.ndarray) -> OpinionTable: ...

    def predict_last(self, window: Bars) -> Prediction | Unavailable: ...


class BarSource(Protocol):
    """The feed of one symbol, standing at its current bar."""

    @property
    def symbol(self) -> str: ...

    @property
    def index(self) -> int:
        """Position of the current bar."""

    def window(self, n: int) -> Bars:
        """Return the last `n` known bars of the current segment, the current one included."""


class Signals(Protocol):
    """Answers for the current bar of a feed."""

    def evidence(self, source: BarSource) -> Evidence | None:
        """Return the evidence, or None where the mandatory filter does not hold."""

    def opinion(self, source: BarSource) -> Opinion:
        """Return the ensemble's opinion, or None where it cannot change the decision."""


@dataclass(frozen=True, slots=True)
class NoEnsemble:
    """Stands in for an ensemble that could not be loaded, and says why."""

    reason: str

    def predict(self, bars: Bars, rows: np.ndarray) -> "NoEnsemble":  # noqa: ARG002
        return self

    def at(self, row: int) -> Unavailable:  # noqa: ARG002
        return Unavailable(self.reason)

    def predict_last(self, window: Bars) -> Unavailable:  # noqa: ARG002
        return Unavailable(self.reason)


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """One symbol's answers: a byte per bar, evidence in columns, opinions by bar."""

    candidate: bytes
    table: EvidenceTable
    opinions: OpinionTable | None
    row_of_bar: Mapping[int, int]


class BatchSignals:
    """Everything is computed once, vectorised, for the bars that can matter."""

    def __init__(
        self,
        tables: Mapping[str, EvidenceTable],
        config: CryptoScalpingConfig,
        ensemble: Ensemble | None = None,
    ) -> None:
        self._config = config
        self._batches = {symbol: self._batch(table, ensemble) for symbol, table in tables.items()}

    def _batch(self, table: EvidenceTable, ensemble: Ensemble | None) -> _Batch:
        candidate = candidates(table, self._config)
        if ensemble is None:
            return _Batch(candidate.tobytes(), table, None, {})
        technical = technical_scores(table, self._config.points)
        rows = np.flatnonzero(candidate & opinion_matters(technical, self._config))
        row_of_bar = {bar: row for row, bar in enumerate(rows.tolist())}
        return _Batch(candidate.tobytes(), table, ensemble.predict(table.bars, rows), row_of_bar)

    def evidence(self, source: BarSource) -> Evidence | None:
        batch = self._batches[source.symbol]
        index = source.index
        return batch.table.at(index) if batch.candidate[index] else None

    def opinion(self, source: BarSource) -> Opinion:
        batch = self._batches[source.symbol]
        row = batch.row_of_bar.get(source.index)
        return None if row is None or batch.opinions is None else batch.opinions.at(row)


@dataclass(slots=True)
class WindowSignals:
    """Everything is computed when a bar closes, from a trailing window: the live form."""

    config: CryptoScalpingConfig
    ensemble: Ensemble | None = None
    _tables: dict[str, EvidenceTable] = field(default_factory=dict)

    def evidence(self, source: BarSource) -> Evidence | None:
        window = source.window(self.config.warmup_bars + 1)
        if not oversold(window.close, self.config)[-1]:  # most bars end here, cheaply
            return None
        table = evidence_table(window, self.config)
        self._tables[source.symbol] = table
        return table.at(len(window) - 1) if candidates(table, self.config)[-1] else None

    def opinion(self, source: BarSource) -> Opinion:
        table = self._tables[source.symbol]
        technical = technical_scores(table, self.config.points)
        if self.ensemble is None or not opinion_matters(technical, self.config)[-1]:
            return None
        return self.ensemble.predict_last(table.bars)
