"""What an account has been through: losses, falls, and the day that they belong to."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.account import AccountHistory
from tests.engine.run_makers import make_trade

MIDNIGHT = np.datetime64("2024-01-02", "ms")
MINUTE = np.timedelta64(60_000, "ms")


def marked(*marks: tuple[int, float]) -> AccountHistory:
    """Return a history that began with 100 and saw equities, each minutes after a midnight."""
    history = AccountHistory(100.0)
    for minutes, equity in marks:
        history.mark(MIDNIGHT + minutes * MINUTE, equity)
    return history


def day_fall(history: AccountHistory, minutes: int) -> float:
    return history.day_fall(MIDNIGHT + minutes * MINUTE)


def test_a_trade_without_a_net_profit_is_a_loss() -> None:
    history = AccountHistory(100.0)
    trades = [make_trade(pnl, bar=bar) for bar, pnl in ((0, -1.0), (5, 0.0), (10, 1.0), (15, -1.0))]
    seen = []
    for trade in trades:
        history.note_trade(trade)
        seen.append(history.losses_in_a_row)
    assert seen == [1, 2, 0, 1]
    assert history.streaks == {1: trades[3].closed_at, 2: trades[1].closed_at}
    assert history.lost_at == {"BTC/USDT": trades[3].closed_at}


def test_each_symbol_remembers_its_own_loss() -> None:
    history = AccountHistory(100.0)
    lost, won = make_trade(-1.0, symbol="A/USDT"), make_trade(1.0, symbol="B/USDT")
    history.note_trade(lost)
    history.note_trade(won)
    assert history.lost_at == {"A/USDT": lost.closed_at}


def test_the_deepest_fall_stays_when_the_equity_recovers() -> None:
    history = marked((5, 120.0), (10, 90.0), (15, 130.0), (20, 117.0))
    assert history.peak == 130.0
    assert history.deepest_fall == 0.25


def test_a_fall_below_what_the_account_began_with_counts() -> None:
    assert marked((5, 80.0)).deepest_fall == pytest.approx(0.2)


def test_a_day_remembers_its_lowest_equity() -> None:
    history = marked((5, 90.0), (10, 105.0))
    assert day_fall(history, 10) == pytest.approx(0.1)
    assert day_fall(history, 23 * 60) == pytest.approx(0.1)


def test_a_day_without_a_mark_has_lost_nothing() -> None:
    assert day_fall(AccountHistory(100.0), 5) == 0.0
    assert day_fall(marked((5, 90.0)), 24 * 60 + 5) == 0.0


def test_midnight_ends_a_day_for_the_equity_and_begins_one_for_a_decision() -> None:
    history = marked((-5, 100.0), (0, 80.0))
    assert day_fall(history, -5) == pytest.approx(0.2)
    assert day_fall(history, 0) == 0.0
    history.mark(MIDNIGHT + 5 * MINUTE, 72.0)
    assert day_fall(history, 5) == pytest.approx(0.1)


def test_the_first_day_begins_with_what_the_account_began_with() -> None:
    assert day_fall(marked((5, 75.0)), 5) == 0.25


@given(
    steps=st.lists(st.tuples(st.integers(1, 900), st.floats(50.0, 150.0)), min_size=1, max_size=40)
)
def test_closes_at_which_nothing_was_held_need_no_mark(steps: list[tuple[int, float]]) -> None:
    sparse, dense = AccountHistory(100.0), AccountHistory(100.0)
    at, equity = MIDNIGHT, 100.0
    for minutes, after in steps:
        for _ in range(minutes // 5):
            at += 5 * MINUTE
            dense.mark(at, equity)
        at, equity = at + 5 * MINUTE, after
        sparse.mark(at, equity)
        dense.mark(at, equity)
        assert sparse.deepest_fall == dense.deepest_fall
        assert sparse.day_fall(at) == dense.day_fall(at)
