"""The population stability index: by hand, and as chance makes it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.drift import BINS, LARGE, NOTICED, STRETCH, Reference, stretch_ends


def test_two_bins_by_hand() -> None:
    reference = Reference.of(np.array([0.0, 0.0, 1.0, 1.0]))
    assert (reference.edges, reference.shares) == ((0.5,), (0.5, 0.5))
    found = reference.stability_index(np.array([0.0, 1.0, 1.0, 1.0]))
    assert found == pytest.approx(-0.25 * np.log(0.5) + 0.25 * np.log(1.5))


@given(seed=st.integers(0, 2**16), distinct=st.integers(1, 40))
def test_the_same_values_have_not_drifted_and_no_index_is_below_zero(
    seed: int, distinct: int
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, distinct, 200).astype(np.float64)
    reference = Reference.of(values)
    assert sum(reference.shares) == pytest.approx(1.0)
    assert reference.stability_index(values) == 0.0
    assert reference.stability_index(rng.integers(0, 50, 90).astype(np.float64)) >= 0.0


@pytest.mark.parametrize("ones", [0.02, 0.5, 0.98])
def test_a_feature_of_two_values_has_a_bin_for_each(ones: float) -> None:
    values = (np.arange(500) < ones * 500).astype(np.float64)
    assert Reference.of(values).shares == pytest.approx((1 - ones, ones))


def test_chance_alone_stays_below_the_reading_and_a_shift_does_not() -> None:
    rng = np.random.default_rng(3)
    reference = Reference.of(rng.normal(size=4000))
    chance = [reference.stability_index(rng.normal(size=2000)) for _ in range(50)]
    assert np.mean(chance) == pytest.approx((BINS - 1) * (1 / 4000 + 1 / 2000), rel=0.3)
    assert max(chance) < NOTICED
    assert reference.stability_index(rng.normal(0.7, 1.0, 2000)) > LARGE


def test_values_beyond_all_that_was_known_count_in_the_outer_bins() -> None:
    reference = Reference.of(np.arange(100.0))
    assert reference.stability_index(np.full(10, 1e9)) > 1.0


def test_nothing_has_no_distribution() -> None:
    with pytest.raises(ValueError, match="found none"):
        Reference.of(np.arange(5.0)).stability_index(np.empty(0))


def test_each_stretch_ends_where_it_is_said_to() -> None:
    rng = np.random.default_rng(4)
    reference, values = Reference.of(rng.normal(size=500)), rng.normal(0.3, 1.0, 733)
    expected = [
        reference.stability_index(values[end + 1 - STRETCH : end + 1])
        for end in stretch_ends(len(values)).tolist()
    ]
    np.testing.assert_allclose(reference.stretch_indices(values), expected, rtol=1e-12)
    assert len(stretch_ends(STRETCH - 1)) == 0
