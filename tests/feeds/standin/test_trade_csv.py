"""Trades in CSV files: added to, read back to the last bit, refused where they are damaged."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.jobs.markets import BarFiles
from engine.jobs.settings import load_settings
from feeds.errors import BadFileError
from feeds.files import write_bars
from feeds.standin.trade_files import append_trades, holds_trades, read_trades
from feeds.standin.trades import RecordedTrades
from tests.makers import make_bars


def trades(*rows: tuple[int, float], symbol: str = "PEPE/USDT") -> RecordedTrades:
    """Return trades at so many ms after the new year 2024."""
    ms, price = np.array(rows, np.float64).reshape(-1, 2).T
    time = np.datetime64("2024-01-01", "ms") + ms.astype("timedelta64[ms]")
    return RecordedTrades(symbol, time, price, price / 3.0, ms.astype(np.int64) % 2 == 0)


@given(st.lists(st.tuples(st.integers(0, 10**9), st.floats(1e-12, 1e12)), min_size=1))
def test_what_was_added_comes_back_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, float]]
) -> None:
    file = tmp_path_factory.mktemp("trades") / "PEPE-USDT_trades.csv"
    given_ = trades(*sorted(rows))
    for half in (slice(None, len(rows) // 2), slice(len(rows) // 2, None)):
        part = (getattr(given_, n)[half] for n in ("time", "price", "units", "buyer_is_maker"))
        append_trades(RecordedTrades("PEPE/USDT", *part), file)
    assert holds_trades(file)
    found = read_trades(file)
    assert found.symbol == "PEPE/USDT"
    for name in ("time", "price", "units", "buyer_is_maker"):
        np.testing.assert_array_equal(getattr(found, name), getattr(given_, name))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("timestamp,price,qty,is_buyer_maker\n", "no rows"),
        ("timestamp,price,qty,is_buyer_maker\nsoon,1,1,True\n", "timestamp must be"),
        ("timestamp,price,qty,is_buyer_maker\n2024-01-01,dear,1,True\n", "could not convert"),
        ("timestamp,price,qty,is_buyer_maker\n2024-01-01,1,1,perhaps\n", "is_buyer_maker must be"),
        ("timestamp,price,qty,is_buyer_maker\n2024-01-01,-1,1,True\n", "price of a trade"),
        ("timestamp,price,qty\n2024-01-01,1,1\n", "missing is_buyer_maker"),
    ],
)
def test_what_are_no_trades_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "PEPE-USDT.csv"
    file.write_text(text)
    with pytest.raises(BadFileError, match=said) as refused:
        read_trades(file)
    assert "\n" not in str(refused.value)


def test_a_recording_may_hold_bars_trades_or_both(tmp_path: Path) -> None:
    data, minute = load_settings().data, 60_000
    bars = make_bars(5, symbol="ETH/USDT", timeframe="1m")
    write_bars(bars, tmp_path / "ETH-USDT_1m.parquet")
    for symbol in ("ETH/USDT", "PEPE/USDT"):
        made = trades((0, 1.0), (minute + 7, 2.0), (2 * minute, 4.0), symbol=symbol)
        append_trades(made, tmp_path / f"{symbol.replace('/', '-')}_trades.csv")
    source = BarFiles(tuple(sorted(tmp_path.iterdir())))
    assert {each.symbol for each in source.trades()} == {"ETH/USDT", "PEPE/USDT"}
    eth, pepe = source.read(data)
    assert eth.digest() == bars.digest()
    assert (pepe.symbol, str(pepe.timeframe), pepe.close.tolist()) == (
        "PEPE/USDT",
        "1m",
        [1.0, 2.0, 4.0],
    )
    assert not holds_trades(tmp_path / "ETH-USDT_1m.parquet")
    assert not holds_trades(tmp_path / "nowhere.csv")
