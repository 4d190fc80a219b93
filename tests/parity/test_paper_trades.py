"""Recorded trades rehearsed: each fill is at the first trade that its order could have had."""

from pathlib import Path

import numpy as np
import pytest

from engine.jobs.live.parity import Parity
from engine.jobs.markets import BarFiles
from engine.paper.reading import StateReader
from engine.paper.records import PricedFill, PriceModel
from feeds.files import read_bars
from feeds.standin.trade_files import append_trades, holds_trades, read_trades
from feeds.standin.trades import RecordedTrades
from tests.parity.rehearsing import WARMUP, eager, rehearse, simulated_trades

LIVE = 36  # minutes that are traded


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Parity]:
    """A folder with trades, the state of their rehearsal and its recording; and its parity."""
    folder = tmp_path_factory.mktemp("rehearsed")
    file = folder / "SIM-USDT_trades.csv"
    append_trades(simulated_trades(WARMUP + LIVE, seed=8), file)
    found = rehearse(
        [file], folder / "state.sqlite", eager(), bar_seconds=0.3, record=folder / "kept"
    )
    return folder, found


def test_fills_are_at_the_first_trade_after_the_decision(rehearsed: tuple[Path, Parity]) -> None:
    folder, found = rehearsed
    assert list(found.differences) == []
    assert found.explained["trade"] > 3
    given = read_trades(folder / "SIM-USDT_trades.csv")
    assert check_trades(folder / "state.sqlite", folder / "kept", given) > 3


def check_trades(state: Path, kept: Path, given: RecordedTrades) -> int:
    """Check each fill that a trade priced; return how many there are.

    When a decision is made is for the machine to say: the rule is tested, not a price.
    """
    with StateReader.open(state) as reader:
        fills = [each for each in reader.fills() if each.model is PriceModel.TRADE]
        orders = {order.id: order for order in reader.orders()}
    (file,) = kept.glob("*_trades.csv")
    watched = read_trades(file)
    assert rows_of(watched) <= rows_of(given)
    for each in fills:
        sent_at = orders[each.order].sent_at
        assert sent_at >= each.fill.decided_at
        assert (each.quoted_at, each.quote) == first_for(each, sent_at, watched)
    return len(fills)


def first_for(
    told: PricedFill, sent_at: np.datetime64, watched: RecordedTrades
) -> tuple[np.datetime64, float]:
    """Return the first trade that was seen after the order and that it could have had."""
    price, asked = watched.price, told.order_price
    could = watched.time >= max(sent_at, told.fill.filled_at)
    if asked is not None:
        falls = (told.fill.units < 0) == (told.kind == "stop")
        could &= price <= asked if falls else price >= asked
    row = int(np.argmax(could))
    return watched.time[row], float(price[row])


def rows_of(trades: RecordedTrades) -> set[tuple[object, ...]]:
    columns = (trades.time, trades.price, trades.units, trades.buyer_is_maker)
    return set(zip(*(column.tolist() for column in columns), strict=True))


def test_bars_are_made_of_the_trades(rehearsed: tuple[Path, Parity]) -> None:
    folder, found = rehearsed
    (expected,) = BarFiles((folder / "SIM-USDT_trades.csv",)).read(eager().data)
    with StateReader.open(folder / "state.sqlite") as reader:
        bars = reader.bars("SIM/USDT")
    assert found.bars == LIVE
    assert bars.digest() == expected.digest()


def test_what_was_received_can_be_rehearsed(rehearsed: tuple[Path, Parity], tmp_path: Path) -> None:
    folder, _ = rehearsed
    files = sorted((folder / "kept").iterdir())
    assert [holds_trades(file) for file in files] == [False, True]
    bars, _ = read_bars(files[0])
    found = rehearse(files, tmp_path / "again.sqlite", eager(), bar_seconds=0.2)
    assert list(found.differences) == []
    with StateReader.open(tmp_path / "again.sqlite") as reader:
        assert reader.bars("SIM/USDT").digest() == bars.digest()
        assert found.bars == LIVE


def hour(day: str) -> tuple[np.datetime64, np.datetime64]:
    begin = np.datetime64(day, "ms")
    return begin, begin + np.timedelta64(60, "m")


@pytest.mark.real_data
@pytest.mark.slow
def test_an_hour_of_real_trades(real_bars_dir: Path, tmp_path: Path) -> None:
    file = real_bars_dir / "binance_PEPE-USDT_aggtrades_20241027.parquet"
    state, kept = tmp_path / "state.sqlite", tmp_path / "kept"
    dates = hour("2024-10-27T08:00")
    found = rehearse([file], state, eager(), bar_seconds=0.4, dates=dates, record=kept)
    assert list(found.differences) == []
    assert found.explained["trade"] > 2
    assert check_trades(state, kept, read_trades(file)) > 2
