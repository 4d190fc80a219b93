"""Who says which symbol and timeframe a file holds, and who is believed."""

from pathlib import Path

import pandas as pd
import pytest

from feeds.errors import BadFileError
from feeds.files import read_bars, write_bars
from feeds.gaps import to_bars
from feeds.identity import claim_of_name
from feeds.timeframe import Timeframe
from tests.feeds.raw import FIVE_MINUTES, raw_frame, without_bars
from tests.makers import make_bars

ONE_HOUR = Timeframe.parse("1h")


@pytest.mark.parametrize(
    ("stem", "symbol", "timeframe"),
    [
        ("binance_BTC-USDT_5m", "BTC/USDT", "5m"),
        ("BTC-USDT_5m", "BTC/USDT", "5m"),
        ("BTC_USDT-5m", "BTC/USDT", "5m"),
        ("btc-usdt_1h", "BTC/USDT", "1h"),
        ("BTCUSDT-15m-2024-01", "BTC/USDT", "15m"),
        ("BTC-USDT_5m_180d", "BTC/USDT", "5m"),
        ("1000PEPE-USDT_1m", "1000PEPE/USDT", "1m"),
        ("bitfinex_BTC-USD_1m", "BTC/USD", "1m"),
        ("ETH-BTC_4h", "ETH/BTC", "4h"),
        ("ETH_EUR", "ETH/EUR", None),
        ("BTCFDUSD", "BTC/FDUSD", None),
        ("candles_5m", None, "5m"),
        ("5m", None, "5m"),
        ("train", None, None),
        ("train_data", None, None),
        ("TRAIN_DATA", None, None),
        ("train_btc", None, None),
        ("my_2nd_file", None, None),
        ("amateur", None, None),
        ("2024-01-01", None, None),
    ],
)
def test_what_a_file_name_says(stem: str, symbol: str | None, timeframe: str | None) -> None:
    claim = claim_of_name(Path(f"{stem}.parquet"))
    assert claim.symbol == symbol
    assert claim.timeframe == (Timeframe.parse(timeframe) if timeframe else None)


def write_csv(folder: Path, name: str, *, rows: int = 6, extra: str = "", value: str = "") -> Path:
    frame = raw_frame(rows)
    if extra:
        frame[extra] = value
    frame.to_csv(folder / name, index=False)
    return folder / name


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_file_itself_is_believed_before_its_name(
    suffix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / f"ETH-USDT_5m{suffix}"
    write_bars(make_bars(5, symbol="SOL/USDT"), path)
    assert read_bars(path)[0].symbol == "SOL/USDT"
    assert "says SOL/USDT, its name ETH/USDT; taking SOL/USDT" in caplog.text


def test_the_name_is_believed_before_the_command(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_csv(tmp_path, "ETH-USDT_5m.csv")
    bars, _ = read_bars(path, symbol="SOL/USDT", timeframe=ONE_HOUR)
    assert (bars.symbol, bars.timeframe) == ("ETH/USDT", FIVE_MINUTES)
    assert len(caplog.records) == 2
    assert "its name says ETH/USDT, the command SOL/USDT; taking ETH/USDT" in caplog.text
    assert "its name says 5m, the command 1h; taking 5m" in caplog.text


def test_the_command_is_believed_where_the_file_says_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_csv(tmp_path, "train.csv")
    bars, _ = read_bars(path, symbol="SOL/USDT", timeframe=FIVE_MINUTES)
    assert (bars.symbol, bars.timeframe) == ("SOL/USDT", FIVE_MINUTES)
    assert caplog.records == []


def test_where_nobody_says_a_symbol_the_file_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = write_csv(tmp_path, "train.csv")
    with pytest.raises(BadFileError, match=r"train\.csv: .* name it by --symbol") as caught:
        read_bars(path)
    named = path.rename(path.with_name(str(caught.value).split("call the file ")[1]))
    bars, _ = read_bars(named)
    assert (bars.symbol, bars.timeframe) == ("BTC/USDT", FIVE_MINUTES)


@pytest.mark.parametrize("text", ["SOLUSDT", "SOL/USDT", "sol-usdt", "SOL_USDT"])
def test_a_constant_symbol_column_is_read(text: str, tmp_path: Path) -> None:
    path = write_csv(tmp_path, "train.csv", extra="Symbol", value=text)
    assert read_bars(path)[0].symbol == "SOL/USDT"


def test_a_constant_timeframe_column_is_read(tmp_path: Path) -> None:
    path = write_csv(tmp_path, "BTC-USDT.csv", rows=1, extra="timeframe", value="5m")
    assert read_bars(path)[0].timeframe == FIVE_MINUTES


@pytest.mark.parametrize(
    ("name", "extra", "value", "origin"),
    [
        ("BTC-USDT_1h.csv", "", "", "its name"),
        ("BTC-USDT.csv", "timeframe", "1h", "its columns"),
    ],
)
def test_a_timeframe_that_the_rows_contradict_is_refused(
    name: str, extra: str, value: str, origin: str, tmp_path: Path
) -> None:
    path = write_csv(tmp_path, name, extra=extra, value=value)
    with pytest.raises(BadFileError, match=f"{origin} says 1h, but most rows are 5m apart"):
        read_bars(path)


def test_a_timeframe_of_the_command_that_the_rows_contradict_is_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path, "BTC-USDT.csv")
    with pytest.raises(BadFileError, match="the command says 1h, but most rows are 5m apart"):
        read_bars(path, timeframe=ONE_HOUR)


def test_metadata_that_the_rows_contradict_is_refused(tmp_path: Path) -> None:
    hourly = to_bars(without_bars(raw_frame(60), [11] * 4), "BTC/USDT", FIVE_MINUTES)
    write_bars(hourly, tmp_path / "x.parquet")
    with pytest.raises(BadFileError, match="its metadata says 5m, but most rows are 1h apart"):
        read_bars(tmp_path / "x.parquet")


def test_an_hour_without_rows_does_not_make_rows_hourly(tmp_path: Path) -> None:
    without_bars(raw_frame(60), [0, 0, 11, 0]).to_csv(tmp_path / "BTC-USDT_1h.csv", index=False)
    with pytest.raises(BadFileError, match="its name says 1h, but most rows are 5m apart"):
        read_bars(tmp_path / "BTC-USDT_1h.csv")


def test_a_claimed_timeframe_holds_for_rows_with_many_holes(tmp_path: Path) -> None:
    rows = without_bars(raw_frame(60), [1, 2, 3, 4, 1, 0, 2, 3])
    rows.to_csv(tmp_path / "BTC-USDT_5m.csv", index=False)
    assert read_bars(tmp_path / "BTC-USDT_5m.csv")[0].timeframe == FIVE_MINUTES


def test_one_row_tells_no_timeframe(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="one time tells no timeframe; name it: --timeframe 5m"):
        read_bars(write_csv(tmp_path, "BTC-USDT.csv", rows=1))


def test_a_spacing_of_seconds_is_no_timeframe(tmp_path: Path) -> None:
    rows = raw_frame(3)
    rows["timestamp"] = rows["timestamp"][0] + pd.to_timedelta([0, 30, 60], unit="s")
    rows.to_csv(tmp_path / "BTC-USDT.csv", index=False)
    with pytest.raises(BadFileError, match="most rows are 30 s apart; a timeframe must be whole"):
        read_bars(tmp_path / "BTC-USDT.csv")
