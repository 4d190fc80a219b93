"""Evidence: which rules hold at a bar, and the values they looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from feeds import indicators
from feeds.bars import Bars, BoolArray, FloatArray, IntArray
from strategies.config import HybridConfig
from strategies.rule_books import rules_of
from strategies.rules import Columns, RuleBook, Seen

CHUNK = 65_536  # bars that the rules look at in one go
_NOT_KEPT = "the values of a bar must be kept, found one that is no candidate"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the rules saw at one bar.

    Attributes
    ----------
    holds : for each rule, whether it speaks for an entry
    values : what they looked at, by name
    pattern : the strongest bullish candlestick pattern, or None
    """

    symbol: str
    decided_at: np.datetime64
    holds: Mapping[str, bool]
    values: Mapping[str, float]
    pattern: str | None


@dataclass(frozen=True, slots=True, eq=False)
class EvidenceTable:
    """`Evidence` of all bars, as columns.

    Attributes
    ----------
    needed : the mandatory rules
    holds : (len(bars),) for each rule
    values, pattern : of each bar, or of `rows` alone
    rows : ascending positions of the bars whose values and patterns are kept; None for all
    """

    bars: Bars
    needed: tuple[str, ...]
    holds: Mapping[str, BoolArray]
    values: Columns
    pattern: IntArray
    rows: IntArray | None = None

    @property
    def mandatory(self) -> BoolArray:
        """True where all mandatory rules hold."""
        return np.asarray(np.logical_and.reduce([self.holds[rule] for rule in self.needed]))

    def at(self, row: int) -> Evidence:
        """Return the evidence of one bar, whose values must be kept."""
        place = self._place(row)
        code = int(self.pattern[place])
        return Evidence(
            symbol=self.bars.symbol,
            decided_at=self.bars.time[row] + self.bars.timeframe.delta,
            holds=MappingProxyType({rule: bool(v[row]) for rule, v in self.holds.items()}),
            values=MappingProxyType({k: float(v[place]) for k, v in self.values.items()}),
            pattern=indicators.BULLISH_CANDLES[code] if code >= 0 else None,
        )

    def values_at(self, name: str, rows: IntArray) -> FloatArray:
        """Return what the rules looked at, on bars whose values are kept.

        Raises
        ------
        KeyError
            if the values of one of the bars are not
        """
        return self.values[name][self._places(rows)]

    def values_of_all(self, name: str) -> FloatArray:
        """Return what the rules looked at on every bar; NaN where it is not kept."""
        if self.rows is None:
            return self.values[name]
        whole = np.full(len(self.bars), np.nan)
        whole[self.rows] = self.values[name]
        return whole

    def _place(self, row: int) -> int:
        if self.rows is None:
            return row
        place = int(self.rows.searchsorted(row))
        if place == len(self.rows) or self.rows[place] != row:
            raise KeyError(_NOT_KEPT)
        return place

    def _places(self, rows: IntArray) -> IntArray:
        if self.rows is None:
            return rows
        places = np.searchsorted(self.rows, rows)
        if not np.isin(rows, self.rows).all():
            raise KeyError(_NOT_KEPT)
        return places


def evidence_table(bars: Bars, config: HybridConfig) -> EvidenceTable:
    """Return the evidence of every bar, computed segment by segment.

    Raises
    ------
    StrategyError
        if the rules of a strategy of one's own cannot be had, or one of them fails
    """
    rules = rules_of(config)
    parts = [rules.look(bars[rows]) for rows in bars.segments()]
    return _table(bars, rules, parts)


def candidate_evidence(bars: Bars, config: HybridConfig) -> EvidenceTable:
    """Return the same with the values of candidate bars alone, for a tenth of the memory.

    The rules look at a stretch of bars at a time; what they see is that of the whole, to the bit.

    Raises
    ------
    StrategyError
        as `evidence_table`
    """
    rules = rules_of(config)
    parts, rows, done = [], [np.empty(0, np.int64)], 0
    warm = _decidable(bars, config)
    for segment in bars.segments():
        for seen in rules.look_on(bars[segment], CHUNK):
            needed = np.logical_and.reduce([seen.holds[rule] for rule in rules.mandatory])
            kept = np.flatnonzero(needed & warm[done : done + len(needed)])
            parts.append(_kept(seen, kept))
            rows.append(kept + done)
            done += len(needed)
    return replace(_table(bars, rules, parts), rows=np.concatenate(rows))


def candidates(table: EvidenceTable, config: HybridConfig) -> BoolArray:
    """Return True where the mandatory rules hold on a real bar past the warm-up."""
    return table.mandatory & _decidable(table.bars, config)


def _decidable(bars: Bars, config: HybridConfig) -> BoolArray:
    return np.asarray((bars.bars_before() >= config.warmup_bars) & ~bars.filled)


def _kept(seen: Seen, rows: IntArray) -> Seen:
    """Return what was seen with the values of these bars alone."""
    values = {name: column[rows] for name, column in seen.values.items()}
    return Seen(values, seen.holds, seen.pattern[rows])


def _table(bars: Bars, rules: RuleBook, parts: Sequence[Seen]) -> EvidenceTable:
    values, holds = [p.values for p in parts], [p.holds for p in parts]
    return EvidenceTable(
        bars,
        tuple(rules.mandatory),
        {k: _joined([h[k] for h in holds], np.bool_) for k in rules.names},
        {k: np.concatenate([v[k] for v in values]) for k in (values[0] if values else ())},
        _joined([p.pattern for p in parts], np.int64),
    )


def _joined(parts: list[np.ndarray], kind: type[np.generic]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0, kind)
