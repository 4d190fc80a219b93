"""Another future: the past is untouched, the later bars are others, and they are bars."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.jobs.auditing.alteration import altered_after, cut_after
from feeds.bars import PRICES, Bars
from tests.makers import make_bars, with_hole

COLUMNS = (*PRICES, "volume")


def rough(seed: int = 0) -> Bars:
    """Return bars with a hole and, after it, with bars that stand in for missing ones."""
    bars = with_hole(make_bars(300, seed=seed), at=150, missing=20)
    filled = np.isin(np.arange(len(bars)), (200, 201, 230))
    columns = {name: getattr(bars, name).copy() for name in COLUMNS}
    for row in np.flatnonzero(filled):
        for name in PRICES:
            columns[name][row] = columns["close"][row - 1]
        columns["volume"][row] = 0.0
    return replace(bars, **columns, filled=filled)


@given(row=st.integers(0, 278), seed=st.integers(0, 2**32 - 1))
def test_bars_up_to_the_moment_stay_and_later_ones_differ(row: int, seed: int) -> None:
    bars = rough()
    moment = bars.closed_at[row]
    other = altered_after(bars, moment, seed)  # `Bars` refuses what is no valid bar
    for name in ("time", "filled", "segment"):
        np.testing.assert_array_equal(getattr(other, name), getattr(bars, name))
    later = np.arange(len(bars)) > row
    for name in COLUMNS:
        same = getattr(other, name) == getattr(bars, name)
        assert same[~later].all()
        assert not same[later & ~bars.filled].any()


@given(row=st.integers(0, 278), seed=st.integers(0, 2**32 - 1))
def test_a_filled_bar_still_stands_at_the_close_before_it(row: int, seed: int) -> None:
    bars = rough()
    other = altered_after(bars, bars.closed_at[row], seed)
    for place in np.flatnonzero(bars.filled):
        assert {getattr(other, name)[place] for name in PRICES} == {other.close[place - 1]}
        assert other.volume[place] == 0.0


def test_the_first_later_bar_leaps() -> None:
    bars = make_bars(200)
    for seed in range(20):
        other = altered_after(bars, bars.closed_at[99], seed)
        assert abs(np.log(other.open[100] / bars.open[100])) > 0.02


def test_the_same_seed_alters_alike_and_another_symbol_otherwise() -> None:
    bars = make_bars(200)
    moment = bars.closed_at[99]
    assert altered_after(bars, moment, 1).digest() == altered_after(bars, moment, 1).digest()
    assert altered_after(bars, moment, 1).digest() != altered_after(bars, moment, 2).digest()
    twin = replace(bars, symbol="ETH/USDT")
    first, second = altered_after(bars, moment, 1), altered_after(twin, moment, 1)
    assert (first.close[100:] != second.close[100:]).all()


@pytest.mark.parametrize("row", [0, 148, 199, 278])
def test_a_cut_leaves_what_had_closed(row: int) -> None:
    bars = rough()
    assert cut_after(bars, bars.closed_at[row], 0).digest() == bars[: row + 1].digest()


def test_nothing_is_altered_after_the_last_bar() -> None:
    bars = rough()
    assert altered_after(bars, bars.closed_at[-1], 0).digest() == bars.digest()
