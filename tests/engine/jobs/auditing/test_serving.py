"""The serving audit: planted leaks are caught and named, and the product passes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest

from engine.jobs.audit import sampled_moments
from engine.jobs.auditing.report import Leak
from engine.jobs.auditing.serving import (
    Columns,
    Watched,
    audit_serving,
    batch_look,
    evidence_look,
    features_look,
    opinion_look,
    watched,
)
from engine.jobs.settings import load_settings
from feeds import indicators
from feeds.bars import Bars, FloatArray, IntArray, TimeArray
from ml.calibration import logistic
from ml.features.base import Compute, Feature
from ml.features.catalog import FEATURES
from ml.features.context import on_slow_bars, slow_bars
from ml.features.price import log_return
from ml.prediction import Prediction, PredictionTable, Unavailable
from strategies.config import HybridConfig
from strategies.evidence import EvidenceTable, evidence_table
from tests.makers import make_bars, with_hole

SETTINGS = load_settings()
CONFIG = SETTINGS.strategy
KINDS = {"altered", "cut"}
MARKETS = (
    make_bars(1300, seed=1, start="2024-01-01 00:25"),
    # Listed later, and with a hole: its rows are not at the times of the other's rows.
    with_hole(make_bars(1300, seed=2, symbol="ETH/USDT", start="2024-01-01 01:00"), 200, 40),
)


@pytest.fixture(scope="module")
def moments() -> TimeArray:
    return sampled_moments(MARKETS, SETTINGS, 8)


def audited(watch: Watched, moments: TimeArray) -> list[Leak]:
    leaks, _ = audit_serving(MARKETS, [watch], moments, seed=0)
    return leaks


# --- leaks of features ------------------------------------------------------------------------


def next_return(bars: Bars) -> FloatArray:
    return np.append(log_return(bars, period=1)[1:], np.nan)


def next_return_where_oversold(bars: Bars) -> FloatArray:
    """Return an honest value, and one bar's worth of the future where it would pay."""
    oversold = indicators.rsi(bars.close, 14) < 30.0
    return np.where(oversold, next_return(bars), log_return(bars, period=1))


def z_score_of_the_whole_sample(bars: Bars) -> FloatArray:
    return np.asarray((bars.close - bars.close.mean()) / bars.close.std())


def unfinished_slow_return(bars: Bars) -> FloatArray:
    """Give every bar the return of the slow bar that it lies in, closed or not."""
    slow = slow_bars(bars, 12)
    lies_in = np.searchsorted(slow.time, bars.time, side="right") - 1
    return log_return(slow, period=1)[np.maximum(lies_in, 0)]


CHEATS = {
    "shift(-1)": next_return,
    "one bar ahead": next_return_where_oversold,
    "whole sample": z_score_of_the_whole_sample,
    "slow bar unfinished": unfinished_slow_return,
}


@pytest.mark.parametrize("compute", CHEATS.values(), ids=CHEATS)
def test_a_feature_that_looks_ahead_is_caught_and_named(
    compute: Compute, moments: TimeArray
) -> None:
    honest = Feature("honest", "price", 1, partial(log_return, period=1))
    cheat = Feature("cheat", "price", 40, compute)
    leaks = audited(Watched(features_look([honest, cheat])), moments)
    assert {leak.what for leak in leaks} == {"cheat"}
    assert {leak.kind for leak in leaks} == KINDS
    assert {leak.symbol for leak in leaks} <= {bars.symbol for bars in MARKETS}
    for leak in leaks:
        assert leak.first_at is not None
        assert leak.first_at <= moments.max()
        assert "became" in leak.difference


def test_the_slow_return_of_closed_bars_passes(moments: TimeArray) -> None:
    slow = partial(on_slow_bars, compute=partial(log_return, period=1), factor=12)
    assert audited(Watched(features_look([Feature("slow", "context", 34, slow)])), moments) == []


def joined_by_row(markets: Sequence[Bars], _moment: np.datetime64) -> Mapping[str, Columns]:
    """Give each bar the close of the other market's bar of the same number."""
    by_symbol = {bars.symbol: bars for bars in markets}
    btc, eth = by_symbol["BTC/USDT"], by_symbol["ETH/USDT"]
    column = np.full(len(btc), np.nan)
    count = min(len(btc), len(eth))
    column[:count] = eth.close[:count]
    return {"BTC/USDT": {"eth_close": column}, "ETH/USDT": {}}


