"""Searches on markets of which the truth is known: no edge is not told to be one, an edge is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from engine.jobs.markets import Market
from engine.jobs.searching.space import FEWEST_TRADES, applied
from engine.jobs.searching.sweeping import Sweeps
from engine.jobs.searching.trial import Outcome
from engine.jobs.settings import Settings, load_settings
from engine.statistics.overfitting import overfitting
from engine.statistics.sharpe import chance_variance, deflated_sharpe, probabilistic_sharpe
from feeds.bars import Bars
from tests.truth.worlds import SYMBOLS, driftless, planted

SURE = 0.9995  # how sure a binomial count is to lie within its tolerance
DAYS = 60
FREE = load_settings(
    overrides={
        # Nothing is paid: then a set without an edge comes to 0, however often it trades.
        "broker": {"fee": 0.0, "half_spread": 0.0, "slippage": 0.0, "range_slippage": 0.0},
        "strategy": {"file": f"{Path(__file__).with_name('told_strategy.py')}:ToldStrategy"},
    }
)
GRID = [
    {
        "strategy.min_entry_score": enough,
        "strategy.points.lively": lively,
        "strategy.points.even": even,
        "strategy.points.round": round_,
    }
    for enough, lively, even, round_ in product(
        (2.5, 3.5), (0.0, 1.0, 3.0), (0.0, 1.0, 2.0), (1.0, 2.0)
    )
]


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of the best by its Sharpe ratio."""

    pbo: float
    probabilistic: float
    deflated: float
    lively: float


def searched(bars: Sequence[Bars], settings: Settings = FREE) -> Said:
    markets = [Market(each, settings.strategy.warmup_bars) for each in bars]
    sets = [applied(settings, values) for values in GRID]
    swept = Sweeps(markets, settings, None).run(sets)
    traded = [place for place, each in enumerate(swept) if each.figures.trades >= FEWEST_TRADES]
    outcomes = [swept[place] for place in traded]
    sharpes = [_per_day(each) for each in outcomes]
    best = int(np.argmax(sharpes))
    daily = outcomes[best].daily
    least = chance_variance(len(daily))
    splits = overfitting(np.stack([each.daily for each in outcomes]))
    deflated = deflated_sharpe(daily, sharpes, least_variance=least)
    alone = probabilistic_sharpe(daily)
    assert splits is not None
    assert deflated is not None
    assert alone is not None
    return Said(splits.probability, alone, deflated, GRID[traded[best]]["strategy.points.lively"])


def _per_day(outcome: Outcome) -> float:
    return (outcome.figures.sharpe or 0.0) / math.sqrt(365.0)


def check_without_an_edge(seeds: int) -> None:
    found = [searched(driftless(seed, days=DAYS, symbols=SYMBOLS[:2])) for seed in range(seeds)]
    pbo = np.array([each.pbo for each in found])
    assert abs(pbo.mean() - 0.5) < 3.3 * pbo.std(ddof=1) / np.sqrt(seeds)
    # Told as if it were the only set, the best shines far too often; told as the best of many,
    # at most as often as one in twenty.
    shines, deflated = (
        sum(sure > 0.95 for sure in column)
        for column in zip(*((each.probabilistic, each.deflated) for each in found), strict=True)
    )
    assert deflated <= binom.ppf(SURE, seeds, 0.05)
    assert shines > deflated


def check_with_an_edge(seeds: int) -> None:
    found = [searched(planted(seed, days=DAYS, symbols=SYMBOLS[:2])) for seed in range(seeds)]
    assert max(each.pbo for each in found) < 0.05
    assert min(each.probabilistic for each in found) > 0.99
    assert np.mean([each.deflated for each in found]) > 0.5
    assert all(each.lively > 0.0 for each in found)  # the rule that tells where prices go


def test_where_there_is_no_edge_the_choice_is_told_to_be_luck() -> None:
    check_without_an_edge(8)


def test_an_edge_that_is_there_is_told_to_be_one() -> None:
    check_with_an_edge(3)


@pytest.mark.slow
def test_where_there_is_no_edge_many_searches_say_so() -> None:
    check_without_an_edge(150)
