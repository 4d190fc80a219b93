"""Moments made of recorded bars, and runs of the hybrid strategy on them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.jobs.hybrid_run import size_of
from engine.jobs.markets import Market
from engine.jobs.settings import Settings
from engine.paper.broker import PaperBroker
from engine.paper.engine import PaperEngine
from engine.paper.moments import Moments, PaperMoment, Phase
from engine.paper.records import OrderRecord, PricedFill
from engine.paper.tracking import Account
from engine.records import NO_CASH, Rejection
from feeds.live.moment import LiveBar, Origin, Tape
from strategies.crypto_scalping import CryptoScalpingStrategy
from strategies.views import WindowViews

LATER = np.timedelta64(1, "s")


@dataclass(frozen=True)
class PaperRun:
    """What came of a run."""

    broker: PaperBroker
    journal: list[dict[str, Any]]
    accounts: Mapping[np.datetime64, Account | None]
    orders: Mapping[np.datetime64, list[OrderRecord]]
    refused: Mapping[np.datetime64, list[Rejection]]

    @property
    def fills_by_close(self) -> dict[np.datetime64, list[PricedFill]]:
        by_close: dict[np.datetime64, list[PricedFill]] = defaultdict(list)
        for each in self.broker.priced:
            by_close[each.fill.filled_at].append(each)
        return by_close


def moments_of(markets: Sequence[Market], phase: Phase = Phase.LIVE) -> list[PaperMoment]:
    """Return the moments at which the bars closed, without tapes."""
    bars: dict[np.datetime64, dict[str, LiveBar]] = defaultdict(dict)
    for market in markets:
        for row in range(market.first, len(market.bars)):
            one = market.bars[row : row + 1]
            bars[one.closed_at[0]][one.symbol] = LiveBar(one, Origin.REST)
    return [
        PaperMoment(
            phase=phase, closed_at=at, bars=bars[at], arrived_at=at, late=phase is Phase.OFFLINE
        )
        for at in sorted(bars)
    ]


def with_tapes(moments: Iterable[PaperMoment], tapes: Mapping[Any, Tape]) -> Iterator[PaperMoment]:
    """Yield the moments with the tapes of one symbol, by the close."""
    for moment in moments:
        symbol = next(iter(moment.bars))
        held = tapes.get(moment.closed_at)
        yield moment if held is None else replace(moment, tapes={symbol: held})


def recorded(moments: Iterable[PaperMoment], run: PaperRun) -> Iterator[PaperMoment]:
    """Yield the moments as they stand on record after a run."""
    fills = run.fills_by_close
    for moment in moments:
        (delta,) = {each.bar.timeframe.delta for each in moment.bars.values()}
        yield replace(
            moment,
            phase=Phase.RECORDED,
            tapes={},
            fills=fills.get(moment.closed_at - delta, ()),
            refused=run.refused[moment.closed_at],
            sent={each.id: each.sent_at for each in run.orders[moment.closed_at]},
        )


def paper_run(
    moments: Iterable[PaperMoment],
    markets: Sequence[Market],
    settings: Settings,
    account: Account | None = None,
    sends_after: np.timedelta64 = LATER,
) -> PaperRun:
    """Run the hybrid strategy without ML on the moments, orders sent so long after the close."""
    accounts: dict[np.datetime64, Account | None] = {}
    orders: dict[np.datetime64, list[OrderRecord]] = {}
    refused: dict[np.datetime64, list[Rejection]] = {}
    followed = Moments(iter(moments), lambda: followed.current.closed_at + sends_after)

    def lived(_strategy: object) -> None:
        accounts[followed.current.closed_at] = engine.broker.account()
        orders[followed.current.closed_at] = engine.broker.changed_orders()
        known = sum(map(len, refused.values()))
        new = [each for each in engine.broker.rejections if each.reason == NO_CASH]
        refused[followed.current.closed_at] = new[known:]

    engine = PaperEngine(
        followed,
        lived,
        account,
        cash=settings.broker.cash,
        costs=settings.costs,
        rules=settings.symbols,
        protections=settings.protections,
    )
    for market in markets:
        keep = settings.strategy.warmup_bars + 1
        engine.add_symbol(market.bars[: market.first], keep=keep)
    strategy = engine.pass_bars(
        CryptoScalpingStrategy,
        config=settings.strategy,
        views=WindowViews(settings.strategy),
        size_of=size_of(engine, settings),
        veto=engine.veto,
        late=lambda: followed.current.late,
    )
    return PaperRun(engine.broker, strategy.journal, accounts, orders, refused)
