"""The leak audit as a job: the product is clean on small data, and a planted leak is told of."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.errors import UsageError
from engine.jobs.audit import Extent, audit
from engine.jobs.auditing.report import AuditReport
from engine.jobs.markets import AskedBars, BarFiles
from engine.jobs.run_request import RunRequest
from engine.jobs.serving import MLMode
from engine.jobs.settings import Settings, load_settings
from feeds.bars import Bars, FloatArray
from ml.features.base import Feature
from ml.features.catalog import FEATURES
from ml.features.price import log_return
from tests.ml.trained import quick_model
from tests.world import World

SMALL = Extent(moments=4, bars=3000, order_moments=1, order_bars=1500, rows=1000)
QUICK = {name: (0.5, quick_model(name)) for name in ("logistic", "svm")}


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    """Let the audited training be of two quick members."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.jobs.audit.default_models", lambda *_, **__: QUICK)
        yield


def request(world: World, **changes: object) -> RunRequest:
    bars = AskedBars(BarFiles(world.files))
    return RunRequest(**{"settings": load_settings(), "bars": bars, **changes})  # type: ignore[arg-type]  # of any field


@pytest.fixture(scope="module")
def report(world: World) -> AuditReport:
    return audit(request(world), SMALL)


def test_the_product_is_clean_and_the_report_says_what_was_looked_at(report: AuditReport) -> None:
    found = report.to_json()["audit"]
    assert report.passed
    assert found["clean"]
    assert found["leaks"] == []
    assert found["serving"]["symbols"] == ["BTC/USDT", "ETH/USDT"]
    assert found["serving"]["moments"] == 4
    assert found["serving"]["orders"]["fills"] > 0
    assert found["training"]["members"] == list(QUICK)
    assert 0 < found["training"]["rows"] <= 1000
    assert found["synthetic"]
    assert "no leak found" in report.text()
    assert report.text().startswith("SYNTHETIC")


def test_an_audit_that_saw_no_orders_says_so(report: AuditReport) -> None:
    orders = {**report.serving["orders"], "fills": 0, "decisions": 0}
    idle = replace(report, serving={**report.serving, "orders": orders})
    assert "ORDERS WERE NOT AUDITED" in idle.text()
    assert "ORDERS WERE NOT AUDITED" not in report.text()


def next_return(bars: Bars) -> FloatArray:
    return np.append(log_return(bars, period=1)[1:], np.nan)


def test_a_planted_feature_is_named_in_the_report(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    cheat = Feature("cheat", "price", 1, next_return)
    monkeypatch.setattr("engine.jobs.audit.FEATURES", (*FEATURES[:5], cheat))
    found = audit(request(world), SMALL)
    assert not found.passed
    assert {leak["what"] for leak in found.to_json()["audit"]["leaks"]} == {"cheat"}
    assert "LEAK in serving: cheat of BTC/USDT at 2022-" in found.text()


def test_the_bundle_that_is_named_is_asked(world: World) -> None:
    asked = request(world, settings=world.settings(), model=world.bundle)
    assert audit(asked, SMALL).passed


def without_test(settings: Settings) -> Settings:
    training = settings.training.model_copy(update={"fractions": (0.7, 0.15, 0.15, 0.0)})
    return settings.model_copy(update={"training": training})


def test_a_training_without_a_test_part_gets_one_for_the_audit(world: World) -> None:
    found = audit(request(world, settings=without_test(load_settings())), SMALL)
    assert found.passed
    assert found.training["stages"] == 7 + len(QUICK)


@pytest.mark.parametrize("asked", [{"ml": MLMode.ON}, {"in_sample": True}])
def test_flags_of_one_way_to_run_do_not_go_with_it(world: World, asked: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="--audit"):
        audit(request(world, **asked), SMALL)


def test_a_bundle_does_not_go_with_the_embedded_default(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--model goes with bars"):
        audit(RunRequest(settings=load_settings(), model=tmp_path))
