"""Fills priced again on their own agree with the broker, and a wrong price does not pass."""

from dataclasses import replace

import numpy as np
import pytest

from engine.jobs.settings import Settings
from engine.paper.moments import Phase
from engine.paper.records import PricedFill, PriceModel
from engine.paper.repricing import Cause, Repricing, parents_in_bar
from feeds.live.moment import Revision
from tests.engine.paper.paper_makers import moments_of, paper_run, with_tapes
from tests.engine.paper.test_broker import AT_LIMIT, AT_MARKET, TRAILING, market, tapes_of

KINDS = pytest.mark.parametrize(
    "settings", [AT_MARKET, AT_LIMIT, TRAILING], ids=["market", "limit", "trailing"]
)


def repriced(
    settings: Settings, *, taped: bool, revisions: tuple[Revision, ...] = (), offline: bool = False
) -> tuple[list[PricedFill], Repricing]:
    traded = market(8)
    tapes = tapes_of(traded, np.random.default_rng(8)) if taped else {}
    moments = list(with_tapes(moments_of([traded]), tapes))
    if offline:
        moments = [
            replace(m, phase=Phase.OFFLINE, late=True) if i % 40 > 20 else m
            for i, m in enumerate(moments)
        ]
    run = paper_run(moments, [traded], settings)
    bars = {traded.bars.symbol: traded.bars}
    sent = {order.id: order.sent_at for orders in run.orders.values() for order in orders}
    return run.broker.priced, Repricing(bars, revisions, settings.costs, settings.symbols, sent)


@KINDS
def test_the_bar_model_gives_what_the_broker_paid(settings: Settings) -> None:
    fills, repricing = repriced(settings, taped=False)
    parents = parents_in_bar(fills)
    assert len(fills) > 20
    assert all(repricing.of(each, parents.get(each.order)).same for each in fills)


@KINDS
def test_a_trade_explains_what_the_bar_does_not(settings: Settings) -> None:
    fills, repricing = repriced(settings, taped=True)
    parents = parents_in_bar(fills)
    found = [repricing.of(each, parents.get(each.order)) for each in fills]
    assert not any(each.unexplained for each in found)
    assert Cause.TRADE in {each.cause for each in found}


@KINDS
@pytest.mark.parametrize("taped", [False, True])
def test_a_price_that_is_off_by_a_tick_is_not_explained(settings: Settings, taped: bool) -> None:
    fills, repricing = repriced(settings, taped=taped)
    parents = parents_in_bar(fills)
    for each in fills:
        moved = replace(each, fill=replace(each.fill, price=each.fill.price + 0.01))
        assert repricing.of(moved, parents.get(each.order)).unexplained


def test_a_fill_while_nobody_watched_is_explained_by_its_rule() -> None:
    fills, repricing = repriced(TRAILING, taped=False, offline=True)
    offline = [each for each in fills if each.model is PriceModel.OFFLINE]
    assert offline
    assert {repricing.of(each, None).cause for each in offline} == {Cause.OFFLINE}
    moved = replace(offline[0], fill=replace(offline[0].fill, price=offline[0].fill.price + 0.01))
    assert repricing.of(moved, None).unexplained


def test_a_bar_that_was_revised_explains_its_fills_and_no_others() -> None:
    plain, _ = repriced(AT_MARKET, taped=False)
    entry = next(each for each in plain if each.kind == "market")
    revision = Revision(
        symbol=entry.fill.symbol,
        time=entry.fill.filled_at,
        before=(100.0, 101.0, 99.0, 100.0, 1.0),
        after=(90.0, 91.0, 89.0, 90.0, 1.0),
        seen_at=entry.fill.filled_at,
    )
    fills, repricing = repriced(AT_MARKET, taped=False, revisions=(revision,))
    for each in fills:
        found = repricing.of(each, None)
        revised = each.fill.filled_at == revision.time
        assert found.cause == (Cause.REVISION if revised else None)
        assert found.same != revised


def test_a_trade_that_the_order_could_not_have_had_explains_nothing() -> None:
    fills, repricing = repriced(AT_MARKET, taped=True)
    stop = next(each for each in fills if each.kind == "stop" and each.quote is not None)
    assert stop.order_price is not None
    above = replace(stop, quote=stop.order_price * 1.1)
    paid = above.quote * (1 - AT_MARKET.costs.market_penalty) if above.quote else 0.0
    assert repricing.of(replace(above, fill=replace(above.fill, price=paid)), None).unexplained
