"""Tests of a strategy's own rules: as columns, and what is wrong with them in one line."""

from pathlib import Path

import numpy as np
import pytest

from strategies.errors import StrategyError
from strategies.evidence import candidates, evidence_table
from strategies.rule_books import rules_of
from strategies.scoring import decide, technical_scores
from tests.makers import make_bars, with_hole
from tests.strategies.own import MINE, settings_of, written

CONFIG = settings_of(*MINE.split(":")).strategy
BARS = with_hole(make_bars(2200, seed=3), at=1000, missing=60)


def test_the_table_holds_every_rule_and_what_it_looked_at() -> None:
    table = evidence_table(BARS, CONFIG)
    assert list(table.holds) == ["dip", "uptrend", "busy", "hammer"]
    assert set(table.values) == {"close", "found_dip", "atr_fraction"}
    for rule, holds in table.holds.items():
        assert 0 < holds.mean() < 1, rule
    np.testing.assert_array_equal(table.holds["dip"], table.values["found_dip"] < 30.0)


def test_candidates_are_real_warm_bars_on_which_all_mandatory_rules_hold(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        def rises(bars):
            return above(bars.close, bars.open)

        class Own(HybridStrategy):
            rules = (Rule("dip", dips, mandatory=True), Rule("up", rises, mandatory=True))
        """,
    )
    config = settings_of(path).strategy
    table = evidence_table(BARS, config)
    both = table.holds["dip"] & table.holds["up"]
    assert 0 < both.sum() < table.holds["dip"].sum()
    expected = both & (BARS.bars_before() >= config.warmup_bars) & ~BARS.filled
    np.testing.assert_array_equal(candidates(table, config), expected)


def test_nothing_is_entered_without_a_mandatory_rule_whatever_the_score() -> None:
    config = CONFIG.model_copy(update={"min_entry_score": 0.0})
    table = evidence_table(BARS, config)
    rows = np.flatnonzero(BARS.bars_before() >= config.warmup_bars)[:200]
    entered = [decide(table.at(row), None, config).enter for row in rows.tolist()]
    assert entered == table.holds["dip"][rows].tolist()


def test_a_score_is_the_sum_of_the_points_of_the_rules_that_hold() -> None:
    table = evidence_table(BARS, CONFIG)
    scores = technical_scores(table, CONFIG.points)
    for row in (500, 900, 1500):
        decision = decide(table.at(row), None, CONFIG)
        assert decision.score.technical == scores[row]
        assert list(decision.score.items) == list(table.holds)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "bars.close",
            r"own\.py:Own, rule dip: line 11: must return one True or False for each",
        ),
        ("(bars.close > 0)[1:]", r"found bool of shape \(\d+,\)"),
        ("True", r"found bool of shape \(\)"),
        ("bars.closing > 0", r"own\.py:Own, rule dip: holds failed on .*: line 11: AttributeError"),
        ("None", "found object"),
    ],
)
def test_a_rule_that_returns_something_else_is_named(
    tmp_path: Path, body: str, message: str
) -> None:
    text = f"""
    class Own(HybridStrategy):
        rules = (Rule("dip", lambda bars: {body}, mandatory=True),)
    """
    config = settings_of(written(tmp_path, text)).strategy
    with pytest.raises(StrategyError, match=message):
        evidence_table(make_bars(500), config)


def test_a_rule_that_fails_in_another_file_names_the_line_there(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("def holds(bars):\n    return 1 / 0\n")
    text = f"""
    import runpy
    there = runpy.run_path({str(tmp_path / "beside.py")!r})["holds"]

    class Own(HybridStrategy):
        rules = (Rule("dip", there, mandatory=True),)
    """
    config = settings_of(written(tmp_path, text)).strategy
    with pytest.raises(StrategyError, match=r"own\.py:Own, rule dip: .*beside\.py line 2: Zero"):
        evidence_table(make_bars(500), config)


def test_the_idle_line_names_the_mandatory_rules_that_do_not_hold() -> None:
    table, rules = evidence_table(BARS, CONFIG), rules_of(CONFIG)
    row = int(np.flatnonzero(~table.holds["dip"])[500])
    assert rules.idle(BARS[row - 400 : row + 1]) == "needs dip"
