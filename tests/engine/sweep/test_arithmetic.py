"""The compiled arithmetic is Python's own."""

import math

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.sweep.arithmetic import rounded, summed

SIZES = st.floats(0.0, 1e15, allow_subnormal=False)
# What sizes are: so many steps, each a decimal.
STEPPED = st.builds(
    lambda steps, decimals: steps * 10.0**-decimals, st.integers(0, 10**13), st.integers(0, 12)
)
HALVES = st.builds(
    lambda units, n: (units + 0.5) / 2**n, st.integers(0, 2**20), st.integers(13, 40)
)


@given(value=SIZES | STEPPED | HALVES)
@settings(max_examples=2000)
@example(value=0.5e-12)
@example(value=1.5e-12)
@example(value=2.5e-12)
@example(value=2.0**-13)  # twelve decimals and a half
@example(value=3 * 2.0**-13)
@example(value=8191.999999999999)
@example(value=8192.000000000002)
@example(value=0.1 + 0.2)
def test_numbers_are_rounded_as_python_rounds(value: float) -> None:
    assert rounded(value) == round(value, 12)


def test_rounding_decides_near_every_tie() -> None:
    rng = np.random.default_rng(0)
    whole = rng.integers(0, 2**52, 20_000)
    ties = (whole + 0.5) / 1e12
    for value in (*ties, *np.nextafter(ties, 0.0), *np.nextafter(ties, np.inf)):
        assert rounded(float(value)) == round(float(value), 12)


@given(parts=st.lists(st.floats(-1e9, 1e9), max_size=8))
def test_sums_are_those_of_python(parts: list[float]) -> None:
    assert summed(np.array([*parts, math.nan]), len(parts)) == sum(parts)
