"""Updates on markets of which the truth is known: skill is promoted, and nothing else."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.jobs.settings import Settings, load_settings
from engine.jobs.train import metrics_of, origin_of
from engine.jobs.training_rows import training_rows
from engine.jobs.update import update_bundle
from engine.jobs.update_report import UpdateReport
from feeds.bars import Bars
from ml.bundle import save_bundle
from ml.calibration import PlattCalibrator
from ml.manifest import Manifest
from ml.training.trainer import train
from tests.engine.jobs.update_makers import Given
from tests.ml.trained import quick_model
from tests.truth.test_verdicts import settings_of
from tests.truth.worlds import SYMBOLS, driftless, planted

UNTIL = np.datetime64("2024-02-20", "ms")
DAYS = 180


def settings_at(path: Path, seed: int) -> Settings:
    """Return settings under which opinions decide all, learned from what exits come to."""
    found = settings_of(seed).model_dump()
    found["strategy"]["ml_model_path"] = path
    found["strategy"]["points"] |= {"ml_weak": -20.0, "ml_entry": -20.0}  # but the strong ones
    found["training"] |= {"label": "barrier", "jobs": 1, "fractions": (0.4, 0.05, 0.05, 0.5)}
    found["broker"] |= {"fee": 0.0, "half_spread": 0.0, "slippage": 0.0, "range_slippage": 0.0}
    return load_settings(overrides=found)


def keep_unskilled(markets: Sequence[Bars], settings: Settings) -> None:
    """Keep a bundle that says yes to everything."""
    seen = [bars.known_at(UNTIL) for bars in markets]
    rows = training_rows(seen, settings)
    models = {"logistic": (1.0, quick_model("logistic"))}
    trained = train(rows, settings.training, models, seed=0)
    (member,) = trained.ensemble.members
    yes = replace(member, calibrator=PlattCalibrator(slope=0.0, intercept=3.0))
    manifest = Manifest(
        created_at=UNTIL, metrics=metrics_of(trained, rows), **origin_of(seen, settings)
    )
    ensemble = replace(trained.ensemble, members=(yes,))
    save_bundle(ensemble, manifest, settings.strategy.ml_model_path, bars=seen)


def updated(markets: Sequence[Bars], path: Path, seed: int) -> UpdateReport:
    settings = settings_at(path, seed)
    keep_unskilled(markets, settings)
    return update_bundle(Given(markets), settings)


@pytest.mark.slow
def test_a_candidate_that_found_an_edge_is_promoted_by_evidence(tmp_path: Path) -> None:
    found = updated(planted(1, days=DAYS, symbols=SYMBOLS[:2], drift=0.45), tmp_path / "bundle", 1)
    assert found.decision.promoted, found.text()
    assert found.version != found.previous


@pytest.mark.slow
def test_where_nothing_foretells_anything_no_candidate_is_promoted(tmp_path: Path) -> None:
    for seed in range(4):
        markets = driftless(seed, days=DAYS, symbols=SYMBOLS[:2])
        found = updated(markets, tmp_path / str(seed), seed)
        assert not found.decision.promoted, found.text()
        assert found.version == found.previous
