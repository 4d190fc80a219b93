"""Bars in files: every common form is read, every unsound one refused, nothing is lost."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.bars import Bars
from feeds.errors import BadBarsError, BadFileError, FeedError
from feeds.files import read_bars, write_bars
from feeds.gaps import to_bars
from feeds.synthetic import synthetic_bars
from tests.feeds.raw import FIVE_MINUTES, raw_frame, without_bars
from tests.makers import make_bars

each_suffix = pytest.mark.parametrize("suffix", [".csv", ".parquet"])
HEADER = "timestamp,open,high,low,close,volume\n"
ROWS = "2024-01-01 00:00,1,2,1,2,3\n2024-01-01 00:05,2,2,1,1,3\n"


def csv(folder: Path, text: str, name: str = "BTC-USDT_5m.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def refusal(path: Path, error: type[FeedError] = BadFileError) -> str:
    with pytest.raises(error) as refused:
        read_bars(path)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def read(path: Path) -> Bars:
    return read_bars(path)[0]


@given(
    gaps=st.lists(st.integers(0, 8), max_size=12),
    seed=st.integers(0, 99),
    suffix=st.sampled_from([".csv", ".parquet"]),
    synthetic=st.booleans(),
)
@settings(max_examples=15)
def test_written_bars_read_back_to_the_last_bit(
    gaps: list[int],
    seed: int,
    suffix: str,
    synthetic: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    rows = without_bars(raw_frame(sum(gaps) + len(gaps) + 2, seed), [*gaps, 0])
    bars = to_bars(rows, "ETH/USDT", FIVE_MINUTES, synthetic=synthetic)
    path = tmp_path_factory.mktemp("bars") / f"anything{suffix}"
    write_bars(bars, path)
    assert read(path).digest() == bars.digest()


@each_suffix
def test_any_number_survives_both_formats(suffix: str, tmp_path: Path) -> None:
    awkward = np.array(
        [5e-324, 1e-9, 0.1 + 0.2, 1 / 3, np.nextafter(1e5, 2e5), 123456789.123456789]
    )
    bars = make_bars(len(awkward))
    sound = to_bars(
        bars.frame().assign(
            timestamp=bars.time,
            open=awkward,
            high=awkward,
            low=awkward,
            close=awkward,
            volume=awkward,
        ),
        "BTC/USDT",
        FIVE_MINUTES,
    )
    write_bars(sound, tmp_path / f"x{suffix}")
    assert read(tmp_path / f"x{suffix}").digest() == sound.digest()


@each_suffix
def test_filled_bars_are_not_written(suffix: str, tmp_path: Path) -> None:
    bars = to_bars(without_bars(raw_frame(10), [0, 3]), "BTC/USDT", FIVE_MINUTES)
    write_bars(bars, tmp_path / f"x{suffix}")
    again, report = read_bars(tmp_path / f"x{suffix}", fill_limit=0)
    assert report.rows_read == 3
    assert not again.filled.any()


@each_suffix
def test_synthetic_bars_stay_synthetic_even_when_another_tool_rewrites_the_file(
    suffix: str, tmp_path: Path
) -> None:
    path, copy = tmp_path / f"x{suffix}", tmp_path / f"BTC-USDT{suffix}"
    write_bars(synthetic_bars("BTC/USDT", FIVE_MINUTES, days=1, seed=0), path)
    assert read(path).synthetic
    if suffix == ".csv":
        assert "SYNTHETIC" in path.read_text()
        pd.read_csv(path).to_csv(copy, index=False)
    else:
        pd.read_parquet(path).to_parquet(copy)
    assert read(copy).synthetic


def test_bars_of_an_exchange_are_not_synthetic(tmp_path: Path) -> None:
    assert not read(csv(tmp_path, HEADER + ROWS)).synthetic


@each_suffix
def test_nothing_is_left_behind_by_writing(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / "deep" / f"x{suffix}"
    write_bars(make_bars(5), path)
    assert list(path.parent.iterdir()) == [path]


TIME_FORMS: dict[str, Callable[[pd.DatetimeIndex], object]] = {
    "iso without zone": lambda t: t.strftime("%Y-%m-%d %H:%M:%S"),
    "iso with T and Z": lambda t: t.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "iso to the minute": lambda t: t.strftime("%Y-%m-%d %H:%M"),
    "iso in another zone": lambda t: t.tz_localize("UTC").tz_convert("Asia/Tokyo").map(str),
    "epoch seconds": lambda t: t.as_unit("s").astype("int64"),
    "epoch seconds as floats": lambda t: t.as_unit("s").astype("int64").astype(float),
    "epoch milliseconds": lambda t: t.as_unit("ms").astype("int64"),
    "epoch microseconds": lambda t: t.as_unit("us").astype("int64"),
    "epoch nanoseconds": lambda t: t.as_unit("ns").astype("int64"),
    "datetime64[s]": lambda t: t.as_unit("s"),
    "datetime64[ms]": lambda t: t.as_unit("ms"),
    "datetime64[us]": lambda t: t.as_unit("us"),
    "datetime64[ns]": lambda t: t.as_unit("ns"),
    "datetime with zone": lambda t: t.tz_localize("UTC").tz_convert("America/New_York"),
}


@pytest.mark.parametrize("form", TIME_FORMS)
@pytest.mark.parametrize("column", ["timestamp", "date", "Timestamp", "DATE"])
@each_suffix
def test_every_form_of_time_is_read(form: str, column: str, suffix: str, tmp_path: Path) -> None:
    frame = raw_frame(6)
    times: Any = TIME_FORMS[form](pd.DatetimeIndex(frame["timestamp"]))
    table = frame.drop(columns="timestamp").assign(**{column: times})
    path = tmp_path / f"BTC-USDT_5m{suffix}"
    table.to_csv(path, index=False) if suffix == ".csv" else table.to_parquet(path)
    np.testing.assert_array_equal(read(path).time, frame["timestamp"].to_numpy())


def test_a_parquet_file_whose_index_is_the_time_is_read(tmp_path: Path) -> None:
    raw_frame(6).set_index("timestamp").to_parquet(tmp_path / "BTC-USDT_5m.parquet")
    assert len(read(tmp_path / "BTC-USDT_5m.parquet")) == 6


def test_case_blanks_order_and_extra_columns_do_not_matter(tmp_path: Path) -> None:
    text = (
        "Trades, Close,VOLUME,Low,High,Open,Date\n7,2,3,1,2,1,2024-01-01\n7,1,3,1,2,2,2024-01-02\n"
    )
    bars = read(csv(tmp_path, text, "BTC-USDT.csv"))
    assert bars.open.tolist() == [1, 2]
    assert bars.close.tolist() == [2, 1]
    assert str(bars.timeframe) == "1d"


def with_column(name: str, *values: str) -> str:
    """Return the header and a row per value of an extra column."""
    rows = [f"2024-01-0{i},1,2,1,2,3,{value}\n" for i, value in enumerate(values, 1)]
    return HEADER.strip() + f",{name}\n" + "".join(rows)


THIRD = HEADER + ROWS + "2024-01-01 00:10,"
SPAN = "between the years 2000 and 2100, found"
NO_DATE = "timestamp must be a date like 2024-01-01 00:05 or epoch s or ms, found '01/02/2024'"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "BTC-USDT_5m.csv: the file is empty"),
        (HEADER, "the file has no rows"),
        ("a,b\n1,2\n", "column timestamp (or date), open, high, low, close, volume; found a, b"),
        (HEADER.replace("volume", "v") + ROWS, "missing column volume; found timestamp, open"),
        (HEADER.replace("volume", "Open") + ROWS, "one column must be called open, found two"),
        (HEADER + ROWS + "yesterday,1,2,1,2,3\n", "found 'yesterday' in row 3"),
        (HEADER + ROWS + ",1,2,1,2,3\n", "found nothing in row 3"),
        (HEADER + "01/02/2024,1,2,1,2,3\n", NO_DATE),
        (THIRD + "1,2,1,two,3\n", "close must be a number, found 'two' in row 3"),
        (THIRD + '"1,5",2,1,2,3\n', "open must be a number, found '1,5' in row 3"),
        (THIRD + "1,5,2,1,2,3,9\n", "cannot be read as csv"),
        (HEADER + "2024-01-01 00:10,1,5,2,1,2,3,9\n", "cannot be read as csv"),
        (HEADER + "1704067200000,1,2,1,2,3\n9,1,2,1,2,3\n", f"epoch ms {SPAN} '9' in row 2"),
        (HEADER + "0,1,2,1,2,3\n", f"must be epoch s or ms {SPAN} '0' in row 1"),
        (with_column("symbol", "ABC", "DEF"), "symbol must hold one value, found ABC and DEF"),
        (with_column("symbol", "bitcoin"), "a symbol must look like BTC/USDT, found 'bitcoin'"),
        (with_column("timeframe", "5min"), "its columns: a timeframe must look like"),
        (HEADER + ROWS.replace("05,", "01,"), "its name says 5m, but most rows are 1m apart"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_one_line_that_says_why(
    text: str, message: str, tmp_path: Path
) -> None:
    assert message in refusal(csv(tmp_path, text))


def test_a_file_that_is_not_there_is_named_in_full(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    assert refusal(path).startswith(f"{path}: there is no such file; paths count from")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "x.csv").mkdir()
    assert "x.csv: bars are kept in files, this is a folder" in refusal(tmp_path / "x.csv")


@pytest.mark.parametrize("name", ["bars.xlsx", "bars.feather", "bars"])
def test_an_unknown_suffix_is_refused_for_reading_and_writing(name: str, tmp_path: Path) -> None:
    found = Path(name).suffix or "no suffix"
    message = f"bars are kept in .parquet or .csv files, found {found}"
    assert message in refusal(tmp_path / name)
    with pytest.raises(BadFileError, match=message):
        write_bars(make_bars(3), tmp_path / name)


@pytest.mark.parametrize("cut", [5, 500])
def test_a_damaged_parquet_file_is_refused(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write_bars(make_bars(100), path)
    path.write_bytes(path.read_bytes()[:cut])
    assert "x.parquet: cannot be read as parquet" in refusal(path)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(bytes(range(256)))
    assert "x.csv: cannot be read as csv" in refusal(tmp_path / "x.csv")


def test_a_refused_file_names_defect_place_and_repair(tmp_path: Path) -> None:
    path = csv(tmp_path, HEADER + ROWS + ROWS.splitlines()[1] + "\n")
    assert refusal(path, BadBarsError) == (
        "BTC-USDT_5m.csv: 1 duplicate row, first 2024-01-01 00:05Z (row 3); "
        "repair with --repair dedupe"
    )


def test_a_named_repair_lets_the_file_in_and_is_reported(tmp_path: Path) -> None:
    first, second = ROWS.splitlines()
    path = csv(tmp_path, f"{HEADER}{second}\n{first}\n{first}\n")
    bars, report = read_bars(path, repair=["sort", "dedupe"])
    assert bars.open.tolist() == [1, 2]
    assert [defect.repair for defect in report.defects] == ["sort", "dedupe"]
    assert [(made.name, made.rows) for made in report.repairs] == [("sort", 2), ("dedupe", 1)]


def test_a_repair_that_is_not_needed_is_not_reported(tmp_path: Path) -> None:
    _, report = read_bars(csv(tmp_path, HEADER + ROWS), repair=["sort"])
    assert (report.repairs, report.defects) == ((), ())


def test_one_repair_does_not_excuse_another_defect(tmp_path: Path) -> None:
    first, second = ROWS.splitlines()
    path = csv(tmp_path, f"{HEADER}{second}\n{first}\n{first}\n")
    with pytest.raises(BadBarsError, match=r"1 duplicate row.*--repair sort,dedupe$"):
        read_bars(path, repair=["sort"])


def test_an_unknown_repair_is_refused_before_the_file_is_read(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="did you mean sort"):
        read_bars(tmp_path / "none.csv", repair=["sorted"])


def test_a_file_of_which_nothing_is_left_is_refused(tmp_path: Path) -> None:
    path = csv(tmp_path, HEADER + "2024-01-01 00:00,0,2,1,2,3\n")
    with pytest.raises(BadFileError, match="no row is left after the repairs"):
        read_bars(path, repair=["drop-broken"])


def test_no_bars_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="there are no bars to write"):
        write_bars(make_bars(3)[:0], tmp_path / "x.csv")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(BadFileError, match=r"taken.x\.csv: cannot be written"):
        write_bars(make_bars(3), tmp_path / "taken" / "x.csv")


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "rows", "filled", "segments"),
    [("binance_BTC-USDT_5m", 315_343, 0, 3), ("bitfinex_BTC-USD_1m", 520_499, 4_547, 24)],
)
def test_real_bars_are_sound_and_split_at_their_holes(
    name: str, rows: int, filled: int, segments: int, real_bars_dir: Path
) -> None:
    bars, report = read_bars(real_bars_dir / f"{name}.parquet")
    assert report.defects == ()
    assert (report.rows_read, report.filled_bars, report.segments) == (rows, filled, segments)
    assert len(bars) == rows + filled
