"""A watched bundle: each row counts once, and a restart knows what the process before it knew."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.jobs.live.watched import WatchedAnalyzer
from feeds.bars import Bars
from ml.analyzer import Analyzer
from ml.bundle import load_bundle
from ml.prediction import Prediction
from tests.engine.jobs.live.ensemble_makers import (
    FIVE_MINUTES,
    MARKET,
    TRAINED,
    make,
    settings_at,
)
from tests.ml.trained import WARMUP_BARS

LIVED = 320  # bars: more than a stretch, and their labels


class Watching:
    """A watch with its bars; what it has come to is read off the rows that it compares."""

    def __init__(self, analyzer: Analyzer) -> None:
        self.bar = TRAINED
        self.watched = WatchedAnalyzer(
            analyzer, settings_at(Path("none")), FIVE_MINUTES, self._bars_of
        )
        self.journal: list[dict[str, Any]] = []

    def _bars_of(self, symbol: str, n: int) -> Bars:
        return MARKET[max(0, self.bar - n) : self.bar]

    def go(self, bars: int) -> None:
        for _ in range(bars):
            now = MARKET.closed_at[self.bar]
            self.watched.drift(now)
            opinion = self.watched.predict_last(MARKET[self.bar - WARMUP_BARS : self.bar + 1])
            assert isinstance(opinion, Prediction)
            row = {"symbol": MARKET.symbol, "decided_at": now, "ml": "answered"}
            self.journal.append({**row, "probability": opinion.probability})
            self.bar += 1

    def known(self) -> tuple[np.ndarray, np.ndarray, list[Any]]:
        """Return what the watch compares: features, probabilities, outcomes."""
        self.watched.drift(MARKET.closed_at[self.bar])
        watch: Any = self.watched._watch
        settled = [(each.probability, each.came, each.weight) for each in watch._settled]
        return np.array(watch._features), np.array(watch._said), settled


@pytest.fixture(scope="module")
def analyzer(tmp_path_factory: pytest.TempPathFactory) -> Analyzer:
    path = tmp_path_factory.mktemp("watched")
    make().save(path)
    return Analyzer(load_bundle(path))


@pytest.fixture(scope="module")
def whole(analyzer: Analyzer) -> Watching:
    """A watch that was never interrupted."""
    watching = Watching(analyzer)
    watching.go(LIVED)
    return watching


@settings(max_examples=8)
@given(killed_after=st.integers(1, LIVED))
def test_a_restart_knows_what_the_process_before_it_knew(
    killed_after: int, analyzer: Analyzer, whole: Watching
) -> None:
    again = Watching(analyzer)
    again.bar += killed_after
    again.journal = whole.journal[:killed_after]
    again.watched.restore(again.journal, MARKET.closed_at[again.bar - 1])
    again.go(LIVED - killed_after)
    (features, said, settled), (then, said_then, settled_then) = again.known(), whole.known()
    np.testing.assert_allclose(features, then, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(said, said_then, atol=1e-6)
    assert len(settled) == len(settled_then) > 100
    assert [each[1:] for each in settled] == [each[1:] for each in settled_then]


def test_a_bar_that_is_asked_about_again_counts_once(analyzer: Analyzer) -> None:
    watching = Watching(analyzer)
    watching.go(3)
    watching.watched.restore(watching.journal, MARKET.closed_at[watching.bar - 1])
    watching.watched.predict_last(MARKET[watching.bar - WARMUP_BARS - 1 : watching.bar])
    assert len(watching.known()[0]) == 3


def test_rows_that_were_not_answered_do_not_count(analyzer: Analyzer) -> None:
    watching = Watching(analyzer)
    watching.bar += 5
    at = MARKET.closed_at[TRAINED]
    silent = {"symbol": MARKET.symbol, "decided_at": at, "ml": "unavailable", "probability": None}
    watching.watched.restore([silent], MARKET.closed_at[watching.bar])
    assert len(watching.known()[0]) == 0
