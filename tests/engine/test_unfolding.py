"""A recording that unfolds: the same bars and trades as preloaded ones, and no bar to come."""

from typing import Any

import backtrader as bt
import pytest

from engine.cerebro import Engine
from engine.errors import RunError
from feeds.bars import Bars
from feeds.costs import Costs
from strategies.own_file import read_class
from tests.makers import make_bars, with_hole
from tests.strategies.own import EXAMPLES

LONG = make_bars(1500, seed=1)
HOLED = with_hole(make_bars(1500, seed=2, symbol="ETH/USDT", start="2024-01-01 01:00"), 200, 40)


class Reader(bt.Strategy):
    """Buys and sells on every symbol, and writes down all that it is shown."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def next(self) -> None:
        for data in self.datas:
            if not len(data):
                continue
            window = data.window(30)
            lines = [line[0] for line in (data.open, data.close, data.volume, data.segment_end)]
            moment = str(data.moment)
            self.seen.append((data.symbol, moment, data.index, lines, window.close.tolist()))
            rises = data.close[0] > data.open[0]
            if rises and not self.getposition(data):
                self.buy(data=data, size=0.5)
            elif not rises and self.getposition(data):
                self.close(data=data)


class Peeker(bt.Strategy):
    """Reads how many values every line of every feed holds."""

    def next(self) -> None:
        for data in self.datas:
            for line in data.lines:
                assert len(line.array) == len(data)


def engine(markets: list[tuple[Bars, int]], *, unfolds: bool) -> Engine:
    made = Engine(cash=1e4, costs=Costs())
    if unfolds:
        made.add_unfolding(markets)
    else:
        for bars, first in markets:
            made.add_bars(bars, first=first)
    return made


@pytest.mark.parametrize(
    "markets",
    [[(LONG, 0)], [(LONG, 401)], [(LONG, 401), (HOLED, 300)], [(HOLED, 10), (LONG[:700], 300)]],
    ids=["one", "warm-up", "two, with a hole", "one ends early"],
)
def test_it_shows_and_trades_what_preloaded_bars_do(markets: list[tuple[Bars, int]]) -> None:
    before, after = (engine(markets, unfolds=u).execute(Reader) for u in (False, True))
    assert after.fills == before.fills
    assert after.trades == before.trades
    assert len(after.trades) > 50
    assert after.strategy.seen == before.strategy.seen
    assert after.equity.equity.tolist() == before.equity.equity.tolist()
    assert (before.clock.kind, after.clock.kind) == ("dense", "stream")


def test_the_example_trades_as_it_did() -> None:
    stock = read_class(f"{EXAMPLES / 'stock_strategy.py'}:StockStrategy").found
    before, after = (engine([(LONG, 401)], unfolds=u).execute(stock) for u in (False, True))
    assert after.trades == before.trades
    assert len(after.trades) > 5


def test_no_line_holds_a_bar_to_come() -> None:
    engine([(LONG, 401), (HOLED, 300)], unfolds=True).execute(Peeker)
    with pytest.raises(AssertionError):
        engine([(LONG, 401)], unfolds=False).execute(Peeker)


def test_the_first_bar_must_be_one_of_them() -> None:
    with pytest.raises(RunError, match="must be one of the 1500 bars, found 1500"):
        engine([(LONG, 1500)], unfolds=True)
