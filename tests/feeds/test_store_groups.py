"""A store reads the groups of rows that a span touches, and what it reads is verified."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds import files, store
from feeds.bars import Bars
from feeds.errors import StoreError
from feeds.files import METADATA_KEY
from feeds.spans import Span
from feeds.store import Store
from tests.feeds.sources import LISTING, STEP, market, span_of_bars

COUNT, EACH = 60, 7


def raw_rows(bars: Bars) -> pd.DataFrame:
    frame = bars.frame()[~bars.filled].reset_index(drop=True)
    return frame.assign(timestamp=frame["timestamp"].dt.tz_localize(None))


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return a store of bars in groups of seven rows."""
    for module in (files, store):
        monkeypatch.setattr(module, "GROUP", EACH)
    made, bars = Store(tmp_path), market(COUNT)
    made.add(LISTING, raw_rows(bars), span_of_bars(bars))
    return made


def groups_read(kept: Store, span: Span, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    read: list[int] = []
    whole = pq.ParquetFile.read_row_group

    def counted(file: pq.ParquetFile, number: int, *rest: object) -> object:
        read.append(number)
        return whole(file, number, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(pq.ParquetFile, "read_row_group", counted)
        kept.read(LISTING, span)
    return read


def test_a_span_reads_the_groups_that_it_touches(
    kept: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars = market(COUNT)
    whole = span_of_bars(bars)
    rows = raw_rows(bars)["timestamp"].to_numpy("datetime64[ms]").astype(np.int64)
    first, last = int(rows[EACH]), int(rows[2 * EACH - 1])

    assert groups_read(kept, Span(first, last + STEP), monkeypatch) == [1]
    assert groups_read(kept, Span(first - STEP, last + STEP), monkeypatch) == [0, 1]
    assert groups_read(kept, Span(first, last + 2 * STEP), monkeypatch) == [1, 2]
    assert groups_read(kept, whole, monkeypatch) == list(range(-(-len(rows) // EACH)))


@given(begin=st.integers(0, COUNT - 1), bars=st.integers(1, COUNT), each=st.integers(1, 70))
@settings(max_examples=50, deadline=None)
def test_groups_of_any_size_give_the_same_bars(
    begin: int, bars: int, each: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = market(COUNT)
    whole = span_of_bars(made)
    span = Span(whole.start + begin * STEP, min(whole.start + (begin + bars) * STEP, whole.end))
    found = []
    with pytest.MonkeyPatch.context() as patch:
        for size in (each, 10_000):
            for module in (files, store):
                patch.setattr(module, "GROUP", size)
            grouped = Store(tmp_path_factory.mktemp("store"))
            grouped.add(LISTING, raw_rows(made), whole)
            moment = whole.start + bars * STEP
            found.append(
                (
                    _read_digest(grouped, span),
                    grouped.covered(LISTING),
                    grouped.last_bar(LISTING, before=moment),
                )
            )
    assert found[0] == found[1]


def _read_digest(made: Store, span: Span) -> str:
    try:
        return made.read(LISTING, span)[0].digest()
    except StoreError as error:
        return str(error)


def test_a_group_that_was_changed_is_refused_where_it_is_read(kept: Store) -> None:
    bars = market(COUNT)
    whole, path = span_of_bars(bars), kept.path(LISTING)
    table = pq.ParquetFile(path).read()
    prices = table["volume"].to_numpy().copy()
    prices[3 * EACH + 2] += 1.0
    changed = table.set_column(table.schema.names.index("volume"), "volume", [prices])
    pq.write_table(
        changed.replace_schema_metadata(table.schema.metadata), path, row_group_size=EACH
    )
    first = int(bars.time[0].astype(np.int64))

    assert kept.covered(LISTING) == (whole,)
    assert len(kept.read(LISTING, Span(first, first + 5 * STEP))[0]) == 5
    for use in (
        lambda: kept.read(LISTING, whole),
        lambda: kept.add(LISTING, raw_rows(bars), whole),
    ):
        with pytest.raises(StoreError, match="its digest does not fit what it holds"):
            use()


def test_a_file_from_before_there_were_groups_is_read_and_verified(
    kept: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars = market(COUNT)
    whole, path = span_of_bars(bars), kept.path(LISTING)
    now = kept.read(LISTING, whole)[0].digest()
    table = pq.ParquetFile(path).read()
    rows = table.to_pandas(ignore_metadata=True)
    sha = hashlib.sha256(json.dumps([str(LISTING), [list(whole)]]).encode())
    sha.update(rows["timestamp"].to_numpy("datetime64[ms]").astype(np.int64).tobytes())
    for name in ("open", "high", "low", "close", "volume"):
        sha.update(rows[name].to_numpy(np.float64).tobytes())
    said = {
        "symbol": LISTING.symbol,
        "timeframe": str(LISTING.timeframe),
        "exchange": LISTING.exchange,
        "covered": [list(whole)],
        "digest": sha.hexdigest(),
    }

    def write(told: Mapping[str, object]) -> None:
        metadata = {METADATA_KEY: json.dumps(told).encode()}
        pq.write_table(table.replace_schema_metadata(metadata), path)

    write(said)
    assert kept.covered(LISTING) == (whole,)
    assert kept.read(LISTING, whole)[0].digest() == now
    write({**said, "digest": "0" * 64})
    with pytest.raises(StoreError, match="its digest does not fit what it holds"):
        kept.covered(LISTING)
