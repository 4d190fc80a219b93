"""What evidence and features cost: all bars at once, and bar by bar on a trailing window."""

from functools import partial

import numpy as np

from benchmarks.harness import Work, medians
from engine.tables import rendered, table
from feeds.bars import Bars
from ml.features.catalog import FEATURE_LOOKBACK, FEATURES
from ml.features.matrix import feature_matrix
from strategies.config import CryptoScalpingConfig
from strategies.evidence import evidence_table

WINDOWS = 200
LOADING = 2000  # bars: enough to have compiled code loaded


def report(bars: Bars, rounds: int) -> str:
    """Measure and return the table."""
    strategy = CryptoScalpingConfig()
    ends = np.linspace(FEATURE_LOOKBACK, len(bars) - 1, WINDOWS, dtype=int).tolist()
    long = [bars[end - FEATURE_LOOKBACK : end + 1] for end in ends]
    short = [bars[max(0, end - strategy.warmup_bars) : end + 1] for end in ends]
    works: dict[tuple[str, int], Work] = {
        ("features", len(bars)): partial(feature_matrix, bars),
        ("evidence", len(bars)): partial(evidence_table, bars, strategy),
        ("features", 1): lambda: [feature_matrix(window) for window in long],
        ("evidence", 1): lambda: [evidence_table(window, strategy) for window in short],
    }
    feature_matrix(bars[:LOADING])
    evidence_table(bars[:LOADING], strategy)
    shown = table(
        f"{len(bars):,} bars, {len(FEATURES)} features",
        "all at once, s",
        "µs a bar",
        "trailing window, ms a bar",
    )
    seconds = medians(works, rounds)
    for name in ("features", "evidence"):
        whole = seconds[name, len(bars)]
        shown.add_row(
            name,
            f"{whole:.3f}",
            f"{whole / len(bars) * 1e6:.2f}",
            f"{seconds[name, 1] / WINDOWS * 1e3:.3f}",
        )
    return rendered(shown)
