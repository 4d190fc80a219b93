"""Many sets at once: in their order, the same by any number of threads, without more memory."""

import dataclasses
from threading import Barrier
from typing import Any

import pytest

from benchmarks.resident import forget_peak, now_mb, peak_mb
from benchmarks.sweep_rate import sets_of, sweep_on
from engine.jobs.searching.choosing import BATCH
from engine.sweep.account import Account
from engine.sweep.figures import Swept
from engine.sweep.ground import Ground
from engine.sweep.loop import compiled
from engine.sweep.sweep import Sweep
from engine.sweep.terms import Terms
from feeds.bars import FloatArray
from tests.makers import make_bars


@pytest.fixture(scope="module")
def sweep() -> Sweep:
    return sweep_on(make_bars(20_000, 3, volatility=0.004), threads=2)


def told(figures: Swept) -> dict[str, Any]:
    """Return the figures as values that can be compared."""
    return {**dataclasses.asdict(figures), "daily": figures.daily.tolist()}


def test_figures_come_in_the_order_of_the_sets(sweep: Sweep) -> None:
    sets = list(sets_of(100))
    found = sweep.run(sets)
    alone = [sweep.run([each])[0] for each in sets]
    assert [each.trades for each in found] == [each.trades for each in alone]
    assert len({each.trades for each in found}) > 10
    assert list(map(told, found)) == list(map(told, alone))


def test_threads_change_nothing(sweep: Sweep) -> None:
    one = sweep_on(make_bars(20_000, 3, volatility=0.004), threads=1)
    sets = list(sets_of(60))
    for mine, other in zip(one.run(sets), sweep.run(sets), strict=True):
        assert told(mine) == told(other)


def test_every_thread_has_a_set_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, all_begun = compiled(), Barrier(BATCH)

    def run_set(ground: Ground, terms: Terms, points: FloatArray, account: Account) -> None:
        all_begun.wait(20.0)  # raises if one of the batch waits for another to end
        loop(ground, terms, points, account)

    many = sweep_on(make_bars(20_000, 3, volatility=0.004), threads=BATCH)
    monkeypatch.setattr("engine.sweep.loop.compiled", lambda: run_set)
    assert len({each.trades for each in many.run(list(sets_of(BATCH)))}) > 1


def test_memory_does_not_grow_with_the_sets(sweep: Sweep) -> None:
    sets = list(sets_of(2000))
    sweep.run(sets[:64])
    before = now_mb()
    forget_peak()
    sweep.run(sets)
    assert peak_mb() - before < 5.0


def test_a_set_without_trades_has_no_figures(sweep: Sweep) -> None:
    never = dataclasses.replace(next(sets_of(1)), min_entry_score=99.0)
    (found,) = sweep.run([never])
    assert (found.trades, found.total_return, found.max_drawdown) == (0, 0.0, 0.0)
    assert found.expectancy is found.profit_factor is found.sharpe is found.win_rate is None
    assert not found.daily.any()
    assert len(sweep.trades(never)) == 0


def test_a_set_must_fit_the_rules(sweep: Sweep) -> None:
    wrong = dataclasses.replace(next(sets_of(1)), points=(1.0, 2.0))
    with pytest.raises(ValueError, match="points for 7 rules, found 2"):
        sweep.run([wrong])
    assert sweep.run(list(sets_of(1)))[0].trades > 0  # and nothing is left behind
