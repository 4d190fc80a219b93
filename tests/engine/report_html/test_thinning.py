"""Fewer points of a line reach as high and as low as all of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.report_html.thinning import stretch_means, thinned


@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 3000),
    most=st.integers(10, 700),
    lines=st.integers(1, 4),
)
def test_heights_and_depths_stay(seed: int, count: int, most: int, lines: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = [np.cumsum(rng.normal(size=count)) for _ in range(lines)]
    some = thinned(drawn, most)
    assert len(some) <= most
    assert (some[0], some[-1]) == (0, count - 1)
    assert (np.diff(some) > 0).all()
    for line in drawn:
        assert (line[some].min(), line[some].max()) == (line.min(), line.max())


def test_every_stretch_is_told_and_not_only_the_deepest_one() -> None:
    line = np.zeros(100_000)
    dips = np.arange(500, 100_000, 1000)
    line[dips] = -1.0
    assert np.isin(dips, thinned([line], 502)).all()


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 2000), most=st.integers(1, 300))
def test_the_means_of_stretches_are_those_of_the_line(seed: int, count: int, most: int) -> None:
    line = np.random.default_rng(seed).random(count)
    begin, means = stretch_means(line, most)
    assert len(begin) == len(means) <= most
    lengths = np.diff(begin, append=count)
    assert np.average(means, weights=lengths) == pytest.approx(line.mean())
    assert means[0] == pytest.approx(line[: lengths[0]].mean())
