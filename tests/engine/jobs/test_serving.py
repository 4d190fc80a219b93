"""The bundle that a run asks: what it was trained for, and at which costs."""

import logging
from pathlib import Path

import pytest

from engine.jobs.serving import serving_analyzer
from engine.jobs.settings import Settings, load_settings
from engine.jobs.train import train_bundle
from feeds.timeframe import Timeframe
from tests.world import UNTIL, World

FIVE_MINUTES = Timeframe.parse("5m")


def settings_at(bundle: Path, *, fee: float) -> Settings:
    return load_settings(
        overrides={
            "broker": {"fee": fee},
            "strategy": {"ml_model_path": bundle},
            "training": {"preset": "small", "label": "barrier"},
        }
    )


def test_a_label_that_counts_costs_says_when_the_run_pays_others(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paid = settings_at(tmp_path / "ensemble", fee=0.001)
    train_bundle(world.bars, paid, until=UNTIL)
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="tandem.ml"):
        serving_analyzer(paid, FIVE_MINUTES)
        assert not caplog.records
        serving_analyzer(settings_at(tmp_path / "ensemble", fee=0.0), FIVE_MINUTES)
    assert "this run pays {'fee': 0.0" in caplog.text


def test_a_label_that_knows_no_costs_is_silent_about_them(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="tandem.ml"):
        serving_analyzer(settings_at(world.bundle, fee=0.0), FIVE_MINUTES)
    assert not caplog.records
