"""The audit of a strategy of one's own: a rule that looks ahead, or too far back, is named."""

from pathlib import Path

import pytest

from engine.jobs.audit import sampled_moments
from engine.jobs.auditing.report import Leak
from engine.jobs.auditing.serving import Watched, audit_serving, evidence_look
from engine.jobs.auditing.windows import audit_windows
from engine.jobs.settings import Settings, load_settings
from strategies.evidence import evidence_table
from tests.makers import make_bars, with_hole
from tests.strategies.own import MINE, settings_of, written

MARKETS = (
    make_bars(1500, seed=1, start="2024-01-01 00:25"),
    with_hole(make_bars(1500, seed=2, symbol="ETH/USDT", start="2024-01-01 01:00"), 200, 40),
)
RULES = """
def rises(bars):
    return {rises}

class Own(HybridStrategy):
    rules = (Rule("dip", dips, mandatory=True), Rule("rise", rises, points=6.0))
"""
SOUND = "above(bars.close, mean(bars.close, 50))"


def strategy(folder: Path, rises: str) -> Settings:
    return settings_of(written(folder, RULES.format(rises=rises)))


def serving(settings: Settings) -> list[Leak]:
    watch = Watched(evidence_look(evidence_table, settings.strategy))
    leaks, columns = audit_serving(MARKETS, [watch], sampled_moments(MARKETS, settings, 8), seed=0)
    assert columns >= 4
    return leaks


def windows(settings: Settings) -> list[Leak]:
    moments = sampled_moments(MARKETS, settings, 16)
    leaks, asked = audit_windows(MARKETS, settings.strategy, moments)
    assert asked >= 16
    return leaks


@pytest.mark.parametrize(
    "ahead",
    [
        "above(np.append(bars.close[1:], np.nan), bars.close)",
        "above(bars.close, bars.close.mean())",
        "above(bars.close, np.roll(mean(bars.close, 20), -3))",
    ],
    ids=["the next close", "the mean of all closes", "a mean rolled back"],
)
def test_a_rule_that_looks_ahead_is_named(tmp_path: Path, ahead: str) -> None:
    leaks = serving(strategy(tmp_path, ahead))
    assert {leak.what for leak in leaks} == {"rule rise", "technical score"}
    assert {leak.kind for leak in leaks} == {"altered", "cut"}


@pytest.mark.parametrize(
    "far",
    [
        "np.arange(len(bars)) % 2 == 0",
        "above(bars.close, np.cumsum(bars.close) / np.arange(1, len(bars) + 1))",
        "above(mean(bars.close, 600), bars.close)",
    ],
    ids=["counts from the start", "a mean from the start", "looks back beyond the warm-up"],
)
def test_a_rule_that_is_another_one_live_is_named(tmp_path: Path, far: str) -> None:
    settings = strategy(tmp_path, far)
    assert serving(settings) == []
    leaks = windows(settings)
    assert {leak.what for leak in leaks} == {"rule rise"}
    assert {leak.kind for leak in leaks} == {"window"}
    assert "saw the last 401 bars alone, as it does live" in leaks[0].line()


@pytest.mark.parametrize("own", [True, False], ids=["own", "built-in"])
def test_sound_rules_pass(tmp_path: Path, own: bool) -> None:
    settings = strategy(tmp_path, SOUND) if own else load_settings()
    assert serving(settings) == []
    assert windows(settings) == []


def test_the_example_passes() -> None:
    settings = settings_of(*MINE.split(":"))
    assert serving(settings) == []
    assert windows(settings) == []
