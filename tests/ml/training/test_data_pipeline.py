"""The data pipeline: which bars become rows, in which order, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.bars import Bars
from ml.errors import TrainingError
from ml.features.catalog import FEATURE_NAMES
from ml.features.matrix import feature_matrix
from ml.labels import horizon_labels
from ml.models.lstm_model import LSTMModel
from ml.training.data_pipeline import Source, build_training_set, usable_rows
from tests.makers import make_bars, with_hole
from tests.ml.trained import WARMUP_BARS
from tests.ml.training.makers import source, training_set


def with_filled(bars: Bars, *at: int) -> Bars:
    filled = bars.filled.copy()
    filled[list(at)] = True
    return replace(bars, filled=filled)


def test_a_row_is_the_features_label_and_moments_of_its_bar() -> None:
    bars = make_bars(500)
    labels, matrix = horizon_labels(bars), feature_matrix(bars)
    rows = build_training_set([source(bars)], warmup_bars=WARMUP_BARS)
    expected = np.arange(WARMUP_BARS, 495)
    np.testing.assert_array_equal(rows.samples.latest(), matrix[expected])
    first = slice(WARMUP_BARS - 3, WARMUP_BARS + 1)
    np.testing.assert_array_equal(rows.samples.sequences(4)[0], matrix[first])
    np.testing.assert_array_equal(rows.y, labels.value[expected])
    np.testing.assert_array_equal(rows.decided_at, bars.closed_at[expected])
    np.testing.assert_array_equal(rows.known_at, labels.known_at[expected])
    column = FEATURE_NAMES.index("volatility_20")
    np.testing.assert_array_equal(rows.volatility, matrix[expected, column])


def test_a_rows_label_is_known_after_its_decision() -> None:
    rows = training_set()
    assert (rows.known_at > rows.decided_at).all()


def test_every_segment_needs_its_own_warm_up() -> None:
    bars = with_hole(make_bars(1200), at=600, missing=20)
    usable = usable_rows(source(bars), warmup_bars=WARMUP_BARS)
    np.testing.assert_array_equal(np.flatnonzero(usable), np.r_[400:595, 1000:1175])


def test_filled_bars_and_bars_not_asked_are_no_rows() -> None:
    bars = with_filled(make_bars(500), 410, 420)
    asked = np.ones(500, np.bool_)
    asked[430:] = False
    usable = usable_rows(Source(bars, asked, asked, horizon_labels(bars)), warmup_bars=WARMUP_BARS)
    np.testing.assert_array_equal(np.flatnonzero(usable), np.r_[400:410, 411:420, 421:430])


@settings(deadline=None, max_examples=20)
@given(cut=st.integers(410, 499))
def test_a_shorter_history_gives_the_rows_that_were_known_at_its_end(cut: int) -> None:
    bars = make_bars(500)
    until = bars.closed_at[cut - 1]
    whole = build_training_set([source(bars)], warmup_bars=WARMUP_BARS)
    known = whole.take(whole.known_at <= until)
    shorter = build_training_set([source(bars.known_at(until))], warmup_bars=WARMUP_BARS)
    np.testing.assert_array_equal(known.samples.latest(), shorter.samples.latest())
    np.testing.assert_array_equal(known.y, shorter.y)


def test_rows_of_all_symbols_stand_in_the_order_of_time() -> None:
    rows = training_set()
    assert rows.symbols == ("BTC/USDT", "ETH/USDT")
    assert (np.diff(rows.decided_at) >= np.timedelta64(0, "ms")).all()
    for code, seed, n in ((0, 0, 1400), (1, 1, 1100)):
        bars = make_bars(n, seed=seed)
        own = rows.take(rows.symbol == code)
        np.testing.assert_array_equal(
            own.samples.latest(), feature_matrix(bars)[WARMUP_BARS : n - 5]
        )
        np.testing.assert_array_equal(own.y, horizon_labels(bars).value[WARMUP_BARS : n - 5])


def test_no_sequence_reaches_into_another_symbol_or_the_warm_up() -> None:
    assert np.isfinite(training_set().samples.sequences(LSTMModel().steps)).all()


def test_a_cap_thins_evenly_in_time() -> None:
    bars = make_bars(600)
    rows = build_training_set([source(bars)], warmup_bars=WARMUP_BARS, max_rows=66)
    assert len(rows) == 66
    assert rows.decided_at[0] == bars.closed_at[WARMUP_BARS]
    assert rows.decided_at[-1] == bars.closed_at[594]
    assert set(np.diff(rows.decided_at).astype(int) // 300_000) <= {2, 3, 4}


def test_no_usable_row_is_refused_with_the_reason() -> None:
    with pytest.raises(TrainingError, match=r"needs 400 bars .* none among 300 bars of the"):
        build_training_set([source(make_bars(300))], warmup_bars=WARMUP_BARS)


def test_no_bars_are_refused() -> None:
    with pytest.raises(TrainingError, match="found none among 0 bars of the population"):
        build_training_set([], warmup_bars=WARMUP_BARS)
