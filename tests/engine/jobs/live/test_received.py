"""What a session received: kept whole, of one session, and readable after a kill."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.errors import StateError
from engine.jobs.live.received import Received
from engine.paper.moments import PaperMoment
from engine.paper.reading import StateReader
from feeds.files import read_bars
from feeds.live.moment import Tape
from feeds.standin.trade_files import read_trades
from tests.engine.jobs.live.session_makers import keep_session
from tests.engine.paper.paper_makers import moments_of, with_tapes
from tests.engine.paper.test_broker import AT_MARKET, market, tapes_of

TRADED = market(3, bars=440)
TAPES = tapes_of(TRADED, np.random.default_rng(3))
MOMENTS = list(with_tapes(moments_of([TRADED]), TAPES))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    keep_session(tmp_path / "state", MOMENTS, [TRADED], AT_MARKET)
    return tmp_path / "state"


def record(state: Path, folder: Path, moments: list[PaperMoment]) -> None:
    with StateReader.open(state) as reader, Received(folder, reader) as recording:
        for moment in moments:
            recording.take(moment)


def test_bars_and_trades_come_back_as_they_were(state: Path, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    record(state, folder, MOMENTS)
    assert sorted(file.name for file in folder.iterdir()) == [
        "BTC-USDT_5m.parquet",
        "BTC-USDT_trades.csv",
    ]
    bars, _ = read_bars(folder / "BTC-USDT_5m.parquet")
    assert bars.digest() == TRADED.bars.digest()
    trades = read_trades(folder / "BTC-USDT_trades.csv")
    for name in ("time", "price", "units", "buyer_is_maker"):
        told = np.concatenate([getattr(tape, name) for tape in TAPES.values()])
        np.testing.assert_array_equal(getattr(trades, name), told)


def test_a_recording_is_gone_on_with_after_a_kill_in_the_middle_of_a_line(
    state: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    record(state, whole, MOMENTS)
    record(state, killed, MOMENTS[:20])
    file = killed / "BTC-USDT_trades.csv"
    with file.open("ab") as torn:
        torn.write(b"2024-01-02T11:00:00.0")
    assert len(read_trades(file)) == 80
    assert "no end" in caplog.text
    record(state, killed, MOMENTS[20:])
    assert file.read_bytes() == (whole / file.name).read_bytes()


def test_trades_that_came_out_of_order_or_of_nothing_are_kept_in_order(
    state: Path, tmp_path: Path
) -> None:
    tape = TAPES[MOMENTS[0].closed_at]
    mixed = Tape(
        time=tape.time[[1, 0, 2, 3]],
        price=tape.price,
        units=np.array([1.0, 2.0, 0.0, 4.0]),
        buyer_is_maker=tape.buyer_is_maker,
        since=None,
    )
    record(state, tmp_path / "kept", [replace(MOMENTS[0], tapes={"BTC/USDT": mixed})])
    trades = read_trades(tmp_path / "kept" / "BTC-USDT_trades.csv")
    assert trades.time.tolist() == tape.time[[0, 1, 3]].tolist()
    assert trades.units.tolist() == [2.0, 1.0, 4.0]


@pytest.mark.parametrize("left", ["BTC-USDT_5m.parquet", "BTC-USDT_trades.csv"])
def test_a_folder_of_another_session_is_refused(state: Path, tmp_path: Path, left: str) -> None:
    folder, other = tmp_path / "kept", market(4, bars=410)
    keep_session(tmp_path / "other", moments_of([other]), [other], AT_MARKET)
    record(state, folder, MOMENTS[:3])
    for file in folder.iterdir():
        if file.name != left:
            file.unlink()
    before = {file: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(StateError, match=r"one session's, found BTC/USDT of another; name another"):
        record(tmp_path / "other", folder, [])
    assert {file: file.read_bytes() for file in folder.iterdir()} == before


def test_a_folder_that_cannot_be_made_is_refused_in_one_line(state: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot be written"):
        record(state, tmp_path / "file" / "kept", [])
