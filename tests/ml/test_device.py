"""Where models learn: a card only where there is one, and near to the processor's results."""

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from engine.jobs.settings import load_settings
from ml.base import Rows
from ml.errors import TrainingError
from ml.models import device as devices
from ml.models.catalog import default_models, form_of, model_class
from ml.models.device import cuda_lack, device_here
from tests.ml.test_models import rows_for
from tests.ml.trained import quick_model

LEARNING_THERE = ("xgboost", "lstm")

# How near what a card learns is to what the processor learns (docs/cluster.md), on held-out rows.
NEAR_ON_THE_WHOLE = {"lstm": 0.01, "xgboost": 0.03}  # mean difference of probabilities
NEAR_IN_RANK = 0.01  # difference of the area under the ROC curve


def machine(monkeypatch: pytest.MonkeyPatch, *, card: bool, built: bool) -> None:
    """Let the libraries say that there is a card, or that they were built for one."""
    torch = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: card))
    xgboost = SimpleNamespace(build_info=lambda: {"USE_CUDA": built})
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "xgboost", xgboost)


@pytest.mark.parametrize(("card", "built"), [(False, True), (True, False), (False, False)])
def test_without_a_card_for_both_auto_is_the_processor_and_cuda_is_refused(
    monkeypatch: pytest.MonkeyPatch, card: bool, built: bool
) -> None:
    machine(monkeypatch, card=card, built=built)
    assert device_here("auto") == device_here("cpu") == "cpu"
    lacking = "XGBoost .* was built without CUDA" if card else "PyTorch .* finds none"
    with pytest.raises(TrainingError, match=rf"^--device cuda needs .*{lacking}; give --device"):
        device_here("cuda")


def test_with_a_card_auto_takes_it_and_the_processor_can_be_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine(monkeypatch, card=True, built=True)
    assert cuda_lack() == ""
    assert device_here("auto") == device_here("cuda") == "cuda"
    assert device_here("cpu") == "cpu"


def test_a_library_that_cannot_be_loaded_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert device_here("auto") == "cpu"
    with pytest.raises(TrainingError, match="a library cannot be loaded"):
        device_here("cuda")


def test_the_processor_asks_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked() -> str:
        raise AssertionError

    monkeypatch.setattr(devices, "cuda_lack", asked)
    assert device_here("cpu") == "cpu"


def test_those_that_can_learn_there_are_told_and_no_other() -> None:
    models = default_models("small", seed=0, jobs=1, device="cuda")
    told = [name for name, (_, model) in models.items() if getattr(model, "device", "") == "cuda"]
    assert tuple(told) == LEARNING_THERE
    for name, (_, model) in default_models("small", seed=0, jobs=1).items():
        assert getattr(model, "device", "cpu") == "cpu", name


@pytest.mark.parametrize("name", LEARNING_THERE)
def test_another_device_is_refused_when_it_learns(name: str) -> None:
    model = quick_model(name).set_params(device="tpu")
    with pytest.raises(ValueError, match=r"device must be cpu or cuda, found 'tpu'"):
        model.fit(*rows_for(model))


@pytest.mark.parametrize("name", LEARNING_THERE)
def test_what_a_card_has_learned_answers_on_a_machine_without_one(name: str) -> None:
    model = quick_model(name)
    X, y = rows_for(model)
    model.fit(X, y)
    from_a_card = {**model.get_params(), "device": "cuda"}
    read = model_class(name).from_bytes(model.to_bytes(), from_a_card)
    np.testing.assert_array_equal(read.predict_proba(X), model.predict_proba(X))
    assert form_of(name) != "skops"


def test_the_setting_and_its_choices() -> None:
    assert load_settings().training.device == "auto"
    assert load_settings(overrides={"training": {"device": "cpu"}}).training.device == "cpu"


@pytest.mark.skipif(bool(cuda_lack()), reason=f"no graphics card: {cuda_lack()}")
@pytest.mark.parametrize("name", LEARNING_THERE)
def test_a_card_learns_nearly_what_the_processor_does(name: str) -> None:
    def learned(device: str) -> Any:
        model = model_class(name)(seed=3, device=device)
        X, y = rows_for(model, 20_000, seed=1)
        late = rows_for(model, 4_000, seed=2)
        return model.fit(X, y, validation=Rows(*late))

    on_processor, on_card = learned("cpu"), learned("cuda")
    X, y = rows_for(on_card, 4_000, seed=4)
    one, other = (model.predict_proba(X)[:, 1] for model in (on_processor, on_card))
    assert np.abs(one - other).mean() <= NEAR_ON_THE_WHOLE[name]
    assert abs(roc_auc_score(y, one) - roc_auc_score(y, other)) <= NEAR_IN_RANK
    again = learned("cuda").predict_proba(X)[:, 1]
    assert np.abs(again - other).mean() <= NEAR_ON_THE_WHOLE[name]
