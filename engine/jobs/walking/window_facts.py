"""What is said of each window of a walk-forward: dates, scores, the trades decided in it."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from engine.jobs.walking.analyzer import WindowAnalyzers
from engine.jobs.walking.quality import Answers, window_scores
from engine.records import Trade
from engine.result import RunResult
from feeds.moments import iso


def window_facts(
    answers: Sequence[Answers], analyzer: WindowAnalyzers, results: Sequence[RunResult]
) -> list[dict[str, Any]]:
    """Return a window after the other, in JSON's own types but for the paths of its bundle."""
    return [
        {**_window(each), "trades": _trades(place, analyzer, results)}
        for place, each in enumerate(answers)
    ]


def _window(answers: Answers) -> dict[str, Any]:
    window, manifest = answers.window.window, answers.window.bundle.manifest
    training: Any = manifest.metrics["training"]
    return {
        "window": window.number,
        "train_start": iso(window.train_start),
        "train_end": iso(window.train_end),
        "test_end": iso(window.test_end),
        "seen_until": iso(manifest.seen_until_ms),
        "bundle": answers.window.bundle.digest,
        "path": answers.window.path,
        "rows": {name: part["rows"] for name, part in training["parts"].items()},
        **window_scores(answers),
        "thresholds": manifest.thresholds and asdict(manifest.thresholds),
    }


def _trades(
    place: int, analyzer: WindowAnalyzers, results: Sequence[RunResult]
) -> dict[str, dict[str, Any]]:
    """Return what the trades decided in the test of the window came to, by the run's label."""
    found = {}
    for result in results:
        decided = np.array([trade.decided_at for trade in result.trades], "datetime64[ms]")
        inside = analyzer.window_of(decided) == place
        found[result.label] = _summary(
            [trade for trade, here in zip(result.trades, inside, strict=True) if here]
        )
    return found


def _summary(trades: Sequence[Trade]) -> dict[str, Any]:
    if not trades:
        return {"trades": 0, "win_rate": None, "expectancy": None}
    return {
        "trades": len(trades),
        "win_rate": float(np.mean([trade.pnl > 0 for trade in trades])),
        "expectancy": float(np.mean([trade.return_fraction for trade in trades])),
    }
