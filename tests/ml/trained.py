"""Small trained ensembles for tests."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.jobs.settings import load_settings
from feeds.bars import Bars
from ml.base import Samples
from ml.calibration import PlattCalibrator
from ml.ensemble import Ensemble, Member
from ml.features.catalog import FEATURE_NAMES
from ml.features.matrix import feature_matrix
from ml.manifest import Manifest
from ml.models.catalog import MEMBER_NAMES, model_class
from ml.models.configured import custom_model
from ml.models.member_config import MemberConfig

WARMUP_BARS = 400
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "custom_member.toml"


# Parameters with which a model learns in a blink; one that is not named is quick as it is.
_QUICK: dict[str, dict[str, Any]] = {
    "random_forest": {"n_estimators": 25, "max_depth": 6, "min_samples_leaf": 20, "jobs": 2},
    "xgboost": {"max_rounds": 40, "max_depth": 3},
    "lstm": {"steps": 3, "hidden": 16, "max_epochs": 8, "learning_rate": 0.01},
    "svm": {"max_rows": 500},
}
_SMALL: dict[str, dict[str, Any]] = {"extra_trees": {"n_estimators": 25, "min_samples_leaf": 20}}


def quick_model(name: str) -> Any:
    """Return the model `name`, small and not fitted."""
    return model_class(name)(**_QUICK.get(name, {}))


def quick_models() -> dict[str, Any]:
    """Return every model of the catalog, small and not fitted."""
    return {name: quick_model(name) for name in MEMBER_NAMES}


def custom_members() -> dict[str, MemberConfig]:
    """Return the members of the example, small."""
    return {
        name: member.model_copy(update={"params": member.params | _SMALL.get(name, {})})
        for name, member in load_settings(EXAMPLE).members.items()
    }


def custom_models() -> dict[str, Any]:
    """Return the models of the example's members, small and not fitted."""
    return {name: custom_model(member, seed=0) for name, member in custom_members().items()}


def samples_of(bars: Bars) -> Samples:
    return Samples(feature_matrix(bars), np.arange(WARMUP_BARS, len(bars)))


def trained_on(bars: Bars, models: Mapping[str, Any] | None = None) -> Ensemble:
    """Return an ensemble that learned whether the bar itself closed above its open."""
    samples = samples_of(bars)
    y = (bars.close > bars.open)[samples.rows].astype(np.int64)
    members = []
    for weight, (name, model) in enumerate((models or quick_models()).items(), start=1):
        X = samples.shaped_for(model)
        raw = model.fit(X, y).predict_proba(X)[:, 1]
        members.append(Member(name, float(weight), model, PlattCalibrator.from_fit(raw, y)))
    return Ensemble(tuple(members), float(y.mean()))


def manifest_for(bars: Bars, **changes: Any) -> Manifest:
    facts: dict[str, Any] = {
        "created_at": np.datetime64("2024-06-01T12:00:00"),
        "feature_names": FEATURE_NAMES,
        "label": {"kind": "horizon", "lookahead": 5},
        "population": "candidates",
        "exits": {"stop_loss": 0.005, "max_bars": 5},
        "costs": {"fee": 0.001},
        "mandatory": {"rsi_below": 30.0},
        "symbols": (bars.symbol,),
        "timeframe": str(bars.timeframe),
        "seen_until": bars.closed_at[-1],
        "data_digests": {bars.symbol: bars.digest()},
        "seed": 0,
        "synthetic": bars.synthetic,
        "metrics": {"auc": 0.1 + 0.2},
    }
    return Manifest(**{**facts, **changes})
