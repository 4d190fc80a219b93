"""Features know only what was known, need only what they declare, and have no unit."""

from dataclasses import replace
from functools import partial
from operator import attrgetter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.bars import PRICES, Bars, FloatArray
from feeds.files import read_bars
from ml.features.base import Feature
from ml.features.catalog import FEATURE_LOOKBACK, FEATURE_NAMES, FEATURES, as_markdown
from ml.features.context import CONTEXT, on_slow_bars, slow_bars
from ml.features.matrix import feature_matrix, feature_rows
from ml.features.price import last_return, log_return
from ml.features.technical import rsi
from ml.features.volatility import volatility
from ml.models.lstm_model import LSTMModel
from tests.makers import make_bars, scaled, with_hole
from tests.ml.trained import WARMUP_BARS

# Windowed features are equal to the last bit; recursive ones remember their seed to about 1e-9.
RTOL, ATOL = 1e-6, 1e-7

each_feature = pytest.mark.parametrize("feature", FEATURES, ids=FEATURE_NAMES)


def flat(bars: Bars, rows: slice, *, volume: float = 0.0) -> Bars:
    """Return the bars with one price and one volume over `rows`."""
    columns = {name: getattr(bars, name).copy() for name in PRICES}
    for column in columns.values():
        column[rows] = bars.close[rows][0]
    traded = bars.volume.copy()
    traded[rows] = volume
    return replace(bars, **columns, volume=traded)


def in_ticks(bars: Bars, tick: float = 0.1) -> Bars:
    """Return the bars rounded to a coarse tick: equal bodies, equal lows, bars without range."""
    names = (*PRICES, "volume")
    return replace(bars, **{n: np.round(getattr(bars, n) / tick) * tick for n in names})


# Bars that start off the grid of the slow timeframes; coarse ticks; stillness of 5 and 60 bars.
ROUGH = make_bars(900, seed=1, start="2024-01-01 00:25")
COARSE = flat(flat(in_ticks(make_bars(900, seed=2)), slice(500, 505)), slice(600, 660))
MARKETS = (ROUGH, COARSE)
# Twelve in a row: every place within a slow bar.
ENDS = (*range(FEATURE_LOOKBACK + 300, FEATURE_LOOKBACK + 312), 500, 504, 510, 660, 662, 700, 900)


def with_later_bars_altered(bars: Bars, cut: int) -> Bars:
    """Return the bars with everything from `cut` on three times as dear and as busy."""
    later = np.where(np.arange(len(bars)) >= cut, 3.0, 1.0)
    names = (*PRICES, "volume")
    return replace(bars, **{name: getattr(bars, name) * later for name in names})


def check_unchanged_by_later_bars(feature: Feature, bars: Bars, cut: int) -> None:
    early = feature.compute(bars[:cut])
    np.testing.assert_array_equal(feature.compute(bars)[:cut], early)
    altered = with_later_bars_altered(bars, cut)
    np.testing.assert_array_equal(feature.compute(altered)[:cut], early)


def check_lookback_is_enough(feature: Feature, bars: Bars, end: int) -> None:
    whole = feature.compute(bars)[end - 1]
    trailing = feature.compute(bars[end - 1 - feature.lookback : end])[-1]
    np.testing.assert_allclose(trailing, whole, rtol=RTOL, atol=ATOL)


def check_promises(feature: Feature) -> None:
    """Hold the feature to both promises, on every market and at every place in a slow bar."""
    for bars in MARKETS:
        for end in ENDS:
            check_unchanged_by_later_bars(feature, bars, end)
            check_lookback_is_enough(feature, bars, end)


@each_feature
def test_a_feature_knows_no_later_bar_and_needs_only_its_lookback(feature: Feature) -> None:
    check_promises(feature)


# --- the checks bite --------------------------------------------------------------------------


def next_return(bars: Bars) -> FloatArray:
    return np.append(log_return(bars, period=1)[1:], np.nan)


def z_score_of_the_whole_sample(bars: Bars) -> FloatArray:
    return np.asarray((bars.close - bars.close.mean()) / bars.close.std())


def unfinished_slow_return(bars: Bars, *, factor: int) -> FloatArray:
    """Give every bar the return of the slow bar that it lies in, closed or not."""
    slow = slow_bars(bars, factor)
    lies_in = np.searchsorted(slow.time, bars.time, side="right") - 1
    return log_return(slow, period=1)[lies_in]


def next_slow_return(bars: Bars, *, factor: int) -> FloatArray:
    return on_slow_bars(bars, compute=next_return, factor=factor)


CHEATS: dict[str, Feature] = {
    "shift(-1)": Feature("cheat", "price", 1, next_return),
    "whole sample": Feature("cheat", "price", 20, z_score_of_the_whole_sample),
    "lookback too short": Feature("cheat", "price", 19, partial(volatility, period=20)),
    "slow bar unfinished": Feature(
        "cheat", "context", 40, partial(unfinished_slow_return, factor=12)
    ),
    "slow shift(-1)": Feature("cheat", "context", 40, partial(next_slow_return, factor=12)),
    "alignment forgotten": replace(CONTEXT[-1], lookback=CONTEXT[-1].lookback - 1),
}


