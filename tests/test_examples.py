"""The files in examples/ are what they say."""

from pathlib import Path

import numpy as np
import pytest

from engine.jobs.searching.space import load_space
from engine.jobs.settings import load_settings
from ml.prediction import Confidence, Prediction, Signal
from strategies.evidence import Evidence
from strategies.scalping_rules import RULES
from strategies.scoring import decide

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SPACE = EXAMPLES / "space.toml"


def test_every_file_of_settings_loads() -> None:
    files = sorted(set(EXAMPLES.glob("*.toml")) - {SPACE})
    assert files
    for file in files:
        load_settings(file)


def test_the_space_is_one_of_the_usual_settings() -> None:
    assert load_space(SPACE, load_settings()).spans


@pytest.mark.parametrize(("probability", "enters"), [(0.45, True), (0.44, False), (0.7, True)])
@pytest.mark.parametrize("everything", [True, False])
def test_with_payoff_settings_the_opinion_decides_among_oversold_bars(
    probability: float, enters: bool, everything: bool
) -> None:
    config = load_settings(EXAMPLES / "payoff.toml").strategy
    said = Prediction(probability, Signal.NEUTRAL, Confidence.HIGH, {}, {})
    for oversold in (True, False):
        holds = dict.fromkeys(RULES, everything) | {"rsi": oversold}
        bar = Evidence("BTC/USDT", np.datetime64("2024-01-01", "ms"), holds, {}, None)
        assert decide(bar, said, config).enter == (enters and oversold)
