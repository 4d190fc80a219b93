"""A run on some dates reads the groups of rows that hold them, and sees what the whole shows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import DataConfig
from engine.errors import RunError
from engine.jobs.markets import AskedBars, BarFiles, Market, cut
from feeds import files
from feeds.bars import Bars
from feeds.errors import BadBarsError
from feeds.files import read_bars, write_bars
from feeds.parquet_part import Dates
from tests.engine.markets import random_market
from tests.makers import make_bars

COUNT = 150


def written(folder: Path, bars: Bars, each: int) -> Path:
    """Write bars to a file in groups of so many rows."""
    path = folder / "BTC-USDT_5m.parquet"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "GROUP", each)
        write_bars(bars, path)
    return path


def outcome(market: Market | None) -> tuple[str, int] | None:
    return None if market is None else (market.bars.digest(), market.first)


@given(
    file=st.tuples(st.integers(0, 10_000), st.integers(1, 160)),
    dates=st.tuples(st.none() | st.integers(-5, COUNT + 5), st.none() | st.integers(1, COUNT)),
    warmup=st.integers(0, 40),
    fill_limit=st.integers(0, 3),
)
@settings(max_examples=80, deadline=None)
def test_bars_of_some_dates_are_those_of_the_whole_file(
    file: tuple[int, int],
    dates: tuple[int | None, int | None],
    warmup: int,
    fill_limit: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    (seed, each), (begin, length) = file, dates
    made = random_market(seed, COUNT)
    path = written(tmp_path_factory.mktemp("bars"), made, each)
    step = made.timeframe.delta
    start = None if begin is None else made.time[0] + begin * step
    end = None if length is None else (made.time[0] if start is None else start) + length * step
    config = DataConfig(fill_limit=fill_limit)

    def asked(whole: bool) -> tuple[tuple[str, int] | None, str]:
        try:
            if whole:
                bars, _ = read_bars(path, fill_limit=fill_limit)
                return outcome(cut(bars, start=start, end=end, warmup_bars=warmup)), ""
            source = AskedBars(BarFiles((path,)), start, end)
            return outcome(source.markets(config, warmup)[0]), ""
        except RunError as error:
            return None, str(error).split("none in the range")[0]

    assert asked(whole=False) == asked(whole=True)


def test_groups_of_other_dates_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars = make_bars(COUNT)
    path = written(tmp_path, bars, each=10)
    read: list[list[int]] = []
    whole = pq.ParquetFile.read_row_groups

    def noted(file: pq.ParquetFile, groups: list[int], columns: list[str]) -> object:
        read.append(list(groups))
        return whole(file, groups, columns)

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", noted)
    dates = Dates(bars.time[73], bars.time[95], before=4)
    found, quality = read_bars(path, dates=dates)

    assert read == [[6, 7, 8, 9]]
    assert found.digest() == bars[60:100].digest()
    assert quality.rows_read == 40


def test_what_is_not_read_is_not_judged_and_what_is_wrong_is_told_of_the_whole(
    tmp_path: Path,
) -> None:
    bars = make_bars(COUNT)
    path = written(tmp_path, bars, each=10)
    table = pq.ParquetFile(path).read()
    closes = table["close"].to_numpy().copy()
    closes[25] = np.nan
    place = table.schema.names.index("close")
    pq.write_table(table.set_column(place, "close", [closes]), path, row_group_size=10)

    assert len(read_bars(path, dates=Dates(bars.time[40], None))[0]) == COUNT - 40
    for dates in (None, Dates(bars.time[20], bars.time[30])):
        with pytest.raises(BadBarsError, match=r"1 row with NaN.*\(row 26\)"):
            read_bars(path, dates=dates)


@pytest.mark.parametrize("kind", ["falling", "empty", "text"])
def test_a_file_whose_times_do_not_tell_is_read_whole(kind: str, tmp_path: Path) -> None:
    bars = make_bars(COUNT)
    frame = bars.frame()
    if kind == "falling":
        frame = pd.concat([frame[100:], frame[:100]], ignore_index=True)
    if kind == "empty":
        frame.loc[130, "timestamp"] = pd.NaT
    if kind == "text":
        frame["timestamp"] = frame["timestamp"].astype(str)
    path = tmp_path / "BTC-USDT_5m.parquet"
    frame.to_parquet(path, row_group_size=10)
    dates = Dates(bars.time[20], bars.time[30])

    def said(asked: Dates | None) -> str:
        try:
            return read_bars(path, dates=asked)[0].digest()
        except Exception as error:  # noqa: BLE001  whatever it is, it is the same
            return f"{type(error)}: {error}"

    assert said(dates) == said(None)
