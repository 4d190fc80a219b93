"""Whatever a file of bars holds: it is read, or refused by name. Never a crash, never a hang."""

import datetime as dt
import json
import shutil
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.files import METADATA_KEY, write_bars
from feeds.spans import Span
from feeds.store import Listing, Store
from feeds.timeframe import Timeframe
from tests.feeds.raw import raw_frame
from tests.makers import make_bars
from tests.wrong_input.child import Child
from tests.wrong_input.damage import anywhere, damaged, in_tables, often
from tests.wrong_input.rooms import READERS, Room

ROWS = 30


def written(folder: Path, suffix: str) -> bytes:
    path = folder / f"sound{suffix}"
    write_bars(make_bars(ROWS), path)
    return path.read_bytes()


@often(150)
def test_any_csv_file_is_read_or_refused(examples: int, child: Child, folder: Path) -> None:
    path = folder / "BTC-USDT_5m.csv"
    sound = written(folder, ".csv")
    noise = st.binary(max_size=400) | st.text(max_size=200).map(str.encode)

    @settings(max_examples=examples)
    @given(damaged(sound, anywhere | in_tables) | noise)
    def holds(data: bytes) -> None:
        path.write_bytes(data)
        child.ask("bars", path)

    path.write_bytes(sound)
    assert child.ask("bars", path) == "sound"
    holds()


def parquet_forms(folder: Path) -> list[bytes]:
    """Return sound files as several writers make them."""
    path = folder / "other.parquet"
    frame = make_bars(ROWS).frame().assign(symbol="BTC/USDT", source="x")
    forms = [written(folder, ".parquet")]
    for compression in (None, "snappy"):
        frame.to_parquet(path, compression=compression)
        forms.append(path.read_bytes())
    return forms


@often(150)
def test_any_damaged_parquet_file_is_read_or_refused(
    examples: int, child: Child, folder: Path
) -> None:
    path = folder / "BTC-USDT_5m.parquet"
    noise = st.binary(max_size=400).map(lambda data: b"PAR1" + data + b"PAR1")
    forms = parquet_forms(folder)

    @settings(max_examples=examples)
    @given(st.one_of(noise, *(damaged(form, anywhere) for form in forms)))
    def holds(data: bytes) -> None:
        path.write_bytes(data)
        child.ask("bars", path)

    for form in forms:
        path.write_bytes(form)
        assert child.ask("bars", path) == "sound"
    holds()


START = np.datetime64("2024-01-01", "ms")
TIMES = START + np.arange(ROWS) * np.timedelta64(5, "m")
MOMENTS = [moment.astype("datetime64[us]").item() for moment in TIMES]


def column(value: object, kind: pa.DataType | None = None) -> pa.Array:
    """Return the same value in all rows."""
    return pa.array([value] * ROWS, kind)


# Columns as a table can have them; those that fit come first, and are drawn as often as the rest.
TIME_KINDS = {
    "ms": pa.array(TIMES),
    "s": pa.array(TIMES.astype("datetime64[s]")),
    "ns": pa.array(TIMES.astype("datetime64[ns]")),
    "in a zone": pa.array(MOMENTS, pa.timestamp("us", "Asia/Kolkata")),
    "text": pa.array([moment.isoformat() for moment in MOMENTS]),
    "words of a dictionary": pa.array([str(moment) for moment in MOMENTS]).dictionary_encode(),
    "epoch": pa.array(TIMES.astype(np.int64)),
    "decimal epoch": pa.array([Decimal(int(t)) for t in TIMES.astype(np.int64)]),
}
VALUE_KINDS = {
    "double": column(1.5),
    "float": column(1.5, pa.float32()),
    "half": column(np.float16(1.5), pa.float16()),
    "integer": column(2),
    "decimal": column(Decimal("1.5")),
    "text": column("1.5"),
    "numbers of a dictionary": column(1.5).dictionary_encode(),
}
ODD_KINDS = {
    "nothing": pa.nulls(ROWS),
    "nothing, in doubles": column(None, pa.float64()),
    "nothing, in times": column(None, pa.timestamp("ms")),
    "now and then nothing": pa.array([None, *MOMENTS[1:]]),
    "NaN": column(float("nan")),
    "infinity": column(float("inf")),
    "truth": column(value=True),
    "dates": column(dt.date(2024, 1, 1)),
    "times of day": column(dt.time(1, 2)),
    "lengths of time": column(dt.timedelta(minutes=5)),
    "bytes": column(b"\x00\xff"),
    "short bytes": column(b"abcd", pa.binary(4)),
    "small integers": pa.array(np.arange(ROWS, dtype=np.int8)),
    "large integers": column(2**64 - 1, pa.uint64()),
    "a half that is an epoch": pa.array(np.arange(ROWS, dtype=np.float16)),
    "decimals of fifty digits": column(Decimal(10) ** 40, pa.decimal256(50, 2)),
    "lists": column([1.5, 2.5]),
    "lists of times": pa.array([[moment] for moment in MOMENTS]),
    "records": column({"open": 1.5}),
    "maps": column([("open", 1.5)], pa.map_(pa.string(), pa.float64())),
    "moments out of reach": column(2**62, pa.timestamp("us")),
    "moments out of reach, in a zone": column(2**62, pa.timestamp("us", "Asia/Kolkata")),
    "moments before all": column(-(2**63), pa.timestamp("ns")),
    "the first year": column(dt.datetime(1, 1, 1)),  # noqa: DTZ001  naive on purpose
    "the last day": column("9999-12-31T23:59:59"),
    "empty text": column(""),
    "control characters": column("\x1b[2J\x00\n"),
    "endless text": column("x" * 5000),
    "a symbol": column("BTC/USDT"),
    "a timeframe": column("5m"),
    "another timeframe": column("9999d"),
    "a mark": column("SYNTHETIC"),
}
NAMES = ("timestamp", "open", "high", "low", "close", "volume")
odd = st.sampled_from(list(ODD_KINDS))


