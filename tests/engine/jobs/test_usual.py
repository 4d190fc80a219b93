"""What is usual is measured by trainings and updates, on all rows that a run asks about."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from engine.jobs.train import TrainReport, train_bundle
from engine.jobs.training_rows import asked_facts, training_rows
from engine.jobs.update import update_bundle
from engine.jobs.updating.policy import Promote
from feeds.bars import Bars
from feeds.synthetic import synthetic_bars
from feeds.timeframe import Timeframe
from ml.bundle import load_bundle
from ml.drift import Reference
from ml.features.catalog import FEATURE_NAMES
from ml.references import References
from tests.engine.jobs.update_makers import LEARNED, Given, settings_at

BARS = synthetic_bars("BTC/USDT", Timeframe.parse("5m"), days=330, seed=2)
FIRST = BARS[: 310 * 288]
SMALL = {"preset": "small", "max_rows": 2000}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> TrainReport:
    path = tmp_path_factory.mktemp("usual") / "bundle"
    return train_bundle([FIRST], settings_at(path, **LEARNED, **SMALL))


def references_in(path: Path) -> References:
    found = load_bundle(path).manifest.references
    assert found is not None
    return found


def check(path: Path, bars: Bars) -> None:
    """The features are those of all asked rows, though fewer were learned from."""
    settings = settings_at(path, **LEARNED, **SMALL)
    rows = training_rows([bars], settings, thinned=False)
    asked = rows.take(rows.asked)
    assert len(asked) > 2000
    found = references_in(path)
    assert (found.rows, found.asked) == (len(asked), asked_facts(settings.strategy))
    column = asked.samples.latest()[:, 3].astype(np.float64)
    assert found.features[FEATURE_NAMES[3]].reference == Reference.of(column)


def test_a_training_measures_it_and_does_not_print_it(report: TrainReport) -> None:
    check(report.path, FIRST)
    assert "references" not in report.to_json()
    assert "will not watch" not in report.text()


def test_an_update_measures_it_anew(report: TrainReport, tmp_path: Path) -> None:
    grown = Path(shutil.copytree(report.path, tmp_path / "bundle"))
    update_bundle(Given([BARS]), settings_at(grown, **SMALL), promote=Promote.UNLESS_WORSE)
    check(grown, BARS)
