"""Tests of the technical evidence."""

from dataclasses import replace

import numpy as np
import pytest

from feeds import indicators
from strategies.config import CryptoScalpingConfig
from strategies.evidence import candidates, evidence_table
from strategies.scalping_rules import RULES
from tests.makers import make_bars, with_hole

CONFIG = CryptoScalpingConfig()


def test_every_rule_holds_somewhere_and_fails_somewhere() -> None:
    holds = evidence_table(make_bars(3000), CONFIG).holds
    assert all(0 < holds[rule].mean() < 1 for rule in RULES), {r: holds[r].mean() for r in RULES}


def test_the_mandatory_filter_is_rsi_below_thirty() -> None:
    bars = make_bars(1000)
    expected = indicators.rsi(bars.close, 14) < 30
    np.testing.assert_array_equal(evidence_table(bars, CONFIG).mandatory, expected)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_trailing_window_holds_the_same_evidence(seed: int) -> None:
    bars = make_bars(1500, seed=seed)
    table = evidence_table(bars, CONFIG)
    for row in np.flatnonzero(candidates(table, CONFIG))[::7].tolist():
        window = evidence_table(bars[row - CONFIG.warmup_bars : row + 1], CONFIG)
        late, early = window.at(len(window.bars) - 1), table.at(row)
        assert late.holds == early.holds
        assert late.pattern == early.pattern
        assert late.values == pytest.approx(early.values, rel=1e-6, abs=1e-6)


def test_evidence_does_not_change_when_later_bars_arrive() -> None:
    bars = make_bars(1200, seed=4)
    whole, early = evidence_table(bars, CONFIG), evidence_table(bars[:900], CONFIG)
    for rule in RULES:
        np.testing.assert_array_equal(whole.holds[rule][:900], early.holds[rule])


def test_no_bar_is_a_candidate_before_the_warm_up_of_its_segment() -> None:
    bars = with_hole(make_bars(2400, seed=5), at=1200, missing=50)
    mask = candidates(evidence_table(bars, CONFIG), CONFIG)
    assert mask.any()
    assert not mask[:400].any()
    assert not mask[1200:1600].any()


def test_evidence_does_not_reach_across_a_hole() -> None:
    bars = with_hole(make_bars(1200, seed=6), at=600, missing=50)
    alone = evidence_table(bars[600:], CONFIG)
    joined = evidence_table(bars, CONFIG)
    for rule in RULES:
        np.testing.assert_array_equal(joined.holds[rule][600:], alone.holds[rule])


def test_a_flat_market_scores_nothing() -> None:
    level = np.full(500, 100.0)
    flat = replace(
        make_bars(500), open=level, high=level, low=level, close=level, volume=np.zeros(500)
    )
    table = evidence_table(flat, CONFIG)
    assert not any(table.holds[rule].any() for rule in RULES)
    assert not candidates(evidence_table(flat, CONFIG), CONFIG).any()


def test_filled_bars_are_never_candidates() -> None:
    bars = make_bars(1500, seed=7)
    first = int(np.flatnonzero(candidates(evidence_table(bars, CONFIG), CONFIG))[0])
    filled = bars.filled.copy()
    filled[first] = True
    marked = replace(bars, filled=filled)
    assert not candidates(evidence_table(marked, CONFIG), CONFIG)[first]
