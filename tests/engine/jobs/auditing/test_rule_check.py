"""The check of own rules that every run and training makes: a rule that looks ahead is refused."""

import time
from pathlib import Path

import pytest

from engine.errors import RunError
from engine.jobs.auditing.rule_check import (
    check_own_rules,
    check_rules_on,
    warn_of_no_entry,
)
from engine.jobs.settings import load_settings
from engine.jobs.train import learn_bundle
from strategies.evidence import evidence_table
from tests.engine.jobs.auditing.test_own_rules import MARKETS, SOUND, strategy
from tests.makers import make_bars
from tests.strategies.own import MINE, settings_of, written

AHEAD = "above(np.append(bars.close[3:], [np.nan] * min(3, len(bars))), bars.close)"
MANDATORY = """
def ahead(bars):
    return {ahead}

class Own(HybridStrategy):
    rules = (Rule("ahead", ahead, mandatory=True),)
"""


@pytest.mark.parametrize(
    "ahead",
    [AHEAD, "above(bars.close, bars.close.mean())", "above(bars.close, np.roll(bars.close, -1))"],
    ids=["the close in three bars", "the mean of all closes", "rolled back"],
)
def test_a_rule_that_looks_ahead_is_refused_by_name(tmp_path: Path, ahead: str) -> None:
    settings = strategy(tmp_path, ahead)
    with pytest.raises(RunError, match=r"own\.py:Own: rule rise at the bar of .* looks ahead"):
        check_rules_on(MARKETS, settings.strategy)


def test_so_is_one_that_makes_the_candidates(tmp_path: Path) -> None:
    settings = settings_of(written(tmp_path, MANDATORY.format(ahead=AHEAD)))
    message = r"rule ahead at the bar of BTC/USDT that closed at 2024-\S+ .*says True with the bars"
    with pytest.raises(RunError, match=message):
        check_rules_on(MARKETS, settings.strategy)


def test_a_rule_that_counts_from_the_beginning_is_told_what_it_sees_live(tmp_path: Path) -> None:
    settings = strategy(tmp_path, "np.arange(len(bars)) % 2 == 0")
    with pytest.raises(RunError, match="of the last 401 bars, which is what it sees live"):
        check_rules_on(MARKETS, settings.strategy)


def test_a_training_is_refused_before_it_learns(tmp_path: Path) -> None:
    settings = strategy(tmp_path, AHEAD)
    update = {"ml_model_path": tmp_path / "bundle"}
    kept = settings.strategy.model_copy(update=update)
    with pytest.raises(RunError, match="rule rise"):
        learn_bundle(MARKETS, settings.model_copy(update={"strategy": kept}))
    assert list((tmp_path / "bundle").iterdir()) == []


def test_sound_rules_pass(tmp_path: Path) -> None:
    check_rules_on(MARKETS, strategy(tmp_path, SOUND).strategy)
    check_rules_on(MARKETS, settings_of(*MINE.split(":")).strategy)
    check_rules_on(MARKETS, load_settings().strategy)


def test_it_is_quick_on_a_long_market() -> None:
    config = settings_of(*MINE.split(":")).strategy
    bars = make_bars(200_000)
    tables = {bars.symbol: evidence_table(bars, config)}
    begun = time.process_time()
    check_own_rules(tables, config)
    assert time.process_time() - begun < 0.5


@pytest.mark.parametrize(
    ("score", "with_ensemble", "said"),
    [
        (40.0, True, "40 points are needed, rules and ensemble give 8 at most"),
        (7.0, False, "7 points are needed, rules alone give 6 at most"),
        (8.0, True, ""),
        (6.0, False, ""),
    ],
)
def test_a_score_that_nothing_reaches_is_told(
    score: float, with_ensemble: bool, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = load_settings(overrides={"strategy": {"file": MINE, "min_entry_score": score}})
    warn_of_no_entry(settings.strategy, with_ensemble=with_ensemble)
    assert said in caplog.text
    assert bool(said) == bool(caplog.records)


def test_the_built_in_rules_are_counted_too() -> None:
    assert load_settings().strategy.points.all_rules == 9.0
