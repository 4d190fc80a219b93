"""One run by every road, and all that can be seen of it.

The roads are the sparse clock, the dense one, the audit, and stock `bt.Cerebro` with our broker and
feeds put in, whose orders are backtrader's own there. What they show is free of references and
identities, so that `==` compares it to the last bit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any, TypeAlias

import backtrader as bt

from engine.broker import BarBroker
from engine.cerebro import Engine
from engine.clock import ClockReport, Pace
from engine.data import BarsFeed
from engine.equity import equity_curve
from engine.prices import range_of
from engine.protections import Proposal, ProtectionsConfig, checks_of, first_veto
from engine.rules import SymbolRules
from feeds.bars import Bars
from feeds.costs import Costs
from tests.engine.markets import FREE

Veto: TypeAlias = Callable[..., str | None]
UNPROTECTED = ProtectionsConfig()
ParamsOf: TypeAlias = Callable[[BarBroker, Veto], Mapping[str, Any]]
PutIn: TypeAlias = Callable[[bt.Cerebro], None]


class StockOrders(BarBroker):
    """Our broker, but backtrader makes, copies and matches its orders and counts what they cost."""

    buy = bt.brokers.BackBroker.buy
    sell = bt.brokers.BackBroker.sell
    _ocoize = bt.brokers.BackBroker._ocoize
    _ococheck = bt.brokers.BackBroker._ococheck

    def _try_exec(self, order: Any) -> None:
        self._range = range_of(order.data)
        bt.brokers.BackBroker._try_exec(self, order)

    def _settle(self, order: Any, price: float) -> None:
        bt.brokers.BackBroker._execute(self, order, ago=0, price=price)


class Notes:
    """What a strategy is told and when, and what the account is then.

    Not a base class: backtrader gives a strategy of two bases its lines twice.

    Attributes
    ----------
    told : one row for each notification, and for each thing done (`write`)
    """

    def __init__(self, strategy: bt.Strategy) -> None:
        self.told: list[tuple[Any, ...]] = []
        self._strategy = strategy
        self._numbers: dict[int, int] = {}

    def order(self, order: Any) -> None:
        """Note an order notification."""
        number = self._numbers.setdefault(order.ref, len(self._numbers))
        self.told.append((*order_seen(order, number), *self._now(order.data)))

    def trade(self, trade: Any) -> None:
        """Note a trade notification."""
        self.told.append((*trade_seen(trade), *self._now(trade.data)))

    def write(self, what: str, *more: Any) -> None:
        """Note what is done now, and every bar it is done on."""
        begun = [d for d in self._strategy.datas if len(d) > 1]
        lines = [(len(d), d.datetime[0], d.close[0], d.close[-1]) for d in begun]
        self.told.append((what, *more, *lines, *self._now()))

    def _now(self, data: Any = None) -> tuple[Any, ...]:
        strategy = self._strategy
        at = None if data is None or not len(data) else (data.symbol, data.index)
        money, held = money_of(strategy.broker), held_by(strategy.broker)
        return at, len(strategy), strategy.datetime[0], *money, held


def money_of(broker: Any) -> tuple[float, ...]:
    """Return every sum that the broker tells."""
    return broker.getcash(), broker.getvalue(), broker.fundvalue, broker.free_cash()


def held_by(broker: Any) -> list[tuple[str, float, float]]:
    """Return the positions; one that was only asked for is there too, without size."""
    return sorted((d.symbol, p.size, p.price) for d, p in broker.positions.items() if p.size)


def order_seen(order: Any, number: int) -> tuple[Any, ...]:
    """Return everything of an order that is a value."""
    info = {key: order.info[key] for key in sorted(order.info)}
    created, executed = order.created, order.executed
    return (
        "order",
        number,
        order.getstatusname(),
        order.getordername(),
        order.isbuy(),
        order.size,
        *(order.price, order.pricelimit, order.plimit, order.valid, order.triggered),
        *(order.tradeid, order.transmit, order.trailamount, order.trailpercent),
        *(created.dt, created.size, created.price, created.pricelimit),
        *(executed.dt, executed.size, executed.price, executed.remsize),
        *(executed.value, executed.comm, executed.pnl, executed.psize, executed.pprice),
        len(executed.exbits),
        info,
    )


def trade_seen(trade: Any) -> tuple[Any, ...]:
    """Return everything of a trade that is a value."""
    return (
        "trade",
        trade.status,
        *(trade.size, trade.price, trade.value, trade.commission, trade.pnl, trade.pnlcomm),
        *(trade.isopen, trade.isclosed, trade.justopened, trade.tradeid),
        *(trade.baropen, trade.barclose, trade.barlen, trade.dtopen, trade.dtclose),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Markets, each with the position of its first bar, and on what terms they are traded."""

    markets: Sequence[tuple[Bars, int]]
    costs: Costs = FREE
    rules: Mapping[str, SymbolRules]
    protections: ProtectionsConfig = UNPROTECTED
    cash: float = 10_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a road showed."""

    told: Sequence[Any]
    journal: Sequence[str]
    fills: Sequence[Any]
    rejections: Sequence[Any]
    trades: Sequence[Any]
    equity: Sequence[tuple[float, ...]]
    money: tuple[float, ...]
    positions: Sequence[tuple[str, float, float]]
    waiting: Sequence[Any]
    history: tuple[Any, ...]
    lengths: Sequence[int]


def seen(broker: Any, strategy: Any, curve: Any) -> Seen:
    """Gather what a run has left."""
    columns = (curve.time.astype("int64"), curve.equity, curve.cash, curve.position_value)
    return Seen(
        told=strategy.notes.told,
        journal=[repr(row) for row in getattr(strategy, "journal", ())],
        fills=list(broker.fills),
        rejections=list(broker.rejections),
        trades=list(broker.book.trades),
        equity=list(zip(*(column.tolist() for column in columns), strict=True)),
        money=money_of(broker),
        positions=held_by(broker),
        waiting=[(*order_seen(o, 0), o.active()) for o in broker.pending],
        history=astuple(broker.history),
        lengths=[len(strategy), *(len(data) for data in strategy.datas)],
    )


def nothing(_cerebro: bt.Cerebro) -> None:
    """Put nothing in."""


def by_stock(
    terms: Terms, strategy: type[bt.Strategy], params_of: ParamsOf, put_in: PutIn = nothing
) -> Seen:
    """Run on `bt.Cerebro` itself, our broker and feeds put in."""
    cerebro = bt.Cerebro(stdstats=False)
    config = terms.protections
    how = {"rules": dict(terms.rules), "watch_equity": config.watches_equity}
    cerebro.setbroker(StockOrders(cash=terms.cash, costs=terms.costs, **how))
    for bars, first in terms.markets:
        cerebro.adddata(BarsFeed(bars, first))
    put_in(cerebro)
    broker = cerebro.broker
    cerebro.addstrategy(strategy, **params_of(broker, stock_veto(broker, config)))
    (ran,) = cerebro.run()
    delivered = {feed.symbol: feed.delivered() for feed in cerebro.datas}
    curve = equity_curve(broker.fills, delivered, dict.fromkeys(delivered, 0), terms.cash)
    return seen(broker, ran, curve)


def stock_veto(broker: BarBroker, config: ProtectionsConfig) -> Veto:
    """Return `Engine.veto` for a run without Engine."""
    checks = checks_of(config)

    def veto(feed: Any, units: float, limit: float | None = None) -> str | None:
        entry = Proposal(
            symbol=feed.symbol,
            decided_at=feed.moment,
            bar_length=feed.bar_length.delta,
            cost=units * broker.terms_of(feed, limit, by_limit=limit is not None).paid,
            equity=broker.getvalue(),
            at_work=broker.at_work(),
        )
        return first_veto(entry, broker.history, checks)

    return veto


def by_engine(
    terms: Terms,
    strategy: type[bt.Strategy],
    params_of: ParamsOf,
    clock: Pace,
    put_in: PutIn = nothing,
) -> tuple[Seen, ClockReport]:
    """Run on the Engine."""
    engine = Engine(
        cash=terms.cash,
        costs=terms.costs,
        rules=terms.rules,
        protections=terms.protections,
        clock=clock,
    )
    for bars, first in terms.markets:
        engine.add_bars(bars, first)
    put_in(engine)
    ran = engine.execute(strategy, **params_of(engine.broker, engine.veto))
    shown = seen(engine.broker, ran.strategy, ran.equity)
    assert shown.fills == list(ran.fills)
    assert shown.rejections == list(ran.rejections)
    assert shown.trades == list(ran.trades)
    return shown, ran.clock


def check_same(found: Seen, expected: Seen, road: str) -> None:
    """Check that two roads showed the same, and name the first difference."""
    for field in fields(Seen):
        there, here = getattr(expected, field.name), getattr(found, field.name)
        if here == there:
            continue
        for at, (one, other) in enumerate(zip(here, there, strict=False)):
            assert one == other, f"{road}: {field.name}[{at}]"
        raise AssertionError(f"{road}: {field.name} holds {len(here)}, expected {len(there)}")


def check_roads(
    terms: Terms, strategy: type[bt.Strategy], params_of: ParamsOf
) -> tuple[Seen, ClockReport]:
    """Check that every road shows the same, and return what the sparse clock showed."""
    stock = by_stock(terms, strategy, params_of)
    dense, densely = by_engine(terms, strategy, params_of, "dense")
    sparse, sparsely = by_engine(terms, strategy, params_of, "sparse")
    audit, audited = by_engine(terms, strategy, params_of, "audit")
    check_same(dense, stock, "dense against stock")
    check_same(sparse, dense, "sparse against dense")
    check_same(audit, dense, "audit against dense")
    assert (densely.kind, densely.run) == ("dense", densely.moments)
    assert audited.kind == "audit"
    assert sparsely.moments == densely.moments == len(sparse.equity)
    return sparse, sparsely
