"""Serving: a batch answers as the trailing windows do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.bars import Bars
from ml.analyzer import Analyzer
from ml.bundle import Bundle
from ml.errors import BundleMismatchError
from ml.features.catalog import FEATURE_LOOKBACK
from ml.prediction import Prediction, Unavailable
from tests.makers import make_bars, with_hole
from tests.ml.trained import WARMUP_BARS, manifest_for, quick_model, trained_on

TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def analyzer() -> Analyzer:
    bars = make_bars(900, seed=1)
    return Analyzer(Bundle(trained_on(bars), manifest_for(bars)))


def window(bars: Bars, row: int, before: int = WARMUP_BARS) -> Bars:
    return bars[max(row - before, 0) : row + 1]


def test_the_lookback_is_that_of_the_features_and_the_sequence(analyzer: Analyzer) -> None:
    assert analyzer.lookback == FEATURE_LOOKBACK + quick_model("lstm").steps - 1


@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 2**16), volatility=st.sampled_from([1e-5, 0.002, 0.05]))
def test_a_batch_equals_trailing_windows(analyzer: Analyzer, seed: int, volatility: float) -> None:
    bars = make_bars(520, seed=seed, volatility=volatility)
    rows = np.arange(analyzer.lookback - 3, 520, 13)
    table = analyzer.predict(bars, rows)
    for place, row in enumerate(rows.tolist()):
        batch, live = table.at(place), analyzer.predict_last(window(bars, row))
        assert type(batch) is type(live)
        if isinstance(batch, Prediction) and isinstance(live, Prediction):
            assert live.probability == pytest.approx(batch.probability, abs=TOLERANCE)
            assert live.votes == pytest.approx(dict(batch.votes), abs=TOLERANCE)


def test_a_window_of_the_lookback_is_enough(analyzer: Analyzer) -> None:
    bars = make_bars(600, seed=4)
    found = analyzer.predict_last(window(bars, 599, analyzer.lookback))
    whole = analyzer.predict(bars, np.array([599])).at(0)
    assert isinstance(found, Prediction)
    assert isinstance(whole, Prediction)
    assert found.probability == pytest.approx(whole.probability, abs=TOLERANCE)


def test_bars_that_come_later_change_no_opinion(analyzer: Analyzer) -> None:
    bars = make_bars(700, seed=2)
    rows = np.arange(380, 500)
    np.testing.assert_allclose(
        analyzer.predict(bars, rows).probability,
        analyzer.predict(bars[:500], rows).probability,
        atol=TOLERANCE,
    )


def test_a_row_needs_its_warm_up_within_its_segment(analyzer: Analyzer) -> None:
    bars = with_hole(make_bars(1100, seed=3), at=500, missing=20)
    need = analyzer.lookback
    rows = np.array([need - 1, need, 499, 500, 500 + need - 1, 500 + need])
    table = analyzer.predict(bars, rows)
    assert table.available.tolist() == [False, True, True, False, False, True]
    assert table.at(3) == Unavailable(f"needs {need} bars of its segment before it, has 0")
    assert isinstance(table.at(5), Prediction)


def test_opinions_come_in_the_order_of_the_rows(analyzer: Analyzer) -> None:
    bars = make_bars(600, seed=5)
    rows = np.array([590, 400, 590, 450])
    single = [analyzer.predict(bars, rows[i : i + 1]).probability[0] for i in range(4)]
    np.testing.assert_allclose(analyzer.predict(bars, rows).probability, single, atol=TOLERANCE)


def test_features_of_some_bars_give_the_answers_of_all(analyzer: Analyzer) -> None:
    bars = with_hole(make_bars(1200, seed=8), at=600, missing=30)
    rows = np.random.default_rng(1).permutation(len(bars))[:300]

    found, whole = (
        analyzer.predict(bars, rows),
        analyzer.answer(bars, rows, analyzer.features_of(bars)),
    )

    assert found.probability.tobytes() == whole.probability.tobytes()
    for name, vote in whole.votes.items():
        assert found.votes[name].tobytes() == vote.tobytes()
    assert found.reasons == whole.reasons
    assert found.features is not None
    assert whole.features is not None
    assert found.features.tobytes() == whole.features.tobytes()


def test_no_rows_give_an_empty_table(analyzer: Analyzer) -> None:
    assert len(analyzer.predict(make_bars(500), np.array([], np.int64))) == 0


def test_a_bundle_with_unknown_features_is_refused() -> None:
    bars = make_bars(500)
    manifest = manifest_for(bars, feature_names=("phase_of_the_moon",))
    with pytest.raises(BundleMismatchError, match="first 'phase_of_the_moon'"):
        Analyzer(Bundle(trained_on(bars), manifest))


def test_what_the_bundle_has_seen_and_is_called_is_passed_on() -> None:
    bars = make_bars(500)
    bundle = Bundle(trained_on(bars), manifest_for(bars), digest="abc")
    assert Analyzer(bundle).seen_until == bars.closed_at[-1]
    assert Analyzer(bundle).digest == "abc"
