"""The store: rows and what they cover change together, and nothing that was kept is lost."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.bars import Bars
from feeds.errors import BadBarsError, FeedError, StoreError
from feeds.files import read_bars
from feeds.spans import Span, joined
from feeds.store import Listing, Store
from feeds.timeframe import Timeframe
from tests.feeds.raw import FIVE_MINUTES, raw_frame
from tests.feeds.sources import (
    LISTING,
    STEP,
    assert_all_held_is_true,
    assert_complete,
    market,
    span_of_bars,
)


def rows_of(bars: Bars, span: Span) -> pd.DataFrame:
    """Return the raw rows of a span, as a download brings them."""
    frame = raw_rows(bars)
    time = frame["timestamp"].astype("int64")
    return frame[time.between(span.start, span.end, inclusive="left")].reset_index(drop=True)


def raw_rows(bars: Bars) -> pd.DataFrame:
    frame = bars.frame()[~bars.filled].reset_index(drop=True)
    return frame.assign(timestamp=frame["timestamp"].dt.tz_localize(None))


def filled(folder: Path, bars: Bars) -> Store:
    store = Store(folder)
    store.add(LISTING, raw_rows(bars), span_of_bars(bars))
    return store


def test_bars_are_kept_under_exchange_symbol_and_timeframe(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.path(LISTING) == tmp_path / "binance" / "BTC-USDT" / "5m.parquet"
    assert store.path(Listing("binance", "btc-usdt", FIVE_MINUTES)) == store.path(LISTING)


@pytest.mark.parametrize("symbol", ["../../BTC/USDT", "BTC/../..", "/etc/passwd", "BTC/USDT\0"])
def test_no_symbol_leads_out_of_the_store(symbol: str) -> None:
    with pytest.raises(FeedError, match="a symbol must look like BTC/USDT"):
        Listing("binance", symbol, FIVE_MINUTES)


@pytest.mark.parametrize("exchange", ["..", "a/b", "", "Binance", ".", "x\n"])
def test_no_exchange_leads_out_of_the_store(exchange: str) -> None:
    with pytest.raises(FeedError, match="an exchange is named in small letters and digits"):
        Listing(exchange, "BTC/USDT", FIVE_MINUTES)


@given(
    pieces=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 15)), min_size=1, max_size=6),
    gaps=st.lists(st.integers(0, 8), max_size=6),
)
@settings(max_examples=25)
def test_pieces_in_any_order_become_what_they_cover(
    pieces: list[tuple[int, int]], gaps: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    store, bars = Store(tmp_path_factory.mktemp("store")), market(40, gaps)
    start = span_of_bars(bars).start
    spans = [Span(start + first * STEP, start + (first + n) * STEP) for first, n in pieces]
    for span in spans:
        store.add(LISTING, rows_of(bars, span), span)
    assert store.covered(LISTING) == joined(spans)
    assert_all_held_is_true(store, bars)
    everything = span_of_bars(bars)
    left = [*joined(spans), *store.missing(LISTING, everything)]
    assert joined(left) == joined([*spans, everything])


def test_a_stored_file_reads_like_any_file_of_bars(tmp_path: Path) -> None:
    bars = market(50, [0, 3, 0, 9])
    read, _ = read_bars(filled(tmp_path, bars).path(LISTING))
    assert read.digest() == bars.digest()


def test_what_is_asked_for_is_cut_out_and_named(tmp_path: Path) -> None:
    bars = market(50, [0, 0, 9])
    span = Span(*(span_of_bars(bars).start + bar * STEP for bar in (20, 30)))
    read, report = filled(tmp_path, bars).read(LISTING, span)
    assert read.digest() == bars[20 - 9 : 30 - 9].unchecked({"segment": read.segment}).digest()
    assert report.source == "binance BTC/USDT 5m"
    assert report.rows_read == 10


def test_what_was_not_downloaded_is_not_read_as_a_gap(tmp_path: Path) -> None:
    bars = market(20)
    store = filled(tmp_path, bars)
    later = Span(span_of_bars(bars).end, span_of_bars(bars).end + STEP)
    whole = Span(span_of_bars(bars).start, later.end)
    with pytest.raises(StoreError, match="2024-01-01 01:40Z to 2024-01-01 01:45Z must be downl"):
        store.read(LISTING, whole)
    store.add(LISTING, raw_rows(bars)[:0], later)
    assert len(store.read(LISTING, whole)[0]) == 20
    with pytest.raises(StoreError, match=r"there are no bars from 2024-01-01 01:40Z to .*; choose"):
        store.read(LISTING, later)


def test_rows_outside_of_what_they_cover_are_refused(tmp_path: Path) -> None:
    bars = market(5)
    with pytest.raises(StoreError, match="rows must lie in the span they cover"):
        Store(tmp_path).add(LISTING, raw_rows(bars), Span(0, span_of_bars(bars).start + STEP))


def test_defects_are_kept_as_delivered_and_refused_when_read(tmp_path: Path) -> None:
    bars = market(9)
    rows = raw_rows(bars)
    rows.loc[3, "close"] = np.nan
    rows.loc[5, "volume"] = -1.0
    store, span = Store(tmp_path), span_of_bars(bars)
    store.add(LISTING, rows, span)
    with pytest.raises(BadBarsError, match=r"1 row with NaN.*--repair drop-broken"):
        store.read(LISTING, span)
    read, report = store.read(LISTING, span, repair=["drop-broken"])
    assert (int(read.filled.sum()), len(report.defects)) == (2, 2)
    sound = Span(span.start, span.start + 3 * STEP)
    assert len(store.read(LISTING, sound)[0]) == 3  # who asks for sound bars is not refused


def test_the_last_bar_before_a_moment_is_known(tmp_path: Path) -> None:
    bars = market(9)
    store, (start, end) = filled(tmp_path, bars), span_of_bars(bars)
    assert store.last_bar(LISTING, before=end) == end - STEP
    assert store.last_bar(LISTING, before=end - STEP) == end - 2 * STEP
    assert store.last_bar(LISTING, before=start) is None


def test_nothing_but_the_file_and_its_lock_is_left(tmp_path: Path) -> None:
    store = filled(tmp_path, market(9))
    path = store.path(LISTING)
    path.with_name(".5m.parquet.4711.part").write_text("of a process that was killed")
    store.refuse_unwritable(LISTING)
    assert sorted(each.name for each in path.parent.iterdir()) == [".5m.parquet.lock", path.name]


def test_a_flipped_byte_is_found_or_changes_nothing(tmp_path: Path) -> None:
    """Every 29th byte of a file, each flipped in one bit."""
    bars = market(30)
    store = filled(tmp_path, bars)
    whole = store.path(LISTING).read_bytes()
    found = [damage_found(store, bars, flipped(whole, place)) for place in range(0, len(whole), 29)]
    assert sum(found) > len(found) / 2


def flipped(whole: bytes, place: int) -> bytes:
    return whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :]


def damage_found(store: Store, bars: Bars, content: bytes) -> bool:
    """Return whether the damage is named; if it is not, the bars must be what they were."""
    store.path(LISTING).write_bytes(content)
    try:
        assert_complete(store, bars)
    except StoreError:
        return True
    return False


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_a_cut_file_is_named_with_a_remedy_and_never_overwritten(kept: int, tmp_path: Path) -> None:
    bars = market(20)
    store = filled(tmp_path, bars)
    path = store.path(LISTING)
    path.write_bytes(path.read_bytes()[:kept])
    damaged = path.read_bytes()
    for use in (
        lambda: store.covered(LISTING),
        lambda: store.read(LISTING, span_of_bars(bars)),
        lambda: store.add(LISTING, raw_rows(bars), span_of_bars(bars)),
    ):
        with pytest.raises(StoreError, match="move it away, and its bars are downloaded again"):
            use()
    assert path.read_bytes() == damaged


def test_a_file_of_something_else_is_no_store(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = store.path(LISTING)
    path.parent.mkdir(parents=True)
    raw_frame(9).to_parquet(path)
    with pytest.raises(StoreError, match=r"5m\.parquet: the file is damaged or none of the store"):
        store.covered(LISTING)


def test_a_file_under_another_name_is_not_taken_for_its_bars(tmp_path: Path) -> None:
    store = filled(tmp_path, market(9))
    other = Listing("binance", "ETH/USDT", FIVE_MINUTES)
    store.path(other).parent.mkdir()
    store.path(LISTING).rename(store.path(other))
    with pytest.raises(StoreError, match="its digest does not fit what it holds"):
        store.covered(other)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    store = Store(tmp_path / "taken")
    with pytest.raises(StoreError, match=r"taken/binance.*cannot be written: .*--store"):
        store.refuse_unwritable(LISTING)
    with pytest.raises(StoreError, match="Not a directory"):
        store.covered(LISTING)


def test_a_store_of_nothing_covers_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "new")
    span = Span(0, 10 * STEP)
    assert store.missing(LISTING, span) == (span,)
    assert not (tmp_path / "new").exists()


FULL_DISK = """
import resource, sys
from pathlib import Path
from feeds.errors import StoreError
from tests.feeds.sources import LISTING, market, span_of_bars
from tests.feeds.test_store import filled, raw_rows

folder = Path(sys.argv[1])
filled(folder, market(20))
resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))
try:
    filled(folder, market(2000))
except StoreError as error:
    print(error)
"""


def test_a_full_disk_is_named_and_what_was_there_stays(tmp_path: Path) -> None:
    result = subprocess.run(  # noqa: S603  our own interpreter
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    store = Store(tmp_path)
    assert result.stdout.startswith(f"{store.path(LISTING)}: cannot be written:")
    assert "File too large" in result.stdout
    assert len(result.stdout.splitlines()) == 1
    assert_complete(store, market(20))
    assert {path.suffix for path in store.path(LISTING).parent.iterdir()} == {".parquet", ".lock"}


def test_listings_read_as_people_say_them() -> None:
    assert str(Listing("kraken", "eth-usd", Timeframe.parse("60m"))) == "kraken ETH/USD 1h"
