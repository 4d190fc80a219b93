"""The same results give the same hash, and nothing else does."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.result import RunResult
from engine.result_hash import hashes_of, joint_hash, result_hash
from tests.engine.run_makers import make_curve, make_fill, make_result, make_trade

PLAIN = make_result()


def test_the_same_results_give_the_same_hash() -> None:
    assert result_hash(make_result()) == result_hash(make_result())


CHANGES: dict[str, dict[str, Any]] = {
    "a trade": {"trades": [make_trade(2.0), make_trade(-1.0, bar=6)]},
    "a fill": {"fills": [make_fill(), make_fill(units=-1.0, price=102.3)]},
    "a rejection": {"rejections": []},
    "a close": {"equity": make_curve([1000.0, 1000.0, 1002.0, 1002.0, 1002.0, 1001.0, 1001.5])},
    "a bit of a score": {"decisions": PLAIN.decisions.assign(score=np.nextafter(6.5, 7))},
    "a word": {"decisions": PLAIN.decisions.assign(outcome="entered")},
    "a metric": {"metrics": replace(PLAIN.metrics, sharpe=1.0)},
    "a veto": {"vetoes": {"cooldown": 1}},
    "a silent ensemble": {"ml_asked": 3, "ml_unavailable": 3},
    "the seed": {"seed": 8},
    "a bar": {"digests": {"BTC/USDT": "ab13"}},
    "the run": {"label": "on"},
}


@pytest.mark.parametrize("changed", CHANGES.values(), ids=CHANGES)
def test_another_result_gives_another_hash(changed: dict[str, Any]) -> None:
    assert result_hash(make_result(**changed)) != result_hash(PLAIN)


ALIKE: dict[str, dict[str, Any]] = {
    "settings": {"config": {"store": "elsewhere"}},
    "a bundle trained again": {"digests": {"BTC/USDT": "ab12", "bundle": "cd"}},
    "windows trained again": {"digests": {"BTC/USDT": "ab12", "windows": "cd"}},
    "libraries": {"versions": {"numpy": "3"}},
    "columns in another order": {"decisions": PLAIN.decisions[PLAIN.decisions.columns[::-1]]},
}


@pytest.mark.parametrize("changed", ALIKE.values(), ids=ALIKE)
def test_what_is_no_result_leaves_the_hash(changed: dict[str, Any]) -> None:
    assert result_hash(make_result(**changed)) == result_hash(PLAIN)


def with_votes(*votes: float) -> RunResult:
    """Return a run whose decisions hold these votes."""
    rows = pd.concat([PLAIN.decisions] * len(votes), ignore_index=True)
    return make_result(decisions=rows.assign(vote=np.array(votes)))


def test_one_undefined_number_is_like_another_and_unlike_zero() -> None:
    other = np.frombuffer(np.uint64(0xFFF8000000000001).tobytes(), np.float64)[0]
    assert np.isnan(other)
    assert result_hash(with_votes(0.5, np.nan)) == result_hash(with_votes(0.5, other))
    assert result_hash(with_votes(0.5, np.nan)) != result_hash(with_votes(0.5, 0.0))
    assert result_hash(with_votes(-0.0)) == result_hash(with_votes(0.0))


def test_the_whole_is_the_hash_of_its_runs() -> None:
    off, on = make_result(), make_result("on")
    both = joint_hash(hashes_of([off, on]))
    assert both == joint_hash(hashes_of([on, off]))
    assert both != joint_hash(hashes_of([off, make_result("on", seed=8)]))