def joined_by_time(markets: Sequence[Bars], _moment: np.datetime64) -> Mapping[str, Columns]:
    """Give each bar the close of the other market's latest bar that has closed by then."""
    by_symbol = {bars.symbol: bars for bars in markets}
    btc, eth = by_symbol["BTC/USDT"], by_symbol["ETH/USDT"]
    row = np.searchsorted(eth.closed_at, btc.closed_at, side="right") - 1
    return {"BTC/USDT": {"eth_close": np.where(row >= 0, eth.close[row], np.nan)}, "ETH/USDT": {}}


def test_a_join_by_row_is_caught_and_one_by_time_passes(moments: TimeArray) -> None:
    leaks = audited(Watched(joined_by_row), moments)
    assert {(leak.what, leak.symbol, leak.kind) for leak in leaks} == {
        ("eth_close", "BTC/USDT", kind) for kind in KINDS
    }
    assert audited(Watched(joined_by_time), moments) == []


# --- leaks of evidence and opinions -----------------------------------------------------------


def evidence_with_the_support_to_come(bars: Bars, config: HybridConfig) -> EvidenceTable:
    table = evidence_table(bars, config)
    later = np.append(bars.low[1:], bars.low[-1])
    return replace(table, values={**table.values, "support": later})


def test_evidence_that_looks_ahead_is_caught_and_named(moments: TimeArray) -> None:
    leaks = audited(Watched(evidence_look(evidence_with_the_support_to_come, CONFIG)), moments)
    assert {leak.what for leak in leaks} == {"evidence support"}


@dataclass(frozen=True)
class Votes:
    """Answers with a column of the bars, as log-odds."""

    ahead: int = 0
    by_batch: bool = False

    def predict(self, bars: Bars, rows: IntArray) -> PredictionTable:
        close = bars.close[np.minimum(rows + self.ahead, len(bars) - 1)]
        odds = close / bars.open[rows] - 1.0
        if self.by_batch and len(rows):
            odds = odds - odds.mean()
        probability = logistic(100.0 * odds)
        return PredictionTable(
            probability, np.zeros(len(rows), np.int64), {"one": probability}, {}, {}
        )

    def predict_last(self, window: Bars) -> Prediction | Unavailable:
        raise NotImplementedError  # the audit asks in batches


def test_an_ensemble_that_looks_ahead_is_caught(moments: TimeArray) -> None:
    leaks = audited(Watched(opinion_look(Votes(ahead=1), CONFIG), 1e-9, by_moment=True), moments)
    assert {leak.what for leak in leaks} == {"probability", "vote one"}
    assert {leak.kind for leak in leaks} == KINDS


def test_an_ensemble_that_compares_the_bars_of_a_batch_is_caught(moments: TimeArray) -> None:
    source = Votes(by_batch=True)
    alone = Watched(opinion_look(source, CONFIG), 1e-9, by_moment=True)
    assert audited(alone, moments) == []
    leaks = audited(Watched(batch_look(source, CONFIG), 1e-6), moments)
    assert {leak.what for leak in leaks} == {"probability in a batch", "vote one in a batch"}


def test_the_product_knows_nothing_of_the_future(moments: TimeArray) -> None:
    leaks, columns = audit_serving(MARKETS, watched(FEATURES, Votes(), CONFIG), moments, seed=0)
    assert leaks == []
    assert columns > len(FEATURES) + 20


# --- the moments ------------------------------------------------------------------------------


def test_most_moments_are_closes_of_bars_on_which_the_ensemble_is_asked(moments: TimeArray) -> None:
    assert len(moments) == 8
    asked = [
        bars.closed_at[np.isfinite(found["probability"])]
        for bars in MARKETS
        for found in [opinion_look(Votes(), CONFIG)([bars], bars.closed_at[-1])[bars.symbol]]
    ]
    assert np.isin(moments, np.concatenate(asked)).sum() >= 6


def test_the_same_seed_samples_the_same_moments(moments: TimeArray) -> None:
    np.testing.assert_array_equal(sampled_moments(MARKETS, SETTINGS, 8), moments)
    other = SETTINGS.model_copy(update={"seed": 1})
    assert not np.array_equal(sampled_moments(MARKETS, other, 8), moments)


def test_a_market_that_begins_after_the_moment_is_left_out() -> None:
    late = make_bars(500, seed=3, symbol="SOL/USDT", start="2024-02-01")
    watch = [Watched(features_look(FEATURES))]
    leaks, _ = audit_serving([*MARKETS, late], watch, MARKETS[0].closed_at[[900]], seed=0)
    assert leaks == []
