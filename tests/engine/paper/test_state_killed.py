"""A session that is killed has lost nothing that was committed, and blocks nobody."""

import time
from pathlib import Path

import numpy as np
import pytest

from engine.errors import StateError
from engine.paper.records import MomentRecord
from engine.paper.state import PaperState
from tests.engine.paper.children import child, commit_without_end, hold
from tests.engine.paper.state_makers import WARMUP, full_moment, make_market, make_state
from tests.engine.paper.test_state import bits

KILLS = 30


def test_a_state_that_is_killed_holds_a_whole_prefix(tmp_path: Path) -> None:
    path, chance = tmp_path / "a.sqlite", np.random.default_rng(7)
    market = make_market(1000)
    expected = [full_moment(market, number) for number in range(1000)]
    make_state(path, market).close()
    kept = 0
    for _ in range(KILLS):
        with child(commit_without_end, path) as (process, pipe):
            assert pipe.poll(60)
            time.sleep(chance.exponential(0.02))
            process.kill()
            process.join()
            told = kept
            while pipe.poll():
                try:
                    told = pipe.recv() + 1
                except EOFError:
                    break
        with PaperState.resume(path) as state:
            kept = len(state.reader.moments())
            # A moment may have been kept and not yet been told of.
            assert kept in (told, told + 1)
            assert_holds(state, expected[:kept])
    assert kept > KILLS


def assert_holds(state: PaperState, records: list[MomentRecord]) -> None:
    reader = state.reader
    assert [each.closed_at for each in reader.moments()] == [each.closed_at for each in records]
    assert reader.fills() == [fill for each in records for fill in each.fills]
    assert reader.orders() == [order for each in records for order in each.orders]
    assert reader.rejections() == [no for each in records for no in each.rejections]
    assert reader.revisions() == [change for each in records for change in each.revisions]
    assert bits(reader.decisions()) == bits([row for each in records for row in each.decisions])
    bars = make_market(1000)["BTC/USDT"][: WARMUP + len(records)]
    assert reader.bars("BTC/USDT").digest() == bars.digest()


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    path, market = tmp_path / "a.sqlite", make_market(0)
    make_state(path, market).close()
    with child(hold, path) as (process, pipe):
        holder = pipe.recv()
        said = f"^{path}: a state must have one writer, found another at work, process {holder}: "
        with pytest.raises(StateError, match=said):
            PaperState.resume(path)
        with pytest.raises(StateError, match=said):
            make_state(path, market)
        process.kill()
        process.join()
        PaperState.resume(path).close()


def test_a_second_writer_in_the_same_process_is_refused_too(tmp_path: Path) -> None:
    path, market = tmp_path / "a.sqlite", make_market(1)
    with make_state(path, market) as state:
        with pytest.raises(StateError, match="one writer"):
            PaperState.resume(path)
        with pytest.raises(StateError, match="one writer"):
            PaperState.resume(path.parent / ".." / path.parent.name / path.name)
        state.commit(full_moment(market, 0))
    PaperState.resume(path).close()
