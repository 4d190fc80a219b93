"""The audit: a strategy that says it wakes later than it does is caught."""

from typing import Any

import backtrader as bt
import pytest

from engine.errors import ClockError
from tests.engine.clock.actor import Act, Actor, Plan
from tests.engine.clock.cases import params_of
from tests.engine.clock.witness import Terms, by_engine, by_stock, check_same
from tests.engine.markets import CALM, engine_of
from tests.makers import candles

SYMBOL = "BTC/USDT"
CALM_BARS = Terms(markets=[(candles([CALM] * 60), 0)], rules={})

# Something happens at the close of bar 30, or at that of bar 10 + 20; the rest is calm.
PLANS: dict[str, Plan] = {
    "entry": {(SYMBOL, 30): [Act()]},
    "time limit": {(SYMBOL, 10): [Act(kind="bracket", stop=0.2, target=0.2, hold=20)]},
    "cancel": {(SYMBOL, 10): [Act(kind="limit", away=0.2)], (SYMBOL, 30): [Act(kind="cancel")]},
    "leave": {(SYMBOL, 10): [Act()], (SYMBOL, 30): [Act(kind="close")]},
    "refused": {(SYMBOL, 30): [Act(kind="close_order")]},
}


class Late(Actor):
    """Says what comes after bar 20 three bars late."""

    def wakes_at(self, data: Any) -> int | None:
        honest = super().wakes_at(data)
        return honest if honest is None or honest < 20 else int(honest) + 3


class Mute(Actor):
    """Says nothing of what comes after bar 20."""

    def wakes_at(self, data: Any) -> int | None:
        honest = super().wakes_at(data)
        return honest if honest is None or honest < 20 else None


class Backward(Actor):
    """Says that it wakes on the bar on which it is asked."""

    def wakes_at(self, data: Any) -> int | None:
        return int(data.index)


EVERY_PLAN = pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())


@EVERY_PLAN
@pytest.mark.parametrize(("strategy", "wake"), [(Late, "02:50Z"), (Mute, "05:00Z")])
def test_a_wake_up_too_late_is_caught_and_named(
    plan: Plan, strategy: type[Actor], wake: str
) -> None:
    with pytest.raises(ClockError, match=f"before 2024-01-01 {wake}.*at 2024-01-01 02:3[05]Z"):
        by_engine(CALM_BARS, strategy, params_of(plan), "audit")


@EVERY_PLAN
def test_an_honest_strategy_passes(plan: Plan) -> None:
    audited, report = by_engine(CALM_BARS, Actor, params_of(plan), "audit")
    assert (report.kind, report.run) == ("audit", report.moments)
    check_same(audited, by_stock(CALM_BARS, Actor, params_of(plan)), "audit against stock")


@pytest.mark.parametrize("clock", ["sparse", "audit"])
def test_a_wake_up_that_is_not_ahead_is_refused(clock: Any) -> None:
    with pytest.raises(ClockError, match="a bar after the current one or None, found 0 of BTC"):
        by_engine(CALM_BARS, Backward, params_of({}), clock)


def test_what_the_audit_catches_would_have_changed_the_trades() -> None:
    late, _ = by_engine(CALM_BARS, Late, params_of(PLANS["entry"]), "sparse")
    dense, _ = by_engine(CALM_BARS, Late, params_of(PLANS["entry"]), "dense")
    assert [fill.bar for fill in dense.fills] == [31, 59]
    assert [fill.bar for fill in late.fills] != [31, 59]


class Quiet(bt.Strategy):
    """Does something at bar 30 that no order tells of, and names no bar."""

    params: Any = (("at_30", None),)

    def __init__(self) -> None:
        self.journal: list[int] = []

    def next(self) -> None:
        if self.data.index == 30:
            self.p.at_30(self)

    def wakes_at(self, _data: Any) -> int | None:
        return None


@pytest.mark.parametrize(
    "act",
    [lambda strategy: strategy.journal.append(30), lambda strategy: strategy.cerebro.runstop()],
    ids=["journal", "runstop"],
)
def test_what_no_order_tells_of_is_caught_too(act: Any) -> None:
    with pytest.raises(ClockError, match="something happened at 2024-01-01 02:35Z"):
        engine_of([candles([CALM] * 60)], clock="audit").execute(Quiet, at_30=act)


class Beginner(bt.Strategy):
    """Acts when its indicator begins, at a bar that it does not name."""

    def __init__(self) -> None:
        self.average = bt.ind.SMA(self.data.close, period=13)
        self.began: list[int] = []

    def next(self) -> None:
        if not self.began:
            self.buy(size=1.0)
        self.began.append(self.data.index)

    def wakes_at(self, _data: Any) -> int | None:
        return None


def test_a_strategy_begins_with_its_indicators() -> None:
    runs = [
        engine_of([candles([CALM] * 60)], clock=clock).execute(Beginner)
        for clock in ("sparse", "dense")
    ]
    assert [run.fills[0].bar for run in runs] == [13, 13]
    assert runs[0].fills == runs[1].fills
    assert runs[0].strategy.began[0] == 12
    assert len(runs[0].strategy.began) < len(runs[1].strategy.began) == 48
