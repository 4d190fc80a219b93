"""Gates: whose opinions they hand to whom, and that the rest is the run with ML."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.jobs.comparing.gates import (
    RANKINGS,
    Candidates,
    Gates,
    Ranking,
    by_volatility,
    shuffled,
)
from engine.jobs.comparing.references import references
from engine.jobs.hybrid_run import run_batch
from engine.jobs.markets import Market
from engine.jobs.settings import Settings, load_settings
from engine.replay import Replayed
from feeds.bars import Bars, FloatArray, IntArray
from ml.prediction import Prediction
from strategies.evidence import EvidenceTable, evidence_table
from strategies.views import Asked, BatchViews, ask
from tests.engine.jobs.opinion_makers import Planted
from tests.makers import make_bars


def by_lot(_bars: Bars, rows: IntArray) -> FloatArray:
    """Answer by lot, and not always."""
    rng = np.random.default_rng(len(rows))
    said = rng.uniform(0.2, 0.9, len(rows))
    return np.where(rng.random(len(rows)) < 0.1, np.nan, said)


class Settled:
    """One run with ML: all that gates are made of."""

    def __init__(self, settings: Settings, symbols: Sequence[str] = ("A/USDT", "B/USDT")) -> None:
        self.settings = settings
        self.markets = [
            Market(replace(make_bars(9000, seed, timeframe="15m"), symbol=symbol), 400)
            for seed, symbol in enumerate(symbols)
        ]
        self.tables: dict[str, EvidenceTable] = {
            m.bars.symbol: evidence_table(m.bars, settings.strategy) for m in self.markets
        }
        self.asked: dict[str, Asked] = ask(self.tables, settings.strategy, Planted(by_lot))
        self.gates = Gates(self.markets, self.tables, self.asked, settings)


@cache
def settled() -> Settled:
    return Settled(load_settings(overrides={"strategy": {"min_entry_score": 5.0}}))


def keys(run: Replayed) -> list[tuple[str, np.datetime64]]:
    return sorted(zip(run.symbol, run.decided_at, strict=True))


def test_without_a_change_a_gate_is_the_run_itself() -> None:
    at = settled()
    views = BatchViews(at.tables, at.settings.strategy, at.asked)
    ran = run_batch(at.markets, views, at.settings).execution
    found = at.gates.as_asked()
    assert keys(found) == sorted((t.symbol, t.decided_at) for t in ran.trades)
    np.testing.assert_allclose(found.equity.equity, ran.equity.equity, rtol=1e-11)


def test_a_replay_that_trades_otherwise_is_said_out_loud(caplog: pytest.LogCaptureFixture) -> None:
    at = settled()
    few = load_settings(
        overrides={"strategy": {"min_entry_score": 5.0}, "statistics": {"gate_seeds": 2}}
    )
    views = BatchViews(at.tables, few.strategy, at.asked)
    trades = run_batch(at.markets, views, few).execution.trades
    references(at.markets, at.tables, at.asked, few, trades)
    assert caplog.messages == []
    references(at.markets, at.tables, at.asked, few, trades[3:])
    assert f"found 3 of {len(trades) - 3} trades that differ" in caplog.text


def test_the_random_gate_is_repeatable_and_each_seed_is_another_run() -> None:
    first, second = settled().gates.random(3), settled().gates.random(3)
    assert [keys(run) for run in first] == [keys(run) for run in second]
    assert len({tuple(keys(run)) for run in first}) == 3
    assert all(len(run) > 100 for run in first)


def test_another_seed_of_the_settings_shuffles_otherwise() -> None:
    at = settled()
    other = Gates(at.markets, at.tables, at.asked, at.settings.model_copy(update={"seed": 5}))
    assert keys(other.random(1)[0]) != keys(at.gates.random(1)[0])


# ------------------------------------------------------------------ who is given what


def asked_bars(probability: Sequence[float], volatility: Sequence[float]) -> Candidates:
    """Return bars whose opinions are worth as many points as they are probable."""
    n = len(probability)
    return Candidates(
        rows=np.arange(n),
        technical=np.zeros(n),
        answered=np.arange(n),
        points=np.array(probability),
        probability=np.array(probability),
        month=np.arange(n) * 4 // max(n, 1),
        volatility={"volatility_20": np.array(volatility), "atr_fraction": -np.array(volatility)},
    )


opinions = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from([0.1, 0.2, 0.3]) | st.floats(0, 1)), max_size=40
)


@given(drawn=opinions, seed=st.integers(0, 1000))
def test_a_shuffle_keeps_the_opinions_of_each_month(
    drawn: list[tuple[float, float]], seed: int
) -> None:
    own = asked_bars([p for p, _ in drawn], [v for _, v in drawn])
    given_ = shuffled(own, np.random.default_rng(seed))
    for month in np.unique(own.month):
        there = own.month == month
        assert sorted(given_[there]) == sorted(own.points[there])


def test_months_that_lie_in_any_order_are_shuffled_apart() -> None:
    own = replace(asked_bars([0.1, 0.9, 0.2, 0.8], [0.0] * 4), month=np.array([2, 1, 2, 1]))
    found = [shuffled(own, np.random.default_rng(seed)) for seed in range(20)]
    assert {tuple(sorted(each[[0, 2]])) for each in found} == {(0.1, 0.2)}
    assert {tuple(each[[1, 3]]) for each in found} == {(0.8, 0.9), (0.9, 0.8)}


WILDEST = Ranking("volatility_20", calmest=False, monthly=False)


@pytest.mark.parametrize("ranking", RANKINGS, ids=str)
@given(drawn=opinions, seed=st.integers(0, 1000))
def test_the_volatility_gate_hands_out_the_same_opinions_by_rank(
    ranking: Ranking, drawn: list[tuple[float, float]], seed: int
) -> None:
    own = asked_bars([p for p, _ in drawn], [v for _, v in drawn])
    found = by_volatility(own, ranking, np.random.default_rng(seed))
    volatility = own.volatility[ranking.measure]
    for month in np.unique(own.month) if ranking.monthly else [None]:
        there = np.ones(len(found), bool) if month is None else own.month == month
        assert sorted(found[there]) == sorted(own.points[there])
        calm = np.argsort(volatility[there], kind="stable")
        steps = np.diff(found[there][calm])[np.diff(volatility[there][calm]) > 0]
        assert (steps <= 0).all() if ranking.calmest else (steps >= 0).all()


def test_rankings_are_all_there_are() -> None:
    assert len({str(ranking) for ranking in RANKINGS}) == len(RANKINGS) == 8
    assert str(WILDEST) == "volatility_20, wildest first, over the run"


def test_the_gate_is_the_ranking_that_did_best() -> None:
    gates = settled().gates
    ranking, run = gates.volatility()
    others = [gates._ranked(each) for each in RANKINGS]
    assert keys(run) == keys(gates._ranked(ranking))
    enough = [np.mean(each.returns) for each in others if len(each) >= 30]
    assert np.mean(run.returns) == max(enough)


def test_points_count_before_probabilities_where_thresholds_change() -> None:
    own = replace(asked_bars([0.6, 0.7], [1.0, 2.0]), points=np.array([2.0, -1.0]))
    assert by_volatility(own, WILDEST, np.random.default_rng(0)).tolist() == [-1.0, 2.0]


def test_chance_decides_between_bars_of_the_same_volatility() -> None:
    own = asked_bars([0.1, 0.9, 0.5], [1.0, 1.0, 2.0])
    found = {
        tuple(by_volatility(own, WILDEST, np.random.default_rng(seed))[:2]) for seed in range(20)
    }
    assert found == {(0.1, 0.5), (0.5, 0.1)}


def test_gates_leave_bars_without_an_opinion_alone() -> None:
    gates, silent = settled().gates, 0
    for own, asked in zip(gates.candidates, settled().asked.values(), strict=True):
        answers = [asked.opinions.at(row) for row in range(len(asked.bars))]
        said = {
            bar
            for bar, answer in zip(asked.bars, answers, strict=True)
            if isinstance(answer, Prediction)
        }
        assert set(own.rows[own.answered]) == said
        silent += len(asked.bars) - len(said)
    assert silent > 10
