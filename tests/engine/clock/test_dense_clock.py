"""What cannot be skipped is run bar by bar, the report says why, and nothing changes."""

import io
from collections.abc import Callable
from datetime import time
from typing import Any

import backtrader as bt
import pytest

from engine.broker import BarBroker
from engine.data import BarsFeed, StreamFeed, stream_of
from tests.engine.clock.actor import Actor
from tests.engine.clock.cases import params_of, seeded_case
from tests.engine.clock.witness import PutIn, by_engine, by_stock, check_same, nothing
from tests.engine.markets import engine_of, random_market

TERMS, PLAN = seeded_case(7)


class Silent(Actor):
    """Does not say when it wants to be woken."""

    wakes_at = property()  # raises AttributeError, as if it were not there


class OwnNextStart(Actor):
    def nextstart(self) -> None:
        self.notes.write("nextstart")
        self.next()


class OwnCashValue(Actor):
    def notify_cashvalue(self, cash: float, value: float) -> None:
        self.notes.write("cashvalue", cash, value)


class OwnFund(Actor):
    def notify_fund(self, *fund: float) -> None:
        self.notes.write("fund", *fund)


class OwnStep(Actor):
    def _notify(self, *told: Any, **how: Any) -> None:
        self.notes.write("step")
        super()._notify(*told, **how)


class OwnLine(Actor):
    lines: Any = ("signal",)


class OwnTimer(Actor):
    def __init__(self) -> None:
        super().__init__()
        self.add_timer(time(3, 0))

    def notify_timer(self, _timer: Any, when: Any, **_how: Any) -> None:
        self.notes.write("timer", when)


class OtherBroker(BarBroker):
    """A broker that the clock does not know."""


class OtherFeed(BarsFeed):
    """A feed that the clock does not know."""


def other_broker(cerebro: bt.Cerebro) -> None:
    cerebro.setbroker(OtherBroker(cash=TERMS.cash, costs=TERMS.costs, rules=dict(TERMS.rules)))


def writer(cerebro: bt.Cerebro) -> None:
    cerebro.addwriter(bt.WriterFile, out=io.StringIO(), csv=True)


def filler(cerebro: bt.Cerebro) -> None:
    cerebro.broker.set_filler(bt.broker.fillers.FixedSize(size=2))


def cheat(cerebro: bt.Cerebro) -> None:
    cerebro.p.cheat_on_open = True


CASES: list[tuple[str, type[bt.Strategy], PutIn]] = [
    ("a strategy without wakes_at", Silent, nothing),
    ("a strategy with lines of its own", OwnLine, nothing),
    ("a strategy with nextstart", OwnNextStart, nothing),
    ("a strategy with notify_cashvalue", OwnCashValue, nothing),
    ("a strategy with notify_fund", OwnFund, nothing),
    ("a strategy with _notify", OwnStep, nothing),
    ("analyzers", Actor, lambda c: c.addanalyzer(bt.analyzers.TradeAnalyzer)),
    ("observers", Actor, lambda c: c.addobserver(bt.observers.Value)),
    ("observers", Actor, lambda c: c.addobservermulti(bt.observers.BuySell)),
    ("writers", Actor, writer),
    ("timers", OwnTimer, nothing),
    ("timers", Actor, lambda c: c.add_timer(time(3, 0))),
    ("cheat-on-open", Actor, cheat),
    ("quick notifications", Actor, lambda c: setattr(c.p, "quicknotify", True)),
    ("runonce or preload turned off, or oldsync on", Actor,
     lambda c: setattr(c.p, "runonce", False)),
    ("filtered feeds", Actor, lambda c: c.datas[0].addfilter(lambda *_: False)),
    ("feeds other than recorded bars", Actor,
     lambda c: c.adddata(OtherFeed(random_market(7, 80, "DDDD/USDT")))),
    ("a broker other than BarBroker", Actor, other_broker),
    ("a volume filler", Actor, filler),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "strategy", "put_in"), CASES, ids=[c[0] for c in CASES])
def test_each_reason_is_named_and_such_a_run_is_the_stock_one(
    reason: str, strategy: type[bt.Strategy], put_in: Callable[[bt.Cerebro], None]
) -> None:
    found, report = by_engine(TERMS, strategy, params_of(PLAN), "sparse", put_in)
    assert (report.kind, report.reasons) == ("dense", (reason,))
    assert report.run == report.moments == len(found.equity)
    check_same(found, by_stock(TERMS, strategy, params_of(PLAN), put_in), "dense against stock")


