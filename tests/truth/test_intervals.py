"""Intervals on markets of which the truth is known: they cover it as often as they say."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from engine.statistics.intervals import Intervals, PairIntervals, TradeReturns, joint_intervals
from feeds.bars import Bars, BoolArray, FloatArray
from tests.truth.worlds import (
    SYMBOLS,
    Chances,
    chances,
    driftless,
    planted,
    taken,
    traded,
    volatile,
)

MISSED = 0.05  # of the intervals, in the long run
SURE = 0.9995  # how sure a binomial count is to lie within its tolerance, on either side


def intervals_of(markets: Sequence[Bars], runs: dict[str, TradeReturns], *, seed: int) -> Intervals:
    """Return the intervals of the runs, and of `on` less each other run."""
    return joint_intervals(
        {name: [trades] for name, trades in runs.items()},
        [("on", name) for name in runs if name != "on"],
        first=markets[0].time[0],
        last=markets[0].closed_at[-1],
        seed=seed,
        draws=1000,
    )


def without_skill(seed: int, *, days: int, symbols: int) -> tuple[Intervals, float]:
    """Return what is said of a rule and of a coin toss, where nothing foretells anything.

    Beside it the sum of the rule's returns.
    """
    markets = driftless(seed, days=days, symbols=SYMBOLS[:symbols])
    each = [chances(bars) for bars in markets]
    rng = np.random.default_rng(seed)
    off, on = traded(each), traded(each, [rng.random(len(own.row)) < 0.35 for own in each])
    return intervals_of(markets, {"on": on, "off": off}, seed=seed), float(off.returns.sum())


def check_coverage(seeds: int, *, days: int, symbols: int, trades: tuple[int, int]) -> None:
    """Count how often the intervals miss the truth, which is 0."""
    found = [without_skill(seed, days=days, symbols=symbols) for seed in range(seeds)]
    said = [intervals for intervals, _ in found]
    assert trades[0] < np.median([each.runs["off"].trades for each in said]) < trades[1]
    sums = np.array([total for _, total in found])
    assert abs(sums.mean()) < 3.3 * sums.std(ddof=1) / np.sqrt(seeds)
    for figures in (
        [each.runs["off"].expectancy for each in said],
        [each.runs["on"].expectancy for each in said],
        [each.pair("on", "off").expectancy for each in said],
    ):
        ends = np.array([(one.low, one.high) for one in figures if one.low is not None])
        assert len(ends) >= 0.95 * seeds
        missed = int(np.sum((ends[:, 0] > 0.0) | (ends[:, 1] < 0.0)))
        fewest, most = binom.ppf([1.0 - SURE, SURE], len(ends), MISSED)
        assert fewest <= missed <= most


def test_a_rule_without_skill_is_seldom_said_to_have_any() -> None:
    check_coverage(30, days=60, symbols=2, trades=(90, 160))


@pytest.mark.slow
def test_few_trades_in_clusters_are_covered_at_the_nominal_rate() -> None:
    check_coverage(200, days=60, symbols=2, trades=(90, 160))


@pytest.mark.slow
def test_many_trades_are_covered_at_the_nominal_rate() -> None:
    check_coverage(200, days=180, symbols=3, trades=(500, 700))


def late_trades(markets: Sequence[Bars], *, seed: int) -> dict[str, TradeReturns]:
    """Return what is traded in the second half by all, by what was learned, by volatility.

    A logistic regression learns from the first half's candidates which will gain, and lets pass
    what it likes as well as the best third of them. The volatility gate lets pass as many in each
    market, the wildest.
    """
    each = [chances(bars, seed=seed) for bars in markets]
    half = len(markets[0]) // 2
    known = [taken(own, own.exit < half) for own in each]
    late = [taken(own, own.row >= half) for own in each]
    learned = make_pipeline(StandardScaler(), LogisticRegression()).fit(
        np.concatenate([own.seen for own in known]),
        np.concatenate([own.returns for own in known]) > 0.0,
    )

    def liked(own: Chances) -> FloatArray:
        found: FloatArray = learned.predict_proba(own.seen)[:, 1]
        return found

    level = np.quantile(np.concatenate([liked(own) for own in known]), 2 / 3)
    passed = [liked(own) > level for own in late]
    wildest = [
        _highest(own.seen[:, 0], int(gate.sum())) for own, gate in zip(late, passed, strict=True)
    ]
    return {"on": traded(late, passed), "off": traded(late), "volatility": traded(late, wildest)}


def _highest(values: FloatArray, count: int) -> BoolArray:
    chosen = np.zeros(len(values), np.bool_)
    chosen[np.argsort(values)[len(values) - count :]] = True
    return chosen


def pairs_of(markets: Sequence[Bars], *, seed: int) -> tuple[PairIntervals, PairIntervals]:
    """Return the differences from ML-off and from the volatility gate."""
    found = intervals_of(markets, late_trades(markets, seed=seed), seed=seed)
    return found.pair("on", "off"), found.pair("on", "volatility")


def above_zero(pair: PairIntervals) -> bool:
    return pair.expectancy.low is not None and pair.expectancy.low > 0.0


def test_a_planted_edge_is_found() -> None:
    found = [pairs_of(planted(seed, days=300), seed=seed)[0] for seed in range(8)]
    assert sum(map(above_zero, found)) >= 7


def check_volatility_explains(seeds: int, *, days: int) -> None:
    found = [pairs_of(volatile(seed, days=days), seed=seed) for seed in range(seeds)]
    assert sum(above_zero(off) for off, _ in found) >= 0.9 * seeds
    sold = sum(above_zero(volatility) for _, volatility in found)
    assert sold <= binom.ppf(SURE, seeds, MISSED / 2)


def test_what_volatility_explains_is_better_than_ml_off_but_not_than_volatility() -> None:
    check_volatility_explains(10, days=300)


@pytest.mark.slow
def test_what_volatility_explains_is_hardly_ever_sold_as_an_edge() -> None:
    check_volatility_explains(100, days=300)


@pytest.mark.slow
def test_where_there_is_no_edge_none_is_found() -> None:
    found = [pairs_of(driftless(seed, days=180), seed=seed) for seed in range(200)]
    for pairs in zip(*found, strict=True):
        said = sum(map(above_zero, pairs))
        assert said <= binom.ppf(SURE, len(found), MISSED / 2)


def test_the_worlds_are_what_they_say() -> None:
    for made in (driftless, planted, volatile):
        first, again = made(3, days=20), made(3, days=20)
        np.testing.assert_array_equal(first[0].close, again[0].close)
        assert not np.array_equal(first[0].close, made(4, days=20)[0].close)
        moves = np.stack([np.diff(np.log(bars.close)) for bars in first])
        assert 0.3 < np.corrcoef(moves)[0, 1] < 0.7
        size = np.abs(moves[0])
        assert np.corrcoef(size[:-12], size[12:])[0, 1] > 0.1  # volatility comes in clusters


def test_positions_do_not_overlap_and_candidates_look_back_only() -> None:
    (bars,) = driftless(1, days=40, symbols=SYMBOLS[:1])
    own = chances(bars)
    half = len(bars) // 2
    early = chances(bars[:half])
    settled = early.exit < half - 1
    np.testing.assert_array_equal(own.row[: len(early.row)][settled], early.row[settled])
    np.testing.assert_array_equal(own.seen[: len(early.row), :3], early.seen[:, :3])
    np.testing.assert_array_equal(own.returns[: len(early.row)][settled], early.returns[settled])
    trades = traded([own])
    assert len(trades.returns) < len(own.row)
    at = np.searchsorted(bars.closed_at[own.row], trades.decided_at)
    assert (own.row[at[1:]] >= own.exit[at[:-1]]).all()