def kinds(fitting: Mapping[str, pa.Array]) -> st.SearchStrategy[str]:
    return st.sampled_from(list(fitting)) | odd


@st.composite
def tables(draw: st.DrawFn) -> dict[str, str]:
    """Draw the kind of each column of a table, by its name; up to three are odd."""
    columns = {"timestamp": draw(st.sampled_from(list(TIME_KINDS)))}
    columns |= {name: draw(st.sampled_from(list(VALUE_KINDS))) for name in NAMES[1:]}
    names = (*NAMES, "symbol", "timeframe", "source", "date", "Open", "open.x", "extra")
    return columns | draw(st.dictionaries(st.sampled_from(names), odd, max_size=3))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
metadata = st.one_of(
    st.just(b"{}"),
    st.binary(max_size=30),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(st.sampled_from(["symbol", "timeframe", "source"]), json_values).map(
        lambda said: json.dumps(said).encode()
    ),
    st.just(b"[" * 100_000),
    st.builds(
        lambda covered, digest: json.dumps({"covered": covered, "digest": digest}).encode(),
        st.lists(st.lists(json_values | st.integers(), max_size=3), max_size=3) | json_values,
        json_values,
    ),
)


@often(150)
def test_a_parquet_file_of_any_columns_is_read_or_refused(
    examples: int, child: Child, folder: Path
) -> None:
    path = folder / "BTC-USDT_5m.parquet"
    store = Store(folder / f"odd {examples}")
    stored = store.path(Listing("binance", "BTC/USDT", Timeframe.parse("5m")))
    arrays: dict[str, Any] = {**VALUE_KINDS, **TIME_KINDS, **ODD_KINDS}
    arrays["text"] = TIME_KINDS["text"]

    @settings(max_examples=examples)
    @given(tables(), metadata)
    def holds(columns: dict[str, str], said: bytes) -> None:
        table = pa.table({name: arrays[kind] for name, kind in columns.items()})
        pq.write_table(table.replace_schema_metadata({METADATA_KEY: said}), path)
        child.ask("bars", path)
        shutil.copyfile(path, stored)
        child.ask("stored", store.root)

    stored.parent.mkdir(parents=True)
    holds()


@often(60)
def test_a_damaged_file_of_the_store_is_refused(examples: int, child: Child, folder: Path) -> None:
    store = Store(folder / f"damaged {examples}")
    listing = Listing("binance", "BTC/USDT", Timeframe.parse("5m"))
    start = int(TIMES[0].astype(np.int64))
    store.add(listing, raw_frame(ROWS), Span(start, start + ROWS * 300_000))
    path = store.path(listing)
    sound = path.read_bytes()

    @settings(max_examples=examples)
    @given(damaged(sound, anywhere) | st.binary(max_size=400))
    def holds(data: bytes) -> None:
        path.write_bytes(data)
        child.ask("stored", store.root)

    assert child.ask("stored", store.root) == "sound"
    holds()


@often(8)
@pytest.mark.parametrize("command", READERS)
def test_no_command_falls_over_a_damaged_file(
    examples: int, command: str, child: Child, room: Room
) -> None:
    asked = READERS[command]
    words = asked.on(room, room.bars)
    sound = room.bars.read_bytes()

    @settings(max_examples=examples)
    @given(damaged(sound[:4000], in_tables | anywhere))
    def holds(data: bytes) -> None:
        room.bars.write_bytes(data)
        before = room.contents()
        assert child.ask("command", asked.name, *words) != "sound"
        assert room.contents() == before

    holds()