def test_every_reason_is_named_at_once() -> None:
    def put_in(cerebro: bt.Cerebro) -> None:
        writer(cerebro)
        filler(cerebro)

    _, report = by_engine(TERMS, Silent, params_of(PLAN), "sparse", put_in)
    assert set(report.reasons) == {"a strategy without wakes_at", "writers", "a volume filler"}


def test_nobody_asks_why_where_every_bar_was_asked_for() -> None:
    _, report = by_engine(TERMS, Silent, params_of(PLAN), "dense")
    assert (report.kind, report.reasons) == ("dense", ())


def test_an_audit_of_what_cannot_be_skipped_is_a_dense_run_and_says_so() -> None:
    _, report = by_engine(TERMS, Silent, params_of(PLAN), "audit")
    assert (report.kind, report.reasons) == ("dense", ("a strategy without wakes_at",))


def test_bars_that_arrive_are_all_run() -> None:
    bars = random_market(3, 60)
    engine = engine_of([], clock="sparse")
    engine.add_stream(StreamFeed(stream_of(bars), bars[:0]))
    report = engine.execute(Actor).clock
    assert (report.kind, report.moments, report.run) == ("stream", 60, 60)


# -------------------------------------------------------------------- what need not be dense


class Smoothed(Actor):
    """Writes down backtrader's own indicators too."""

    def __init__(self) -> None:
        super().__init__()
        self.averages = [bt.ind.SMA(data.close, period=9) for data in self.datas]
        self.smooth = bt.ind.EMA(bt.ind.RSI(self.data, period=5, safediv=True), period=4)

    def next(self) -> None:
        if len(self.data) and (self.data.symbol, self.data.index) in self.p.plan:
            shown = [(len(line), repr(line[0])) for line in (*self.averages, self.smooth)]
            self.notes.write("indicators", *shown)
        super().next()


class Patient(Actor):
    """Waits for the first bar of the last symbol, as backtrader does by itself."""

    def prenext(self) -> None: ...


class Prompt(Actor):
    """Answers what it is told at once, by orders of its own."""

    def notify_order(self, order: Any) -> None:
        super().notify_order(order)
        if order.status == order.Completed and order.info.get("reason") == "entry":
            away = -0.004 if order.isbuy() else 0.004
            how = {"exectype": bt.Order.Stop, "price": order.executed.price * (1.0 + away)}
            (self.sell if order.isbuy() else self.buy)(order.data, size=abs(order.size), **how)

    def notify_trade(self, trade: Any) -> None:
        super().notify_trade(trade)
        if trade.isclosed and trade.pnl < 0:
            self.buy(trade.data, size=0.2, exectype=bt.Order.Limit, price=trade.price * 0.995)


class Leaver(Actor):
    """Stops the run once a position was closed."""

    def notify_trade(self, trade: Any) -> None:
        super().notify_trade(trade)
        if trade.isclosed:
            self.cerebro.runstop()


OPTIONS: list[tuple[str, PutIn]] = [
    ("nothing", nothing),
    ("tradehistory", lambda c: setattr(c.p, "tradehistory", True)),
    ("oldsync", lambda c: setattr(c.p, "oldsync", True)),
    ("sizer", lambda c: c.addsizer(bt.sizers.FixedSize, stake=2)),
    ("coc", lambda c: c.broker.set_coc(True)),
]


@pytest.mark.parametrize("strategy", [Actor, Smoothed, Patient, Prompt, Leaver])
@pytest.mark.parametrize(("name", "put_in"), OPTIONS, ids=[name for name, _ in OPTIONS])
@pytest.mark.parametrize("seed", [7, 11])
def test_options_of_backtrader_change_nothing_either(
    seed: int, name: str, put_in: PutIn, strategy: type[bt.Strategy]
) -> None:
    terms, plan = seeded_case(seed)
    found, clock = by_engine(terms, strategy, params_of(plan), "sparse", put_in)
    check_same(found, by_stock(terms, strategy, params_of(plan), put_in), "sparse against stock")
    assert clock.kind == ("dense" if name == "oldsync" else "sparse")
