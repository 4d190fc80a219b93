"""How bytes and tables go wrong: strategies of hypothesis."""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import TypeAlias

import pytest
from hypothesis import strategies as st

Change: TypeAlias = Callable[[bytes], bytes]

TOKENS = [
    b"", b"nan", b"inf", b"-inf", b"1e400", b"1e308", b"-1", b"0", b"9" * 26, b"\x00", b'"', b"'",
    b",", b";", b"\t", b"\n", b"\r", b"\r\n", b"\xff\xfe", b"\xef\xbb\xbf", "ä日１".encode(),
    b"1_000", b"0x10", b"True", b"None", b"NaT", b"now", b"1704067200", b"1704067200000", b"1.5e18",
    b"9223372036854775807", b"-9223372036854775808", b"18446744073709551616", b"0001-01-01",
    b"9999-12-31", b"10000-01-01", b"2024-02-30", b"2024-01-01T00:00:00.0001Z", b"24:00",
    b"2024-01-01 00:00+25:00", b"2024-01-01 00:00+05:30", b"2024-W01-1", b"20240101", b"1e-320",
    b"1,5", b" ", b"#", b"symbol", b"timeframe", b"source", b"open", b"date", b"timestamp",
    b"SYNTHETIC", b"1+2j", b"(1,2)", b"P1D", b"1 days", b"\x1b[2J", b"\xc3\x28",
]  # fmt: skip
tokens = st.sampled_from(TOKENS) | st.binary(max_size=12)
places = st.floats(0.0, 1.0, exclude_max=True)  # as a share of the length


def _at(data: Sequence[object], place: float) -> int:
    return int(place * len(data))


def flip(place: float, bit: int) -> Change:
    def change(data: bytes) -> bytes:
        at = _at(data, place)
        return data[:at] + bytes([b ^ 1 << bit for b in data[at : at + 1]]) + data[at + 1 :]

    return change


def cut(place: float, length: int) -> Change:
    return lambda data: data[: _at(data, place)] + data[_at(data, place) + length :]


def end(place: float) -> Change:
    return lambda data: data[: _at(data, place)]


def insert(place: float, token: bytes) -> Change:
    return lambda data: data[: _at(data, place)] + token + data[_at(data, place) :]


flips = st.builds(flip, places, st.integers(0, 7))
anywhere = st.one_of(
    flips,
    flips,
    st.builds(cut, places, st.integers(1, 200)),
    st.builds(end, places),
    st.builds(insert, places, tokens),
)


def _in_cells(how: Callable[[list[list[bytes]]], object]) -> Change:
    """Return a change of the cells of a table in CSV."""

    def change(data: bytes) -> bytes:
        cells = [line.split(b",") for line in data.split(b"\n")]
        how(cells)
        return b"\n".join(map(b",".join, cells))

    return change


def put(row: float, column: float, token: bytes) -> Change:
    def how(cells: list[list[bytes]]) -> None:
        chosen = cells[_at(cells, row)]
        chosen[_at(chosen, column)] = token

    return _in_cells(how)


def fill(column: int, token: bytes) -> Change:
    """Return what puts the same token into a column of all rows but the first."""

    def how(cells: list[list[bytes]]) -> None:
        for row in cells[1:]:
            row[column : column + 1] = [token] if column < len(row) else []

    return _in_cells(how)


def swap(one: float, other: float) -> Change:
    def how(cells: list[list[bytes]]) -> None:
        i, j = _at(cells, one), _at(cells, other)
        cells[i], cells[j] = cells[j], cells[i]

    return _in_cells(how)


def repeat(row: float) -> Change:
    return _in_cells(lambda cells: cells.insert(_at(cells, row), cells[_at(cells, row)]))


def separate(by: bytes) -> Change:
    return lambda data: data.replace(b",", by)


def recode(encoding: str) -> Change:
    return lambda data: data.decode("utf-8", "replace").encode(encoding, "replace")


in_tables = st.one_of(
    st.builds(put, places, places, tokens),
    st.builds(put, places, places, tokens),
    st.builds(fill, st.integers(0, 7), tokens),
    st.builds(swap, places, places),
    st.builds(repeat, places),
    st.builds(separate, st.sampled_from([b";", b"\t", b", ", b"|", b",,", b"\n"])),
    st.builds(recode, st.sampled_from(["utf-16", "utf-8-sig", "utf-32", "latin-1", "utf-16-le"])),
)


def damaged(whole: bytes, changes: st.SearchStrategy[Change]) -> st.SearchStrategy[bytes]:
    """Return the bytes after one to five changes."""
    return st.lists(changes, min_size=1, max_size=5).map(
        lambda chosen: reduce(lambda data, change: change(data), chosen, whole)
    )


def often(examples: int) -> pytest.MarkDecorator:
    """Run a test with so many examples, and with thirty times as many where there is time."""
    many = pytest.param(30 * examples, marks=pytest.mark.slow)
    return pytest.mark.parametrize("examples", [examples, many])
