"""Whom a bundle may serve."""

from datetime import UTC, datetime, timedelta, timezone
from importlib.metadata import version
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ml.errors import BundleMismatchError
from ml.manifest import Manifest, check_serves, library_versions
from tests.makers import make_bars
from tests.ml.trained import manifest_for

MANIFEST = manifest_for(
    make_bars(3),
    feature_names=("rsi", "atr"),
    exits={"stop_loss": 0.005, "steps": [1, 2]},
    mandatory={"rsi_below": 30.0},
)
RUN: dict[str, Any] = {
    "timeframe": "5m",
    "feature_names": ("rsi", "atr"),
    "exits": {"stop_loss": 0.005, "steps": (1, 2)},
    "mandatory": {"rsi_below": 30},
}


def test_a_run_like_the_training_is_served() -> None:
    check_serves(MANIFEST, **RUN)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"timeframe": "1h"}, "timeframe '5m', this run has '1h'"),
        ({"feature_names": ("atr", "rsi")}, "feature 0 'rsi', this run has 'atr'"),
        ({"feature_names": ("rsi",)}, "feature 1 'atr', this run has None"),
        ({"feature_names": ("rsi", "atr", "x")}, "feature 2 None, this run has 'x'"),
        ({"entry": {"order": "limit"}}, "entry.order 'market', this run has 'limit'"),
        ({"exits": {"stop_loss": 0.01, "steps": [1, 2]}}, "exits.stop_loss 0.005, this run has"),
        ({"exits": {"stop_loss": 0.005}}, r"exits.steps \[1, 2\], this run has None"),
        ({"mandatory": {"rsi_below": 25.0}}, "mandatory.rsi_below 30.0, this run has 25.0"),
        ({"mandatory": {}}, "mandatory.rsi_below 30.0, this run has None"),
    ],
)
def test_the_first_difference_is_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(BundleMismatchError, match=named) as caught:
        check_serves(MANIFEST, **{**RUN, **change})
    assert "\n" not in str(caught.value)


def test_exits_and_filter_are_not_compared_unless_they_are_given() -> None:
    check_serves(MANIFEST, timeframe="5m", feature_names=("rsi", "atr"))


def test_moments_of_numpy_are_utc_and_come_back_as_they_were() -> None:
    moment = np.datetime64("2024-01-01T06:30:00.001", "ms")
    found = manifest_for(make_bars(3), seen_until=moment)
    assert found.seen_until == datetime(2024, 1, 1, 6, 30, 0, 1000, tzinfo=UTC)
    assert found.seen_until_ms == moment
    assert found.seen_until_ms.dtype == np.dtype("datetime64[ms]")


def test_moments_of_other_zones_become_utc() -> None:
    east = datetime(2024, 1, 1, 6, tzinfo=timezone(timedelta(hours=2)))
    found = manifest_for(make_bars(3), seen_until=east)
    assert found.seen_until_ms == np.datetime64("2024-01-01T04:00")


def test_the_libraries_of_record_are_those_installed() -> None:
    found = library_versions()
    assert found["TA-Lib"] == version("TA-Lib")
    assert found.keys() >= {"backtrader", "numpy", "pandas", "scikit-learn", "torch", "xgboost"}


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValidationError):
        manifest_for(make_bars(3), seen_until=datetime(2024, 1, 1))  # noqa: DTZ001  on purpose


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="surprise"):
        manifest_for(make_bars(3), surprise=1)


@given(
    facts=st.dictionaries(
        st.text(max_size=5),
        st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**60), 2**60) | st.text(),
    )
)
def test_facts_survive_json_exactly(facts: dict[str, Any]) -> None:
    manifest = manifest_for(make_bars(3), metrics=facts)
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest


def test_a_metric_that_is_not_a_number_is_stored_as_none() -> None:
    manifest = manifest_for(make_bars(3), metrics={"auc": float("nan")})
    again = Manifest.model_validate_json(manifest.model_dump_json())
    assert again.metrics == {"auc": None}
