"""Files of bars that are no such files, or hold no such bars: for every command that reads any."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
import pytest

from feeds.files import write_bars
from tests.makers import make_bars
from tests.wrong_input.rooms import READERS, Command, Desk

Frame: TypeAlias = pd.DataFrame

HEADER = "timestamp,open,high,low,close,volume\n"
FIRST = "2024-01-01 00:00,2,3,1,2,5\n"


@dataclass(frozen=True, slots=True)
class Case:
    """A file: its name, what it holds, and what the refusal must say beside the name."""

    about: tuple[str, ...]
    make: Callable[[Path], object]
    name: str = "BTC-USDT_5m.csv"


def text(content: str, *about: str, name: str = "BTC-USDT_5m.csv") -> Case:
    return Case(about, lambda path: path.write_text(content), name)


def noise(content: bytes, *about: str, name: str = "BTC-USDT_5m.csv") -> Case:
    return Case(about, lambda path: path.write_bytes(content), name)


def rows(change: Callable[[Frame], Frame], *about: str) -> Case:
    """Return a CSV file of some thirty sound rows after a change."""

    def make(path: Path) -> None:
        frame = make_bars(30).frame()
        frame["timestamp"] = frame["timestamp"].dt.strftime("%Y-%m-%d %H:%M")
        change(frame).to_csv(path, index=False)

    return Case(about, make)


def value(column: str, found: object, *about: str) -> Case:
    """Return a file in which one value is wrong, that of row 12."""

    def change(frame: Frame) -> Frame:
        values = frame[column].tolist()
        return frame.assign(**{column: [*values[:11], found, *values[12:]]})

    return rows(change, *about)


def parquet(content: Callable[[bytes], bytes], *about: str) -> Case:
    """Return a Parquet file whose bytes are changed."""

    def make(path: Path) -> None:
        write_bars(make_bars(30), path)
        path.write_bytes(content(path.read_bytes()))

    return Case(about, make, "BTC-USDT_5m.parquet")


NOISE = np.random.default_rng(3).bytes(4000)
BROKEN = "--repair drop-broken"

CASES = {
    # what is no file of bars
    "a file that is not there": Case(("there is no such file",), lambda _: None),
    "a folder": Case(("this is a folder",), lambda path: path.mkdir()),
    "a suffix that nobody reads": text("x", ".parquet or .csv files", name="bars.xlsx"),
    "an empty file": text("", "the file is empty"),
    "a file of blank lines": text("\n\n\n", "cannot be read as csv"),
    "a header and no row": text(HEADER, "the file has no rows"),
    "noise instead of CSV": noise(NOISE, "cannot be read as csv"),
    "nothing but commas": text("," * 300_000, "its first line must name the columns"),
    "a CSV file in another encoding": noise(HEADER.encode("utf-16"), "cannot be read as csv"),
    "noise instead of Parquet": parquet(lambda _: NOISE, "cannot be read as parquet"),
    "a Parquet file cut short": parquet(lambda whole: whole[:-500], "cannot be read as parquet"),
    "text instead of Parquet": parquet(lambda _: HEADER.encode(), "cannot be read as parquet"),
    "Parquet under the name of CSV": noise(b"PAR1" + NOISE, "cannot be read as csv"),
    # columns
    "the columns of something else": text("a,b\n1,2\n", "missing column timestamp", "found a, b"),
    "a column too few": rows(lambda f: f.drop(columns="low"), "missing column low"),
    "two columns of one name": text(HEADER.replace("low", "Open"), "one column must be called op"),
    "a value too many in a row": text(HEADER + FIRST + FIRST.replace(",5", ",5,7"), "cannot be re"),
    "a column of truth values": rows(lambda f: f.assign(close=True), "close must be a number"),
    # times
    "dates that are none": value("timestamp", "yesterday", "timestamp must be", "'yesterday' in r"),
    "dates of which nobody knows which is the month": text(
        HEADER + "01/02/2024,2,3,1,2,5\n", "timestamp must be a date like 2024-01-01 00:05"
    ),
    "a date that is missing": value("timestamp", "", "found nothing in row 12"),
    "a date of another age": value("timestamp", "1815-06-18", "between the years 1970 and 2200"),
    "a number that is no epoch": text(HEADER + "12,2,3,1,2,5\n", "must be epoch s or ms"),
    "rows out of order": rows(lambda f: f.iloc[::-1], "rows out of order", "--repair sort"),
    "a row twice": rows(lambda f: f.iloc[[0, 1, 1, 2, 3]], "duplicate row", "--repair dedupe"),
    "a time with two prices": rows(
        lambda f: pd.concat([f, f.tail(1).assign(volume=7.0)]), "other values", "--repair dedupe"
    ),
    "a bar off the grid": value("timestamp", "2024-01-01 00:56", "off the grid of 5m", "drop-off-"),
    # values
    "a price that is no number": value("close", "two", "close must be a number, found 'two'"),
    "a decimal comma": value("close", "1,5", "close must be a number, found '1,5'"),
    "a price that is missing": value("open", "", "NaN or an infinite value", BROKEN),
    "a price that is NaN": value("open", "nan", "NaN or an infinite value", BROKEN),
    "an infinite price": value("high", "inf", "NaN or an infinite value", BROKEN),
    "a price of zero": value("low", 0, "a price not above 0", BROKEN),
    "a negative price": value("low", -1, "a price not above 0", BROKEN),
    "a huge price": value("high", 1e16, "a price or volume above 1e15", BROKEN),
    "a price beyond all numbers": value("high", "1e400", "NaN or an infinite value", BROKEN),
    "a negative volume": value("volume", -1, "a negative volume", BROKEN),
    "low above high": value("low", 1e9, "low above open", BROKEN),
    "a close above high": value("close", 1e9, "open or close outside low..high", BROKEN),
    # whose bars they are
    "a symbol that is none": rows(lambda f: f.assign(symbol="bitcoin"), "a symbol must look like"),
    "two symbols in one file": rows(
        lambda f: f.assign(symbol=["BTC/USDT", "ETH/USDT"] * 15), "column symbol must hold one val"
    ),
    "a timeframe that is none": rows(lambda f: f.assign(timeframe="5min"), "must look like 1m, 5m"),
    "rows of another timeframe than is said": rows(
        lambda f: f.iloc[::3], "its name says 5m, but most rows are 15m apart"
    ),
}


@pytest.mark.parametrize("command", READERS.values(), ids=READERS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_is_refused_by_name_in_one_line(case: Case, command: Command, desk: Desk) -> None:
    file = desk.room.path / "asked" / case.name
    file.parent.mkdir()
    case.make(file)
    desk.refuses(command, command.on(desk.room, file), [case.name, *case.about])


@pytest.mark.parametrize("command", READERS.values(), ids=READERS)
def test_a_sound_file_after_which_a_defective_one_is_named_saves_nothing(
    command: Command, desk: Desk
) -> None:
    other = desk.room.path / "ETH-USDT_5m.csv"
    other.write_text(HEADER)
    words = command.on(desk.room, desk.room.bars, other)
    desk.refuses(command, words, ["ETH-USDT_5m.csv", "the file has no rows"])


@pytest.mark.parametrize(
    ("name", "shown"),
    [("\x1b[31mred.csv", r"\x1b[31mred.csv"), (os.fsdecode(b"\xff.csv"), r"\udcff.csv")],
    ids=["control characters", "no text at all"],
)
@pytest.mark.parametrize("command", READERS.values(), ids=READERS)
def test_a_name_that_no_terminal_can_show_is_escaped(
    name: str, shown: str, command: Command, desk: Desk
) -> None:
    (desk.room.path / name).write_text(HEADER)
    words = command.on(desk.room, desk.room.path / name)
    desk.refuses(command, words, [shown, "the file has no rows"])
