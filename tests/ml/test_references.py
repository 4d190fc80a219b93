"""What a manifest says is usual: sound numbers, of the bundle's own features."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ml.drift import STRETCH, Reference
from ml.manifest import Manifest
from ml.references import HeldOut, References, Truth, Usual, misses, variances
from tests.makers import make_bars
from tests.ml.trained import manifest_for

USUAL = Usual(Reference((0.5,), (0.25, 0.75)), 0.1)
HELD_OUT = HeldOut(
    rows=1000,
    probability=USUAL,
    mean_probability=0.3,
    positive_rate=0.31,
    brier=0.2,
    gap=Truth(0.01, 4.0),
    excess=Truth(0.0, 5.0),
)
REFERENCES = References(
    rows=5000, asked={"points": {"rsi": 2.0}}, features={"rsi": USUAL}, held_out=HELD_OUT
)


def manifest(**changes: Any) -> Manifest:
    facts = {"feature_names": ("rsi",), "references": REFERENCES, **changes}
    return manifest_for(make_bars(3), **facts)


def test_they_come_back_with_the_manifest() -> None:
    again = Manifest.model_validate_json(manifest().model_dump_json())
    assert again == manifest()
    assert again.references == REFERENCES


def test_a_manifest_from_before_they_were_measured_still_loads() -> None:
    old = json.loads(manifest().model_dump_json())
    del old["references"]
    assert Manifest.model_validate_json(json.dumps(old)).references is None


def test_they_must_be_of_the_bundles_features() -> None:
    with pytest.raises(ValidationError, match="references must be of the bundle's features"):
        manifest(feature_names=("rsi", "atr"))


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("features", "rsi", "largest"), -1.0),
        (("features", "rsi", "reference", "edges"), [0.5, 0.5]),
        (("features", "rsi", "reference", "shares"), [1.0]),
        (("features", "rsi", "reference", "shares"), [2.0, -1.0]),
        (("features", "rsi", "reference", "edges"), [None]),
        (("held_out", "gap", "limit"), 0.0),
        (("held_out", "excess", "mean"), None),
    ],
)
def test_unsound_numbers_are_refused(where: tuple[str, ...], value: Any) -> None:
    text = json.loads(manifest().model_dump_json())
    part = text["references"]
    for key in where[:-1]:
        part = part[key]
    part[where[-1]] = value
    with pytest.raises(ValidationError):
        Manifest.model_validate_json(json.dumps(text))


@given(natural=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20))
def test_where_probabilities_are_right_misses_are_0_on_average_and_vary_as_said(
    natural: list[float],
) -> None:
    p = np.array(natural)
    one, zero = misses(np.ones(len(p)), p), misses(np.zeros(len(p)), p)
    mean = p[:, None] * one + (1 - p[:, None]) * zero
    square = p[:, None] * one**2 + (1 - p[:, None]) * zero**2
    np.testing.assert_allclose(mean, 0.0, atol=1e-12)
    np.testing.assert_allclose(square, variances(p), atol=1e-12)


@given(came=st.booleans(), p=st.floats(0.0, 1.0))
def test_the_second_miss_is_the_excess_of_the_brier_score(came: bool, p: float) -> None:
    found = misses(np.array([float(came)]), np.array([p]))[0, 1]
    assert found == pytest.approx((came - p) ** 2 - p * (1 - p), abs=1e-12)


@given(rows=st.integers(0, 700), seed=st.integers(0, 99))
def test_indices_of_stretches_are_those_of_their_rows(rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    reference = Reference.of(rng.normal(size=400))
    values = rng.normal(size=rows).round(1)
    expected = [
        reference.stability_index(values[first : first + STRETCH])
        for first in range(0, rows - STRETCH + 1, 50)
    ]
    np.testing.assert_allclose(reference.stretch_indices(values), expected, atol=1e-9)
