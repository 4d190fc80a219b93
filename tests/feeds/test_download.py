"""Downloads: the store equals the source to the last bit, or an error says why it does not."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.bars import Bars, FloatArray
from feeds.clock import FixedClock
from feeds.download import download
from feeds.errors import BlockedError, ExchangeError, StoreError, UnreachableError
from feeds.exchange import SETTLED_MS
from feeds.progress import shown_by
from feeds.spans import Span
from feeds.standin.faults import Fault, FaultKind
from feeds.standin.server import StandIn
from feeds.store import Listing, Store
from tests.feeds.client import connect
from tests.feeds.sources import (
    HOLES,
    LISTING,
    STEP,
    Recorded,
    assert_all_held_is_true,
    assert_complete,
    held_rows,
    market,
    span_of_bars,
)


def downloaded(server: StandIn, store: Store, bars: Bars, checkpoint_pages: int = 2) -> None:
    with connect(server) as exchange:
        span = span_of_bars(bars)
        download(exchange, store, LISTING, span, checkpoint_pages=checkpoint_pages)


def starts(server: StandIn) -> list[int]:
    """Return from when on pages were asked for."""
    return [int(asked.query["startTime"]) for asked in server.requests if asked.path == "klines"]


@pytest.mark.parametrize("gaps", [(), HOLES, (3000,)], ids=["whole", "holes", "one large hole"])
@pytest.mark.parametrize("most_rows", [1000, 20, 1])
def test_a_downloaded_market_equals_the_source(
    gaps: tuple[int, ...], most_rows: int, tmp_path: Path
) -> None:
    bars, store = market(70, gaps), Store(tmp_path)
    with StandIn([bars], most_rows=most_rows) as server:
        downloaded(server, store, bars)
    assert_complete(store, bars)
    assert store.covered(LISTING) == (span_of_bars(bars),)


# What a fault that comes three times, or for ever, does to a download that knows ccxt's answers.
HARMLESS = [
    kind for kind in FaultKind if kind not in (FaultKind.FIREWALL, FaultKind.RESTRICTED_PLACE)
]
FATAL = {  # if they stay
    FaultKind.TOO_MANY_REQUESTS: "HTTP 429",
    FaultKind.BANNED: "HTTP 418",
    FaultKind.SERVER_ERROR: "HTTP 500",
    FaultKind.BAD_GATEWAY: "HTTP 502",
    FaultKind.MAINTENANCE: "HTTP 503",
    FaultKind.GATEWAY_TIMEOUT: "HTTP 504",
    FaultKind.HTML: "an answer that is no JSON",
    FaultKind.CUT_JSON: "an answer that is no JSON",
    FaultKind.CUT_BODY: "IncompleteRead",
    FaultKind.RESET: "Connection reset by peer",
    FaultKind.EMPTY: "cannot be believed",
}


@pytest.mark.parametrize("skip", [0, 1, 2, 5])
@pytest.mark.parametrize("kind", HARMLESS)
def test_a_fault_that_passes_changes_nothing(kind: FaultKind, skip: int, tmp_path: Path) -> None:
    bars, store = market(70, HOLES), Store(tmp_path)
    fault = Fault(kind, times=3, skip=skip, seconds=0.002)
    with StandIn([bars], most_rows=20, faults=[fault]) as server:
        downloaded(server, store, bars)
        assert any(asked.fault is kind for asked in server.requests)
    assert_complete(store, bars)


@pytest.mark.parametrize("skip", [0, 1, 4])
@pytest.mark.parametrize("kind", FATAL)
def test_a_fault_that_stays_is_an_error_and_what_came_before_is_kept(
    kind: FaultKind, skip: int, tmp_path: Path
) -> None:
    bars, store = market(70, HOLES), Store(tmp_path)
    fault = Fault(kind, skip=skip, seconds=0.002)
    named = f"shows no bars|{FATAL[kind]}" if kind is FaultKind.EMPTY else FATAL[kind]
    with StandIn([bars], most_rows=20, faults=[fault]) as server:
        with pytest.raises(ExchangeError, match=named):
            downloaded(server, store, bars)
        assert_all_held_is_true(store, bars)
        assert (len(held_rows(store)) > 0) == (skip > 1)
        server.clear_faults()
        downloaded(server, store, bars)
    assert_complete(store, bars)


@pytest.mark.parametrize(
    "kind", [kind for kind in HARMLESS if kind not in FATAL and kind is not FaultKind.SLOW]
)
@pytest.mark.parametrize("listed_later", [False, True])
def test_a_fault_of_pages_that_stays_is_seen_through(
    listed_later: bool, kind: FaultKind, tmp_path: Path
) -> None:
    """Short, overlapping, repeated, reversed, with rows missing: each page tells enough."""
    bars, store = market(70, HOLES), Store(tmp_path)
    start, end = span_of_bars(bars)
    span = Span(start - 10 * STEP * listed_later, end)
    with StandIn([bars], most_rows=20, faults=[Fault(kind)]) as server, connect(server) as exchange:
        download(exchange, store, LISTING, span)
    assert_complete(store, bars)


@given(
    seed=st.integers(0, 10**6),
    gaps=st.lists(st.sampled_from([0, 0, 0, 0, 1, 4, 30]), max_size=40),
    kinds=st.lists(st.sampled_from(HARMLESS), min_size=1, max_size=6, unique=True),
    most_rows=st.sampled_from([5, 20]),
)
@settings(max_examples=20)
def test_faults_at_random_change_nothing_or_are_an_error(
    seed: int,
    gaps: list[int],
    kinds: list[FaultKind],
    most_rows: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    bars, store = market(60, gaps, seed), Store(tmp_path_factory.mktemp("store"))
    faults = [
        Fault(kind, probability=0.3 / len(kinds), seed=seed + i, seconds=0.002)
        for i, kind in enumerate(kinds)
    ]
    with StandIn([bars], most_rows=most_rows, faults=faults) as server:
        try:
            downloaded(server, store, bars)
        except UnreachableError:
            assert_all_held_is_true(store, bars)
            server.clear_faults()
            downloaded(server, store, bars)
    assert_complete(store, bars)


def test_only_what_is_missing_is_asked_for(tmp_path: Path) -> None:
    bars, store = market(100), Store(tmp_path)
    start, end = span_of_bars(bars)
    source = Recorded(bars)
    download(source, store, LISTING, Span(start + 20 * STEP, start + 40 * STEP))
    source.asked.clear()
    done = download(source, store, LISTING, Span(start, end))
    assert done.bars == 80
    assert source.asked == [start, *(start + bar * STEP for bar in (0, 40, 60, 80))]
    source.asked.clear()
    assert download(source, store, LISTING, Span(start, end)).bars == 0
    assert source.asked == []


@pytest.mark.parametrize("ending", [UnreachableError("down"), KeyboardInterrupt(), RuntimeError()])
def test_a_download_that_ends_early_goes_on_where_it_ended(
    ending: BaseException, tmp_path: Path
) -> None:
    bars, store, pages = market(200, HOLES[:9]), Store(tmp_path), count()
    source = Recorded(bars)

    def end_at_the_eighth(page: FloatArray) -> FloatArray:
        if next(pages) == 7:
            raise ending
        return page

    source.trouble = end_at_the_eighth
    with pytest.raises(type(ending)):
        download(source, store, LISTING, span_of_bars(bars))
    (held,) = store.covered(LISTING)
    assert held.end == source.asked[-1]  # to the last page that came
    assert_all_held_is_true(store, bars)
    source.asked.clear()
    download(source, store, LISTING, span_of_bars(bars))
    assert min(source.asked) == held.end
    assert_complete(store, bars)


def test_a_failed_download_resumes_through_ccxt_without_asking_twice(tmp_path: Path) -> None:
    bars, store = market(200), Store(tmp_path)
    fault = Fault(FaultKind.SERVER_ERROR, skip=6, times=5)
    with StandIn([bars], most_rows=20, faults=[fault]) as server:
        with pytest.raises(UnreachableError):
            downloaded(server, store, bars)
        asked = len(starts(server))
        downloaded(server, store, bars)
        assert len(starts(server)) - asked == 10 - 5
        assert min(starts(server)[asked:]) == span_of_bars(bars).start + 100 * STEP
    assert_complete(store, bars)


def test_the_forming_bar_waits_until_it_has_closed(tmp_path: Path) -> None:
    bars, store = market(30), Store(tmp_path)
    start, end = span_of_bars(bars)

    def downloaded_at(moment: int) -> Span:
        clock = FixedClock(datetime.fromtimestamp(moment / 1000, UTC))
        with StandIn([bars], clock=clock) as server, connect(server) as exchange:
            return download(exchange, store, LISTING, Span(start, end)).span

    assert downloaded_at(start + 20 * STEP + SETTLED_MS - 1) == (start, start + 19 * STEP)
    assert downloaded_at(start + 20 * STEP + SETTLED_MS) == (start, start + 20 * STEP)
    assert downloaded_at(start + 21 * STEP + SETTLED_MS - 1) == (start, start + 20 * STEP)
    assert store.covered(LISTING) == (Span(start, start + 20 * STEP),)
    assert_all_held_is_true(store, bars)
    assert downloaded_at(end + STEP + SETTLED_MS) == (start, end)
    assert_complete(store, bars)


def test_nothing_can_be_downloaded_of_the_future(tmp_path: Path) -> None:
    bars = market(30)
    end = span_of_bars(bars).end
    with pytest.raises(ExchangeError, match="before the last bar closed at 2024-01-01 02:30Z, fou"):
        download(Recorded(bars), Store(tmp_path), LISTING, Span(end, end + STEP))


def test_a_store_that_cannot_be_written_is_named_before_the_download(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    source = Recorded(market(60))
    with pytest.raises(StoreError, match="taken"):
        download(source, Store(tmp_path / "taken"), LISTING, span_of_bars(source.bars))
    assert source.asked == []


def test_what_cannot_be_kept_on_the_way_out_is_said_and_the_reason_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bars, store, pages = market(100), Store(tmp_path), count()
    source = Recorded(bars)

    def damage_the_store_then_stop(page: FloatArray) -> FloatArray:
        if next(pages) == 3:
            store.path(LISTING).write_bytes(b"damaged")
            raise KeyboardInterrupt
        return page

    source.trouble = damage_the_store_then_stop
    with pytest.raises(KeyboardInterrupt):
        download(source, store, LISTING, span_of_bars(bars))
    assert "what was downloaded last is lost" in caplog.text
    assert store.path(LISTING).read_bytes() == b"damaged"


class Shown:
    """A display that adds up what it is told."""

    def __init__(self) -> None:
        self.what, self.total, self.done = "", 0.0, 0.0

    def task(self, what: str, total: float | None, unit: str) -> "Shown":
        self.what, self.total = f"{what} ({unit})", total or 0.0
        return self

    def __enter__(self) -> Callable[..., None]:
        def advance(count: float = 1, /) -> None:
            self.done += count

        return advance

    def __exit__(self, *_: object) -> None: ...


@pytest.mark.parametrize("windowed", [False, True], ids=["next bars", "windows"])
def test_progress_counts_the_bars_that_were_asked_for(windowed: bool, tmp_path: Path) -> None:
    bars, store, display = market(100, HOLES), Store(tmp_path), Shown()
    start, end = span_of_bars(bars)
    download(Recorded(bars), store, LISTING, Span(start, start + STEP))
    span = Span(start - 30 * STEP, end)
    with shown_by(display):
        download(Recorded(bars, windowed=windowed), store, LISTING, span)
    assert display.what == "downloading binance BTC/USDT 5m (bars)"
    assert display.done == display.total == (end - start) // STEP + 30 - 1


def test_a_blocked_place_is_named_at_once(tmp_path: Path) -> None:
    bars = market(20)
    with StandIn([bars], faults=[Fault(FaultKind.RESTRICTED_PLACE)]) as server:
        with pytest.raises(BlockedError, match="HTTP 451"):
            downloaded(server, Store(tmp_path), bars)
        assert len(starts(server)) == 1


def test_several_markets_do_not_touch_each_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    both = [
        market(40, seed=seed, symbol=symbol) for seed, symbol in ((1, "BTC/USDT"), (2, "ETH/USDT"))
    ]
    store = Store(tmp_path)
    with StandIn(both) as server, connect(server) as exchange:
        for bars in both:
            listing = Listing("binance", bars.symbol, bars.timeframe)
            download(exchange, store, listing, span_of_bars(bars))
            assert_complete(store, bars, listing)
    assert caplog.text == ""
