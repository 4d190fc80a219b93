"""Tests of the strategy's settings."""

import pytest
from pydantic import ValidationError

from strategies.config import CryptoScalpingConfig, ExitRules, Points


def test_the_defaults_are_the_documented_ones() -> None:
    config = CryptoScalpingConfig()
    assert config.min_entry_score == 6.0
    assert (config.ml_strong_threshold, config.ml_entry_threshold) == (0.70, 0.60)
    assert config.points.largest_bonus == 2.0
    assert str(config.ml_model_path) == "models/crypto_scalping_ensemble"


def test_thresholds_that_cross_are_refused() -> None:
    with pytest.raises(ValidationError, match="must fall from strong to avoid"):
        CryptoScalpingConfig(ml_entry_threshold=0.8)


def test_a_stop_of_a_hundred_percent_is_refused() -> None:
    with pytest.raises(ValidationError, match="less than 100 percent"):
        ExitRules(stop_loss=100.0)


def test_points_below_zero_are_refused_for_evidence() -> None:
    with pytest.raises(ValidationError):
        Points(rsi=-1.0)


def test_exits_in_percent_and_in_multiples_of_atr() -> None:
    in_percent = ExitRules(trailing_stop=0.3).fractions(0.002)
    assert in_percent == pytest.approx((0.005, 0.005, 0.003))
    in_atr = ExitRules(unit="atr", take_profit=2.0, stop_loss=1.5).fractions(0.002)
    assert in_atr == pytest.approx((0.003, 0.004, 0.0))
