"""Killed at any moment, or two at a time: the store is valid, and a last run completes it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from feeds.spans import Span
from feeds.standin.faults import Fault, FaultKind
from feeds.standin.server import StandIn
from feeds.store import Store
from tests.feeds.sources import (
    LISTING,
    STEP,
    assert_all_held_is_true,
    assert_complete,
    market,
    span_of_bars,
)

BARS = market(240, [0, 0, 3, 0, 12, 0, 0, 0, 60])
KILLED, DONE = -9, 0


@dataclass(frozen=True, slots=True)
class Downloader:
    """The process that downloads; see `tests.feeds.downloader`."""

    input: IO[str]
    output: IO[str]

    def run(self, *spans: Span, kill_after: float | None = None) -> list[int]:
        """Return how the downloads of the spans, all at once, ended."""
        self.input.write(json.dumps({"spans": spans, "kill_after": kill_after}) + "\n")
        self.input.flush()
        ended: list[int] = json.loads(self.output.readline())
        return ended


@contextmanager
def downloader(server: StandIn, root: Path) -> Iterator[Downloader]:
    command = [sys.executable, "-m", "tests.feeds.downloader", server.url, str(root)]
    folder = Path(__file__).parents[2]
    with subprocess.Popen(  # noqa: S603  our own interpreter
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Downloader(process.stdin, process.stdout)
        process.stdin.close()


@pytest.mark.parametrize("kills", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_a_kill_at_any_moment_leaves_a_valid_store(kills: int, tmp_path: Path) -> None:
    rng, span = np.random.default_rng(kills), span_of_bars(BARS)
    store, killed, held = Store(tmp_path), 0, set()
    with StandIn([BARS], most_rows=10) as server, downloader(server, tmp_path) as process:
        while killed < kills:
            (code,) = process.run(span, kill_after=float(rng.uniform(0.0, 0.5)))
            assert code in (KILLED, DONE)
            assert_all_held_is_true(store, BARS)
            killed += code == KILLED
            held.add(store.covered(LISTING))
            if code == DONE:
                assert_complete(store, BARS)
                shutil.rmtree(tmp_path / "binance")
        assert process.run(span) == [DONE]
    assert_complete(store, BARS)
    assert len(held) > 3  # they were killed at different places
    left = {path.suffix for path in store.path(LISTING).parent.iterdir()}
    assert left == {".parquet", ".lock"}


def test_downloads_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    store, (start, end) = Store(tmp_path), span_of_bars(BARS)
    middle = (start + end) // 2 // STEP * STEP
    overlapping = [Span(start, middle + 30 * STEP), Span(middle - 30 * STEP, end), Span(start, end)]
    slow = Fault(FaultKind.SLOW, seconds=0.01)
    with StandIn([BARS], most_rows=10, faults=[slow]) as server:
        with downloader(server, tmp_path) as process:
            assert process.run(*overlapping) == [DONE] * 3
        asked = sum(asked.path == "exchangeInfo" for asked in server.requests)
    assert asked == 3  # three clients, all at work
    assert store.covered(LISTING) == (Span(start, end),)
    assert_complete(store, BARS)
