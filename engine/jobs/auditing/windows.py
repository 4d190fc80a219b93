"""The window audit: live, rules see the last bars alone, and must say what they say of all of them.

A backtest shows a rule a whole segment. A rule that counts from its start, or looks back farther
than the warm-up, knows nothing of the future and still trades otherwise live.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from engine.jobs.auditing.report import Leak
from engine.jobs.auditing.serving import EvidenceOf
from feeds.bars import Bars, IntArray, TimeArray
from strategies.config import HybridConfig
from strategies.evidence import EvidenceTable, evidence_table


def audit_windows(
    markets: Sequence[Bars],
    config: HybridConfig,
    moments: TimeArray,
    evidence_of: EvidenceOf = evidence_table,
) -> tuple[list[Leak], int]:
    """Return the first bar of each rule at which window and whole differ, and how many were asked.

    Parameters
    ----------
    moments : datetime64[ms], closes of bars
    """
    leaks: dict[tuple[str, str | None], Leak] = {}
    asked = 0
    for bars in markets:
        whole = evidence_of(bars, config)
        for row in _rows(bars, config, moments).tolist():
            asked += 1
            window = evidence_of(bars[row - config.warmup_bars : row + 1], config)
            for leak in _differing(whole, window, row):
                leaks.setdefault((leak.what, leak.symbol), leak)
    return list(leaks.values()), asked


def _rows(bars: Bars, config: HybridConfig, moments: TimeArray) -> IntArray:
    """Return the bars that close at the moments and on which something may be decided."""
    decided = (bars.bars_before() >= config.warmup_bars) & ~bars.filled
    return np.flatnonzero(decided & np.isin(bars.closed_at, moments))


def _differing(whole: EvidenceTable, window: EvidenceTable, row: int) -> Iterator[Leak]:
    for rule, holds in whole.holds.items():
        alone = window.holds[rule][-1]
        if holds[row] != alone:
            yield Leak(
                where="serving",
                what=f"rule {rule}",
                kind="window",
                symbol=whole.bars.symbol,
                first_at=whole.bars.closed_at[row],
                difference=(
                    f"{holds[row]} became {alone} where it saw the last {len(window.bars)} bars "
                    "alone, as it does live"
                ),
            )
