"""The files in examples/ are what they say."""

from pathlib import Path

import numpy as np
import pytest

from engine.jobs.settings import load_settings
from ml.prediction import Confidence, Prediction, Signal
from strategies.evidence import Evidence
from strategies.scalping_rules import RULES
from strategies.scoring import decide

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def test_every_file_of_settings_loads() -> None:
    files = sorted(EXAMPLES.glob("*.toml"))
    assert files
    for file in files:
        load_settings(file)


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
