"""The models of the default ensemble: the one place that names them."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal, TypeAlias

from ml.base import Model
from ml.models.device import Device

Preset: TypeAlias = Literal["full", "small"]

SKOPS = "skops"  # the form of a model that is made of scikit-learn's estimators

log = logging.getLogger("tandem.ml")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A model of the ensemble: `ml.models.<name>_model.<class_name>`.

    Attributes
    ----------
    form : in which it is stored, and the ending of its file; any but SKOPS is the model's own,
        by its `to_bytes` and `from_bytes`
    threads : whether it takes `jobs`: only where threads learn without waiting for each other.
        Those of XGBoost and torch meet at every step and burn a core until the last one is there:
        with some 30,000 rows they win a second on idle cores and lose many on busy ones
    device : whether it can learn on a graphics card
    small : its parameters in the small preset
    """

    weight: float
    class_name: str
    form: str = SKOPS
    threads: bool = False
    device: bool = False
    small: Mapping[str, Any] = field(default_factory=dict)


_ENTRIES: Mapping[str, _Entry] = {
    "random_forest": _Entry(
        0.20,
        "RandomForestModel",
        threads=True,
        small={"n_estimators": 80, "min_samples_leaf": 20},
    ),
    "xgboost": _Entry(
        0.25,
        "XGBoostModel",
        "ubjson",
        device=True,
        small={"max_rounds": 80, "learning_rate": 0.05},
    ),
    "lstm": _Entry(
        0.20,
        "LSTMModel",
        "safetensors",
        device=True,
        small={"max_epochs": 4, "max_rows": 3000, "learning_rate": 2e-3},
    ),
    "logistic": _Entry(0.15, "LogisticModel"),
    "svm": _Entry(0.20, "SVMModel", small={"max_rows": 2000}),
}
MEMBER_NAMES = tuple(_ENTRIES)


def default_models(
    preset: Preset, *, seed: int, jobs: int, device: Device = "cpu"
) -> dict[str, tuple[float, Model]]:
    """Return weight and unfitted model by name; a model whose library is missing is left out.

    Parameters
    ----------
    preset : `full`, or `small` for a quick training
    seed : for every model
    jobs : threads, for the models that gain by them
    device : where those learn that can learn on a graphics card
    """
    models: dict[str, tuple[float, Model]] = {}
    for name, entry in _ENTRIES.items():
        where: dict[str, Any] = {"jobs": jobs} if entry.threads else {}
        where |= {"device": device} if entry.device else {}
        small = entry.small if preset == "small" else {}
        try:
            models[name] = entry.weight, model_class(name)(seed=seed, **where, **small)
        except ImportError as error:
            log.warning("the %s model is left out: %s", name, error)
    return models


def model_class(name: str) -> Any:
    """Return the estimator class of the model `name`, importing its library only now.

    Raises
    ------
    ImportError
        If the library cannot be loaded.
    """
    try:
        return getattr(import_module(_module(name)), _ENTRIES[name].class_name)
    except (ImportError, OSError, ValueError) as error:
        # torch without its shared libraries raises OSError, XGBoost without its own ValueError.
        raise ImportError(f"its library cannot be loaded: {error}") from error


def form_of(name: str) -> str:
    """Return the form in which the member `name` is stored; SKOPS for one not of the catalog."""
    return _ENTRIES[name].form if name in _ENTRIES else SKOPS


def threads_for(name: str, jobs: int) -> int:
    """Return how many of `jobs` threads the model `name` gains by while it learns."""
    return jobs if name in _ENTRIES and _ENTRIES[name].threads else 1


def skops_types() -> tuple[str, ...]:
    """Return the full names of the classes that are stored in the form SKOPS."""
    return tuple(
        f"{_module(name)}.{entry.class_name}"
        for name, entry in _ENTRIES.items()
        if entry.form == SKOPS
    )


def _module(name: str) -> str:
    return f"ml.models.{name}_model"
