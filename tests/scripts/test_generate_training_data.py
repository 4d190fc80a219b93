"""The command that makes market data."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from feeds.files import read_bars
from feeds.synthetic import synthetic_bars
from feeds.timeframe import Timeframe
from generate_training_data import main

ROOT = Path(__file__).resolve().parents[2]
FIVE_MINUTES = Timeframe.parse("5m")


def command(output: Path, *more: str) -> list[str]:
    return ["--synthetic", "--days", "2", "--seed", "7", "--output", str(output), *more]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_file_holds_the_market_of_the_seed(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"market{suffix}"
    assert main(command(path)) == 0
    expected = synthetic_bars("BTC/USDT", FIVE_MINUTES, days=2, seed=7)
    assert read_bars(path)[0].digest() == expected.digest()
    assert capsys.readouterr().out == (
        "SYNTHETIC BTC/USDT 5m: 576 bars, 2022-01-01 00:00Z to 2022-01-03 00:00Z, 0 filled, "
        "1 segment, seed 7\n"
        f"written to {path}\n"
    )


def test_json_is_one_object_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--json", "--symbol", "eth-usd", "--timeframe", "1h", "--start-date", "2024-02-29")
    assert main(command(tmp_path / "x.csv", *flags)) == 0
    printed = capsys.readouterr()
    said = json.loads(printed.out)
    assert printed.err == ""
    assert said.pop("digest") == read_bars(tmp_path / "x.csv")[0].digest()
    assert said == {
        "source": "SYNTHETIC",
        "synthetic": True,
        "symbol": "ETH/USD",
        "timeframe": "1h",
        "bars": 48,
        "start": "2024-02-29T00:00:00Z",
        "end": "2024-03-02T00:00:00Z",
        "filled": 0,
        "segments": 1,
        "seed": 7,
        "files": [str(tmp_path / "x.csv")],
        "candidates": None,
    }


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--synthetic"], "add --output FILE.parquet"),
        (["--synthetic", "--output", "x.csv", "--exchange", "binance"], "not with --synthetic"),
        (["--synthetic", "--output", "x.csv", "--end-date", "2024-01-01"], "not with --synthetic"),
        (["--days", "5", "--start-date", "2024-01-01"], "give one of them"),
    ],
)
def test_flags_that_do_not_go_together_are_wrong_usage(
    words: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert hint in printed.err
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--symbol", "bitcoin"], "a symbol must look like BTC/USDT, found 'bitcoin'"),
        (["--timeframe", "5min"], "a timeframe must look like 1m, 5m, 1h or 1d, found '5min'"),
        (["--days", "-1"], "found '-1'"),
        (["--seed", "x"], "found 'x'"),
        (["--start-date", "soon"], "found 'soon'"),
        (["--sed", "1"], "unrecognized arguments: --sed 1"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_was_found(
    flags: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(command(tmp_path / "x.csv", *flags))
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "flags", "message"),
    [
        ("x.txt", [], "bars are kept in .parquet or .csv files, found .txt"),
        ("x.csv", ["--days", "0"], "a simulated market has 1 to 3650 days, found 0"),
    ],
)
def test_a_named_error_is_one_line_and_exits_1(
    name: str, flags: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(tmp_path / name, *flags)) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("generate_training_data: ")
    assert printed.err.endswith(f"{message}\n")
    assert printed.err.count("\n") == 1


def test_help_shows_examples_and_the_script_runs_by_itself() -> None:
    shown = subprocess.run(  # noqa: S603  our own script
        [sys.executable, str(ROOT / "generate_training_data.py"), "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "examples:\n  generate_training_data.py --symbol" in shown.stdout
