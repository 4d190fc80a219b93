"""Evidence: which rules hold at a bar, and the values they looked at."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from feeds import indicators
from feeds.bars import Bars, BoolArray, IntArray
from strategies.config import HybridConfig
from strategies.rule_books import rules_of
from strategies.rules import Columns


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
    """`Evidence` of all bars, as columns; `needed` names the mandatory rules."""

    bars: Bars
    needed: tuple[str, ...]
    holds: Mapping[str, BoolArray]
    values: Columns
    pattern: IntArray

    @property
    def mandatory(self) -> BoolArray:
        """True where all mandatory rules hold."""
        return np.asarray(np.logical_and.reduce([self.holds[rule] for rule in self.needed]))

    def at(self, row: int) -> Evidence:
        """Return the evidence of one bar."""
        code = int(self.pattern[row])
        return Evidence(
            symbol=self.bars.symbol,
            decided_at=self.bars.time[row] + self.bars.timeframe.delta,
            holds=MappingProxyType({rule: bool(v[row]) for rule, v in self.holds.items()}),
            values=MappingProxyType({k: float(v[row]) for k, v in self.values.items()}),
            pattern=indicators.BULLISH_CANDLES[code] if code >= 0 else None,
        )


def evidence_table(bars: Bars, config: HybridConfig) -> EvidenceTable:
    """Return the evidence of every bar, computed segment by segment.

    Raises
    ------
    StrategyError
        if the rules of a strategy of one's own cannot be had, or one of them fails
    """
    rules = rules_of(config)
    parts = [rules.look(bars[rows]) for rows in bars.segments()]
    values, holds = [p.values for p in parts], [p.holds for p in parts]
    return EvidenceTable(
        bars,
        tuple(rules.mandatory),
        {k: _joined([h[k] for h in holds], np.bool_) for k in rules.names},
        {k: np.concatenate([v[k] for v in values]) for k in (values[0] if values else ())},
        _joined([p.pattern for p in parts], np.int64),
    )


def candidates(table: EvidenceTable, config: HybridConfig) -> BoolArray:
    """Return True where the mandatory rules hold on a real bar past the warm-up."""
    warm = table.bars.bars_before() >= config.warmup_bars
    return table.mandatory & warm & ~table.bars.filled


def _joined(parts: list[np.ndarray], kind: type[np.generic]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0, kind)