@pytest.mark.parametrize("cheat", CHEATS.values(), ids=CHEATS)
def test_a_cheat_is_caught(cheat: Feature) -> None:
    with pytest.raises(AssertionError, match=r"[Mm]ismatch|location"):
        check_promises(cheat)


def test_the_honest_twin_of_a_cheat_passes() -> None:
    slow_return = partial(on_slow_bars, compute=partial(log_return, period=1), factor=12)
    check_promises(Feature("honest", "context", 34, slow_return))


# --- slow bars --------------------------------------------------------------------------------


def test_a_slow_bar_is_made_of_whole_groups_on_the_epochs_grid() -> None:
    bars = make_bars(40, start="2024-01-01 00:25")
    slow = slow_bars(bars, 12)
    assert slow.time.astype(str).tolist() == ["2024-01-01T01:00:00.000", "2024-01-01T02:00:00.000"]
    first = slice(7, 19)
    assert slow.open[0] == bars.open[7]
    assert slow.close[0] == bars.close[18]
    assert slow.high[0] == bars.high[first].max()
    assert slow.low[0] == bars.low[first].min()
    assert slow.volume[0] == pytest.approx(bars.volume[first].sum())


def test_a_slow_value_appears_when_the_slow_bar_closes() -> None:
    bars = make_bars(40, start="2024-01-01 00:25")
    closes = on_slow_bars(bars, compute=attrgetter("close"), factor=12)
    expected = np.full(40, np.nan)
    expected[18:30], expected[30:] = bars.close[18], bars.close[30]
    np.testing.assert_array_equal(closes, expected)


# --- shared values ----------------------------------------------------------------------------


def test_a_shared_value_is_reckoned_once_for_the_same_bars_and_cannot_be_altered() -> None:
    bars, others = make_bars(50), make_bars(50, seed=1)
    found = last_return(bars)
    assert last_return(bars) is found
    np.testing.assert_array_equal(last_return(others), log_return(others, period=1))
    np.testing.assert_array_equal(last_return(bars), found)
    with pytest.raises(ValueError, match="read-only"):
        found[3] = 0.0


def test_a_shared_value_is_told_apart_by_its_parameters() -> None:
    bars = make_bars(50)
    short, long = (rsi(bars, period=period) for period in (7, 14))
    assert not np.array_equal(short[20:], long[20:])


# --- degenerate markets and scale -------------------------------------------------------------


@pytest.mark.parametrize("volume", [0.0, 5.0])
@pytest.mark.parametrize("price", [1e-6, 0.1, 60_000.1, 1e6])
def test_a_market_that_stands_still_is_neutral_everywhere(price: float, volume: float) -> None:
    still = scaled(flat(make_bars(500), slice(0, 500), volume=volume), price / 100.0)
    rows = feature_matrix(still)[FEATURE_LOOKBACK:]
    assert np.isfinite(rows).all()
    indifferent = [f.family in ("price", "technical", "volatility") for f in FEATURES]
    unmoved = [f.name for f in FEATURES if f.family in ("price", "technical", "volatility")]
    neutral = {f.name: f.neutral for f in FEATURES}
    for name, column in zip(unmoved, rows[:, indifferent].T, strict=True):
        assert np.unique(column).tolist() == [neutral[name]], name


@each_feature
@pytest.mark.parametrize("factor", [1e-17, 1e-7 / 3.0, 1e6])
def test_a_feature_is_the_same_in_any_unit_of_price(feature: Feature, factor: float) -> None:
    bars = make_bars(600, seed=3)
    expected = feature.compute(bars)[feature.lookback :]
    found = feature.compute(scaled(bars, factor))[feature.lookback :]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


@each_feature
@pytest.mark.parametrize("factor", [1e-9, 1e12])
def test_a_feature_is_the_same_in_any_unit_of_volume(feature: Feature, factor: float) -> None:
    bars = make_bars(600, seed=4)
    expected = feature.compute(bars)[feature.lookback :]
    found = feature.compute(replace(bars, volume=bars.volume * factor))[feature.lookback :]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_rough_markets_give_finite_rows() -> None:
    for bars in MARKETS:
        assert np.isfinite(feature_matrix(bars)[FEATURE_LOOKBACK:]).all()


@each_feature
def test_a_feature_varies_on_a_random_market(feature: Feature) -> None:
    values = feature.compute(make_bars(5_000, seed=5))[feature.lookback :]
    assert np.ptp(values[np.isfinite(values)]) > 0


# --- the matrix -------------------------------------------------------------------------------


def test_rows_before_the_lookback_are_nan_and_all_others_finite() -> None:
    matrix = feature_matrix(make_bars(450))
    lookback = np.array([feature.lookback for feature in FEATURES])
    np.testing.assert_array_equal(np.isnan(matrix), np.arange(450)[:, None] < lookback)
    assert matrix.dtype == np.float32
    assert not np.isinf(matrix).any()


