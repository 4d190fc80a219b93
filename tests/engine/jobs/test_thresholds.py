"""Fitted thresholds: the best of a grid; few entries decide nothing; the bundle keeps them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.jobs.thresholds import FEWEST_ENTRIES, AskedRows, best_thresholds
from engine.jobs.train import train_bundle
from engine.jobs.walking.analyzer import WindowAnalyzers
from engine.jobs.walking.bundles import windows_digest
from ml.analyzer import Analyzer
from ml.bundle import load_bundle, save_bundle
from ml.prediction import Confidence, Prediction, Signal, Thresholds
from strategies.config import CryptoScalpingConfig
from strategies.scoring import floors_of, ml_points, ml_scores
from tests.engine.jobs.walk_forward_makers import (
    QUICK,
    SPEC,
    market,
    settings_for,
    windows_of,
)

CONFIG = CryptoScalpingConfig()
FITTED = Thresholds(0.9, 0.8, 0.3, 0.2)


def rows_of(outcome_of: Any, count: int = 1000) -> AskedRows:
    """Return rows one point below an entry, with probabilities from 0 to 1."""
    probability = np.linspace(0.0, 1.0, count)
    return AskedRows(np.full(count, 5.0), probability, outcome_of(probability))


def entered(rows: AskedRows, thresholds: Thresholds | None) -> Any:
    floors = np.array(floors_of(thresholds, CONFIG))[:, None]
    score = rows.technical + ml_scores(rows.probability, CONFIG, floors)
    return score >= CONFIG.min_entry_score


def test_thresholds_rise_to_where_entries_pay() -> None:
    rows = rows_of(lambda p: np.where(p >= 0.82, 0.01, -0.01))
    found = best_thresholds(rows, CONFIG)
    assert found is not None
    assert rows.outcome[entered(rows, found)].mean() > 0.005
    assert rows.outcome[entered(rows, None)].mean() < 0.0


def test_thresholds_that_are_good_already_stay() -> None:
    flat = rows_of(lambda p: np.zeros(len(p)))
    assert best_thresholds(flat, CONFIG) is None


def test_thresholds_that_cannot_be_judged_yield_to_none_that_loses() -> None:
    strict = CryptoScalpingConfig(ml_strong_threshold=1.0, ml_entry_threshold=1.0)
    losing = rows_of(lambda p: 0.01 * p - 0.02)
    winning = rows_of(lambda p: 0.04 * p - 0.02)
    assert best_thresholds(losing, strict) is None
    assert best_thresholds(winning, strict) is not None


def test_a_few_lucky_entries_decide_nothing() -> None:
    top = FEWEST_ENTRIES - 1
    lucky = rows_of(lambda p: np.where(np.arange(len(p)) >= len(p) - top, 0.5, -0.01))
    found = best_thresholds(lucky, CONFIG)
    assert entered(lucky, found).sum() >= FEWEST_ENTRIES
    assert best_thresholds(rows_of(lambda p: 0.0 * p, count=FEWEST_ENTRIES - 1), CONFIG) is None
    assert best_thresholds(rows_of(lambda p: p, count=0), CONFIG) is None


def test_thresholds_that_rise_are_refused() -> None:
    with pytest.raises(ValueError, match="must fall"):
        Thresholds(0.5, 0.6, 0.3, 0.2)


@pytest.mark.parametrize("fitted", [None, FITTED])
def test_fitted_thresholds_come_before_the_configured_ones(fitted: Thresholds | None) -> None:
    probability = np.array([0.95, 0.85, 0.7, 0.5, 0.3, 0.25, 0.1])
    said = [Prediction(float(p), Signal.BUY, Confidence.HIGH, {}, {}, fitted) for p in probability]
    points = [ml_points(each, CONFIG) for each in said]
    worths = [2.0, 1.0, 0.5, 0.5, 0.5, 0.0, -1.0] if fitted else [2, 2, 2, 0.5, -1, -1, -1]
    assert points == worths
    floors = np.repeat(np.array(floors_of(fitted, CONFIG))[:, None], len(probability), axis=1)
    assert ml_scores(probability, CONFIG, floors).tolist() == points


@pytest.fixture(scope="module")
def fitted_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose thresholds were fitted to a low entry score, where many enter."""
    path = tmp_path_factory.mktemp("fitted") / "bundle"
    settings = settings_for(fit_thresholds=True)
    changed = {"ml_model_path": path, "min_entry_score": 4.0}
    strategy = settings.strategy.model_copy(update=changed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.jobs.train.default_models", lambda *_, **__: QUICK)
        train_bundle([market()], settings.model_copy(update={"strategy": strategy}))
    return path


def test_a_bundle_says_its_thresholds_wherever_it_is_asked(fitted_bundle: Path) -> None:
    bars, bundle = market(), load_bundle(fitted_bundle)
    thresholds = bundle.manifest.thresholds
    assert thresholds is not None
    analyzer = Analyzer(bundle)
    rows = np.array([300, 900, 1000])
    batch = analyzer.predict(bars, rows)
    live = analyzer.predict_last(bars[500:1001])
    assert isinstance(live, Prediction)
    assert live.thresholds == thresholds
    for row in (1, 2):
        said = batch.at(row)
        assert isinstance(said, Prediction)
        assert said.thresholds == thresholds


def test_each_window_has_thresholds_of_its_own(fitted_bundle: Path, tmp_path: Path) -> None:
    bars, bundle = market(), load_bundle(fitted_bundle)
    plain = bundle.manifest.model_copy(update={"thresholds": None})
    other = bundle.manifest.model_copy(update={"thresholds": FITTED})
    paths = [tmp_path / name for name in ("plain", "other")]
    for manifest, path in zip((plain, other), paths, strict=True):
        save_bundle(bundle.ensemble, manifest, path)
    until = bars.closed_at[[500, 1000]]
    stitched = WindowAnalyzers([Analyzer(load_bundle(path)) for path in paths], until, "")
    table = stitched.predict(bars, np.array([450, 600, 1000, 1001, 2000]))
    said = [table.at(row) for row in range(5)]
    assert not isinstance(said[0], Prediction)
    found = [each.thresholds for each in said[1:] if isinstance(each, Prediction)]
    assert found == [None, None, FITTED, FITTED]


def test_windows_with_fitted_thresholds_depend_on_the_scoring() -> None:
    bars = market()
    windows = windows_of(bars)

    def digest(score: float, *, fit: bool) -> str:
        settings = settings_for(fit_thresholds=fit)
        strategy = settings.strategy.model_copy(update={"min_entry_score": score})
        changed = settings.model_copy(update={"strategy": strategy})
        return windows_digest([bars], changed, SPEC, windows)

    assert digest(6.0, fit=False) == digest(5.0, fit=False)
    assert len({digest(6.0, fit=False), digest(6.0, fit=True), digest(5.0, fit=True)}) == 3
