"""What `next()` is shown of a bar: its evidence, and the ensemble's opinion if it asks.

`BatchViews` computes everything once, vectorised; `WindowViews` computes it when a bar closes, from
a trailing window. Both run the same functions; `tests/parity` proves that they decide alike.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np

from feeds.bars import Bars, IntArray
from ml.prediction import Prediction, Unavailable
from strategies.config import HybridConfig
from strategies.evidence import Evidence, EvidenceTable, candidates, evidence_table
from strategies.rule_books import rules_of
from strategies.scoring import Opinion, opinion_matters, technical_scores


class OpinionTable(Protocol):
    """Opinions of several bars."""

    def at(self, row: int, /) -> Prediction | Unavailable: ...


class OpinionSource(Protocol):
    """Whoever can be asked for an opinion: `ml.analyzer.Analyzer`, or `NoEnsemble`."""

    def predict(self, bars: Bars, rows: np.ndarray, /) -> OpinionTable: ...

    def predict_last(self, window: Bars, /) -> Prediction | Unavailable: ...


class BarSource(Protocol):
    """The feed of one symbol, standing at its current bar."""

    @property
    def symbol(self) -> str: ...

    @property
    def index(self) -> int:
        """Position of the current bar."""

    def window(self, n: int) -> Bars:
        """Return the last `n` known bars of the current segment, the current one included."""


@dataclass(frozen=True, slots=True)
class View:
    """A candidate bar.

    Attributes
    ----------
    evidence : what the rules saw
    ask : returns the ensemble's opinion, or None where it cannot change the decision
    """

    evidence: Evidence
    ask: Callable[[], Opinion]


class Views(Protocol):
    """Shows the current bar of a feed."""

    def view(self, source: BarSource) -> View | None:
        """Return the view, or None where the mandatory filter does not hold."""

    def next_candidate(self, source: BarSource) -> int | None:
        """Return the next bar, after the current one, that may have a view; None for never."""


@dataclass(frozen=True, slots=True)
class NoEnsemble:
    """Stands in for an ensemble that could not be loaded, and says why."""

    reason: str

    def predict(self, _bars: Bars, _rows: np.ndarray) -> "NoEnsemble":
        return self

    def at(self, _row: int) -> Unavailable:
        return Unavailable(self.reason)

    def predict_last(self, _window: Bars) -> Unavailable:
        return Unavailable(self.reason)


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """The bars of one symbol on which the ensemble is asked, and what it says of each.

    Attributes
    ----------
    bars : positions, ascending
    opinions : one row for each
    """

    bars: IntArray
    opinions: OpinionTable


def ask(
    tables: Mapping[str, EvidenceTable], config: HybridConfig, ensemble: OpinionSource
) -> dict[str, Asked]:
    """Ask the ensemble about every candidate bar at which its opinion can matter, by symbol."""
    return {symbol: _ask(table, config, ensemble) for symbol, table in tables.items()}


def _ask(table: EvidenceTable, config: HybridConfig, ensemble: OpinionSource) -> Asked:
    technical = technical_scores(table, config.points)
    bars = np.flatnonzero(candidates(table, config) & opinion_matters(technical, config))
    return Asked(bars, ensemble.predict(table.bars, bars))


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """One symbol's views.

    `candidate` holds a byte a bar: quicker to look up than an array; `candidates` their positions.
    """

    candidate: bytes
    candidates: Sequence[int]
    table: EvidenceTable
    opinions: OpinionTable | None
    row_of_bar: Mapping[int, int]

    def view(self, bar: int) -> View | None:
        if not self.candidate[bar]:
            return None
        return View(self.table.at(bar), lambda: self._opinion(bar))

    def next_candidate(self, bar: int) -> int | None:
        following = bisect_right(self.candidates, bar)
        return self.candidates[following] if following < len(self.candidates) else None

    def _opinion(self, bar: int) -> Opinion:
        row = self.row_of_bar.get(bar)
        return None if row is None or self.opinions is None else self.opinions.at(row)


class BatchViews:
    """Views of bars whose evidence and opinions are at hand; without `asked` nobody is asked."""

    def __init__(
        self,
        tables: Mapping[str, EvidenceTable],
        config: HybridConfig,
        asked: Mapping[str, Asked] = MappingProxyType({}),
    ) -> None:
        self._batches = {
            symbol: _batch(table, config, asked.get(symbol)) for symbol, table in tables.items()
        }

    def view(self, source: BarSource) -> View | None:
        return self._batches[source.symbol].view(source.index)

    def next_candidate(self, source: BarSource) -> int | None:
        return self._batches[source.symbol].next_candidate(source.index)


def _batch(table: EvidenceTable, config: HybridConfig, asked: Asked | None) -> _Batch:
    candidate = candidates(table, config)
    found = candidate.tobytes(), np.flatnonzero(candidate).tolist()
    if asked is None:
        return _Batch(*found, table, None, {})
    row_of_bar = {bar: row for row, bar in enumerate(asked.bars.tolist())}
    return _Batch(*found, table, asked.opinions, row_of_bar)


@dataclass(frozen=True, slots=True)
class WindowViews:
    """Views computed bar by bar: the live form."""

    config: HybridConfig
    ensemble: OpinionSource | None = None

    def view(self, source: BarSource) -> View | None:
        window = source.window(self.config.warmup_bars + 1)
        if not rules_of(self.config).pass_last(window):  # most bars end here, cheaply
            return None
        table = evidence_table(window, self.config)
        if not candidates(table, self.config)[-1]:
            return None
        return View(table.at(len(window) - 1), lambda: self._opinion(table))

    def next_candidate(self, source: BarSource) -> int:
        return source.index + 1

    def _opinion(self, table: EvidenceTable) -> Opinion:
        technical = technical_scores(table, self.config.points)
        if self.ensemble is None or not opinion_matters(technical, self.config)[-1]:
            return None
        return self.ensemble.predict_last(table.bars)