@given(seed=st.integers(0, 2**16), at=st.integers(1, 899), missing=st.integers(6, 200))
@settings(max_examples=20)
def test_nothing_reaches_across_a_segments_edge(seed: int, at: int, missing: int) -> None:
    bars = with_hole(make_bars(1_100, seed=seed), at, missing)
    apart = [feature_matrix(bars[:at]), feature_matrix(bars[at:])]
    np.testing.assert_array_equal(feature_matrix(bars), np.concatenate(apart))


@given(
    seed=st.integers(0, 2**16),
    missing=st.none() | st.integers(6, 200),
    rows=st.sets(st.integers(0, 899), max_size=60),
)
@settings(max_examples=20)
def test_some_rows_are_those_of_the_whole_to_the_last_bit(
    seed: int, missing: int | None, rows: set[int]
) -> None:
    bars = make_bars(900, seed=seed)
    if missing is not None:
        bars = with_hole(bars, 430, missing)
    asked = np.array(sorted(row for row in rows if row < len(bars)), np.int64)
    assert feature_rows(bars, asked).tobytes() == feature_matrix(bars)[asked].tobytes()


@given(seed=st.integers(0, 2**16), cut=st.integers(1, 799))
@settings(max_examples=20)
def test_a_row_of_the_matrix_never_changes_again(seed: int, cut: int) -> None:
    bars = make_bars(800, seed=seed)
    np.testing.assert_array_equal(feature_matrix(bars[:cut]), feature_matrix(bars)[:cut])


@given(seed=st.integers(0, 2**16), end=st.integers(WARMUP_BARS, 800))
@settings(max_examples=20)
def test_the_warm_up_is_window_enough_for_a_sequence(seed: int, end: int) -> None:
    bars = in_ticks(make_bars(800, seed=seed), tick=0.05)
    steps = LSTMModel().steps
    whole = feature_matrix(bars)[end - steps : end]
    trailing = feature_matrix(bars[end - WARMUP_BARS : end])[-steps:]
    np.testing.assert_allclose(trailing, whole, rtol=2e-6, atol=ATOL)


@pytest.mark.parametrize("length", [0, 1, 2, 13, 40])
def test_too_few_bars_give_rows_of_nan_and_no_error(length: int) -> None:
    matrix = feature_matrix(make_bars(50)[:length])
    assert matrix.shape == (length, len(FEATURES))
    assert np.isnan(matrix[:, FEATURE_NAMES.index("rsi_14")]).all()


def test_chosen_features_give_their_columns_in_their_order() -> None:
    bars = make_bars(450)
    chosen = (FEATURES[7], FEATURES[2])
    np.testing.assert_array_equal(feature_matrix(bars, chosen), feature_matrix(bars)[:, [7, 2]])


def test_an_infinite_value_becomes_the_neutral_one() -> None:
    def endless(bars: Bars) -> FloatArray:
        return np.full(len(bars), np.inf)

    assert (feature_matrix(make_bars(5), [Feature("f", "price", 0, endless, 0.25)]) == 0.25).all()


# --- the catalogue ----------------------------------------------------------------------------


def test_names_are_unique_and_every_feature_says_what_it_means() -> None:
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES) >= 60
    assert all(feature.meaning for feature in FEATURES)


def test_six_families_and_the_context_are_there() -> None:
    families = {feature.family for feature in FEATURES}
    six = {"price", "technical", "candles", "volume", "time", "volatility"}
    assert families == six | {"context"}


def test_the_longest_lookback_leaves_room_for_a_sequence_in_the_warm_up() -> None:
    assert FEATURE_LOOKBACK + LSTMModel().steps - 1 <= WARMUP_BARS
    assert FEATURE_LOOKBACK <= 370


def test_the_page_of_features_is_what_the_catalogue_says() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "features.md"
    assert page.read_text(encoding="utf-8") == as_markdown()


def test_volatility_is_the_deviation_of_log_returns() -> None:
    bars = make_bars(100)
    returns = np.diff(np.log(bars.close))[-20:]
    assert volatility(bars, period=20)[-1] == pytest.approx(returns.std())


# --- real bars --------------------------------------------------------------------------------


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["BTC", "DOGE"])
def test_real_bars_give_finite_rows_that_a_trailing_window_repeats(
    real_bars_dir: Path, name: str
) -> None:
    bars, _ = read_bars(real_bars_dir / f"binance_{name}-USDT_5m.parquet")
    bars = bars[120_000:140_000]
    matrix = feature_matrix(bars)
    warm = np.flatnonzero(bars.bars_before() >= FEATURE_LOOKBACK)
    assert np.isfinite(matrix[warm]).all()
    for row in warm[WARMUP_BARS :: len(warm) // 400]:
        if bars.bars_before()[row] >= WARMUP_BARS:
            trailing = feature_matrix(bars[row + 1 - WARMUP_BARS : row + 1])[-1]
            np.testing.assert_allclose(trailing, matrix[row], rtol=2e-6, atol=ATOL)
