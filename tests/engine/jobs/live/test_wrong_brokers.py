"""A session that a wrong broker has kept does not pass: parity looks at what did not fill, too."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import backtrader as bt
import numpy as np
import pytest

from engine import broker as engine_broker
from engine.broker import BarBroker
from engine.jobs.live.parity import parity
from engine.jobs.markets import Market
from engine.paper.broker import PaperBroker
from engine.paper.reading import StateReader
from tests.engine.jobs.live.session_makers import keep_session
from tests.engine.paper.paper_makers import moments_of
from tests.engine.paper.test_broker import AT_MARKET
from tests.makers import make_bars

Wrong: TypeAlias = Callable[[pytest.MonkeyPatch], None]


def wild_market() -> Market:
    """Return bars that often reach stop and target at once, with quiet ones between them."""
    bars = make_bars(1100, seed=3, volatility=0.008)
    columns = {n: getattr(bars, n).copy() for n in ("open", "high", "low", "close", "volume")}
    filled = bars.filled.copy()
    for row in range(402, len(bars), 5):
        for name in ("open", "high", "low", "close"):
            columns[name][row] = columns["close"][row - 1]
        columns["volume"][row], filled[row] = 0.0, True
    return Market(replace(bars, **columns, filled=filled), 400)


def targets_before_stops(patch: pytest.MonkeyPatch) -> None:
    turn = {bt.Order.Market: 0, bt.Order.Limit: 1}
    patch.setattr(
        engine_broker, "_precedence", lambda order: (turn.get(order.exectype, 2), order.ref)
    )


def stops_that_sleep_in_the_entry_bar(patch: pytest.MonkeyPatch) -> None:
    def wake(broker: Any, parent: Any) -> None:
        for child in broker._toactivate:
            if child.parent == parent:
                broker._set_price(child, parent.executed.price)

    patch.setattr(PaperBroker, "_wake_children", wake)


def fills_where_nobody_traded(patch: pytest.MonkeyPatch) -> None:
    def work(broker: Any, arrived: list[Any]) -> None:
        if broker.pending:
            broker._match(set(arrived))
            broker._drop_expired(arrived)
        broker._trail({data for data in arrived if not data.filled[0]})

    patch.setattr(BarBroker, "_work", work)


def none(_patch: pytest.MonkeyPatch) -> None:
    """Leave the broker as it is."""


def kept(path: Path, wrong: Wrong) -> tuple[int, float]:
    """Keep a session, and return what parity does not explain and its cash at the end."""
    traded = wild_market()
    with pytest.MonkeyPatch.context() as patch:
        wrong(patch)
        keep_session(path, moments_of([traded]), [traded], AT_MARKET)
    with StateReader.open(path) as reader:
        cash = reader.moments(last=1)[0].cash
    return len(parity(path).differences), cash


@pytest.mark.parametrize(
    "wrong",
    [targets_before_stops, stops_that_sleep_in_the_entry_bar, fills_where_nobody_traded],
    ids=lambda wrong: wrong.__name__,
)
def test_what_a_wrong_broker_made_of_it_is_not_explained(wrong: Wrong, tmp_path: Path) -> None:
    honest, cash = kept(tmp_path / "honest.sqlite", none)
    unexplained, other_cash = kept(tmp_path / "wrong.sqlite", wrong)
    assert honest == 0
    assert not np.isclose(cash, other_cash)
    assert unexplained > 0
