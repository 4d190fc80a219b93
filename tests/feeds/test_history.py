"""History: the store is asked first, the exchange only for the rest."""

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from feeds import history
from feeds.bars import Bars
from feeds.download import download
from feeds.errors import (
    BadBarsError,
    BlockedError,
    ExchangeError,
    FeedError,
    StoreError,
    UnknownMarketError,
    UnreachableError,
)
from feeds.exchange import Exchange
from feeds.gaps import FILL_LIMIT
from feeds.history import exchange_listing, stored_bars
from feeds.spans import Span
from feeds.standin.faults import Fault, FaultKind
from feeds.standin.server import StandIn
from feeds.store import Listing, Store
from tests.feeds.client import connect
from tests.feeds.sources import LISTING, Recorded, market, span_of_bars

FIVE_MINUTES = LISTING.timeframe
BTC, ETH = market(60, [0, 3, 12]), market(50, seed=1, symbol="ETH/USDT")
DOLLARS = market(40, seed=2, symbol="BTC/USD")


@dataclass(frozen=True, slots=True)
class Asked:
    """The settings of a command, as `feeds.history` sees them."""

    store: Path
    exchange: str | None = None
    base_url: str | None = None
    repair: Sequence[str] = ()
    fill_limit: int = FILL_LIMIT


@dataclass(slots=True)
class Opener:
    """Opens stand-ins by the names that they stand for; any other name is refused."""

    servers: Mapping[str, StandIn] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)

    def __call__(self, name: str, /, *, base_url: str | None = None) -> Exchange:
        self.opened.append(name)
        if name not in self.servers:
            raise UnreachableError(f"{name} is down")
        return connect(self.servers[name], name)


def read(
    asked: Asked, opener: Opener, *markets: Bars, end: np.datetime64 | None = None
) -> list[Bars]:
    """Read the whole of the markets, which begin together, until `end` or the longest ends."""
    until = max(bars.closed_at[-1] for bars in markets) if end is None else end
    symbols = [bars.symbol for bars in markets]
    start = markets[0].time[0]
    answer = stored_bars(symbols, FIVE_MINUTES, start, until, asked, opened_by=opener)
    return [stored.bars for stored in answer]


def test_what_the_store_lacks_is_downloaded_and_then_nobody_is_asked(tmp_path: Path) -> None:
    with StandIn([BTC, ETH]) as server:
        opener = Opener({"binance": server})
        first = read(Asked(tmp_path), opener, BTC, ETH, end=ETH.closed_at[-1])
        assert opener.opened == ["binance"]  # one client for both
    again = read(Asked(tmp_path), Opener(), BTC, ETH, end=ETH.closed_at[-1])
    assert [bars.digest() for bars in first] == [bars.digest() for bars in again]
    assert again[1].digest() == ETH.digest()
    assert (again[0].time == BTC.time[BTC.time < ETH.closed_at[-1]]).all()


def test_a_range_within_the_store_needs_no_network(tmp_path: Path) -> None:
    download_all(BTC, tmp_path)
    middle = BTC.time[20], BTC.time[30]
    ((bars, report, *_),) = stored_bars(["BTC/USDT"], FIVE_MINUTES, *middle, Asked(tmp_path))
    assert (bars.time[0], bars.closed_at[-1]) == middle
    assert report.source == "binance BTC/USDT 5m"


def test_ccxt_is_loaded_only_to_ask_an_exchange() -> None:
    """It takes seconds, which a run on stored bars should not pay."""
    command = "import sys, feeds.history; sys.exit('ccxt' in sys.modules)"
    folder = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", command], check=True, cwd=folder)  # noqa: S603  our own


def download_all(bars: Bars, root: Path, listing: Listing = LISTING) -> None:
    download(Recorded(bars), Store(root), listing, span_of_bars(bars))


def test_only_the_rest_is_downloaded(tmp_path: Path) -> None:
    download_all(BTC[:31], tmp_path)
    with StandIn([BTC]) as server:
        (bars,) = read(Asked(tmp_path), Opener({"binance": server}), BTC)
        starts = [int(each.query["startTime"]) for each in server.requests if each.query]
    assert bars.digest() == BTC.digest()
    assert min(starts) >= int(BTC.time[30].astype(np.int64))


def test_an_exchange_that_is_down_says_until_when_the_store_would_do(tmp_path: Path) -> None:
    download_all(BTC[:31], tmp_path)
    with pytest.raises(UnreachableError) as down:
        read(Asked(tmp_path), Opener(), BTC)
    until = "2024-01-01 03:35Z: with the same start, --end-date 2024-01-01T03:35:00Z would do"
    assert str(down.value) == f"binance is down; the store has them until {until}"
    assert len(read(Asked(tmp_path), Opener(), BTC, end=np.datetime64("2024-01-01T03:35"))[0]) == 31


def test_an_exchange_that_is_down_says_what_the_store_has_elsewhere(tmp_path: Path) -> None:
    download_all(BTC[20:31], tmp_path)
    with pytest.raises(UnreachableError, match="; the store has 2024-01-01 02:40Z to 2024-01-01 0"):
        read(Asked(tmp_path), Opener(), BTC)
    with pytest.raises(UnreachableError, match=r"is down$"):
        read(Asked(tmp_path / "other"), Opener(), BTC)


def test_what_a_broken_download_brought_is_counted_in(tmp_path: Path) -> None:
    down = Fault(FaultKind.RESTRICTED_PLACE, skip=3)
    said = pytest.raises(BlockedError, match=r"HTTP 451.*; the store has them until 2024-01-01")
    with StandIn([BTC], most_rows=20, faults=[down]) as server, said:
        read(Asked(tmp_path), Opener({"binance": server}), BTC)


def test_an_end_in_the_future_is_the_last_closed_bar(tmp_path: Path) -> None:
    with StandIn([BTC]) as server:
        far = np.datetime64("2200-01-01", "ms")
        opener = Opener({"binance": server})
        (bars,) = read(Asked(tmp_path), opener, BTC, end=far)
    assert bars.digest() == BTC.digest()


def test_bars_that_begin_later_are_said_to_every_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = BTC.time[0] - np.timedelta64(90, "D")
    with StandIn([BTC]) as server:
        for opener in (Opener({"binance": server}), Opener()):
            caplog.clear()
            span = before, BTC.closed_at[-1]
            stored_bars(["BTC/USDT"], FIVE_MINUTES, *span, Asked(tmp_path), opened_by=opener)
            assert caplog.messages == [
                "binance BTC/USDT 5m: its bars begin at 2024-01-01 00:00Z, not at "
                "2023-10-03 00:00Z: the exchange has none before"
            ]


def test_defects_are_refused_by_name_until_they_may_be_repaired(tmp_path: Path) -> None:
    source = Recorded(BTC, trouble=lambda page: np.where(page == BTC.high[7], np.nan, page))
    download(source, Store(tmp_path), LISTING, span_of_bars(BTC))
    with pytest.raises(BadBarsError, match="binance BTC/USDT 5m: 1 row with NaN"):
        read(Asked(tmp_path), Opener(), BTC)
    (bars,) = read(Asked(tmp_path, repair=["drop-broken"]), Opener(), BTC)
    assert bars.filled[7]
    assert len(read(Asked(tmp_path, repair=["drop-broken"], fill_limit=0), Opener(), BTC)[0]) == 59


def test_a_symbol_that_is_not_listed_is_refused_with_what_is(tmp_path: Path) -> None:
    with StandIn([BTC, ETH]) as server:
        unlisted = replace(BTC, symbol="BTT/USDT")
        with pytest.raises(UnknownMarketError, match="no spot market BTT/USDT; did you mean BTC/"):
            read(Asked(tmp_path), Opener({"binance": server}), unlisted)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("exchange", ["..", "Binance", "a/b"])
def test_no_exchange_leads_out_of_the_store(exchange: str, tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="an exchange is named in small letters"):
        read(Asked(tmp_path, exchange=exchange), Opener(), BTC)


def test_a_damaged_store_is_named_before_anybody_is_asked(tmp_path: Path) -> None:
    download_all(BTC, tmp_path)
    Store(tmp_path).path(LISTING).write_bytes(b"PAR1 and nothing")
    opener = Opener()
    with pytest.raises(StoreError, match="is damaged"):
        read(Asked(tmp_path), opener, BTC)
    assert opener.opened == []


# Dollars: binance lists pairs in USDT only. `binanceus` speaks its language, so it stands for those
# that list dollars.


def test_a_pair_in_dollars_is_taken_from_an_exchange_that_lists_it_and_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(history, "USD_EXCHANGES", ("kraken", "binanceus"))
    with StandIn([DOLLARS]) as server:
        opener = Opener({"binanceus": server})
        (bars,) = read(Asked(tmp_path), opener, DOLLARS)
    assert opener.opened == ["kraken", "binanceus"]
    assert bars.digest() == DOLLARS.digest()
    assert (tmp_path / "binanceus" / "BTC-USD" / "5m.parquet").exists()
    said = (
        "BTC/USD: taken from binanceus, which lists pairs in dollars; binance, the default, lists "
        "them in other coins, such as BTC/USDT"
    )
    assert caplog.messages == ["BTC/USD: kraken is down", said]
    caplog.clear()
    monkeypatch.setattr(history, "USD_EXCHANGES", ("coinbase", "kraken", "binanceus"))
    assert read(Asked(tmp_path), Opener(), DOLLARS)[0].digest() == DOLLARS.digest()  # stored
    assert caplog.messages == [said]


def test_a_market_that_is_stored_is_not_switched_to_another_exchange(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "USD_EXCHANGES", ("coinbase", "bitstamp"))
    download_all(DOLLARS[:20], tmp_path, Listing("bitstamp", "BTC/USD", FIVE_MINUTES))
    opener = Opener()
    with pytest.raises(UnreachableError, match="bitstamp is down; the store has them until"):
        read(Asked(tmp_path), opener, DOLLARS)
    assert opener.opened == ["bitstamp"]


def test_a_named_exchange_without_dollars_offers_tether_and_names_others() -> None:
    refused = pytest.raises(UnknownMarketError)
    with StandIn([BTC]) as server, connect(server) as exchange, refused as error:
        exchange_listing("BTC/USD", FIVE_MINUTES, "binance", opened=lambda _: exchange)
    assert str(error.value) == (
        "binance does not list BTC/USD, but BTC/USDT: take that, or one of coinbase, bitstamp, "
        "bitfinex with --exchange, which usually list BTC/USD"
    )


def test_a_pair_in_dollars_that_nobody_lists_is_refused() -> None:
    refused = pytest.raises(UnknownMarketError, match=r"none of a, b lists it; .* or take BTC/USDT")
    with StandIn([BTC]) as server, connect(server) as exchange, refused:
        exchange_listing("BTC/USD", FIVE_MINUTES, None, ("a", "b"), lambda _: exchange)


def test_of_several_that_are_down_the_last_one_is_named() -> None:
    with pytest.raises(ExchangeError, match="b is down"):
        exchange_listing("BTC/USD", FIVE_MINUTES, None, ("a", "b"), Opener())


def test_a_mirror_stands_for_the_usual_exchange(tmp_path: Path) -> None:
    """Its address says nothing of coinbase, so dollars are not looked for there."""
    with StandIn([DOLLARS]) as server, ExitStack() as stack:
        settings = Asked(tmp_path, base_url=server.url)
        opened: list[Exchange] = []

        def opener(name: str, /, *, base_url: str | None = None) -> Exchange:
            assert (name, base_url) == ("binance", server.url)
            opened.append(stack.enter_context(connect(server, name)))
            return opened[-1]

        start, end = DOLLARS.time[0], DOLLARS.closed_at[-1]
        answer = stored_bars(["BTC/USD"], FIVE_MINUTES, start, end, settings, opened_by=opener)
    assert answer[0][0].digest() == DOLLARS.digest()
    assert len(opened) == 1


def test_the_usual_opener_asks_the_address_that_it_is_given(tmp_path: Path) -> None:
    with StandIn([BTC]) as server:
        settings = Asked(tmp_path, base_url=server.url)
        span = BTC.time[0], BTC.closed_at[-1]
        ((bars, *_),) = stored_bars(["BTC/USDT"], FIVE_MINUTES, *span, settings)
    assert bars.digest() == BTC.digest()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/api/v3", server.url)


def test_spans_that_hold_nothing_are_named(tmp_path: Path) -> None:
    download_all(market(20, [100]), tmp_path)
    first = int(BTC.time[0].astype(np.int64))
    hole = Span(first + 20 * FIVE_MINUTES.ms, first + 30 * FIVE_MINUTES.ms)
    start, end = (np.datetime64(moment, "ms") for moment in hole)
    with pytest.raises(StoreError, match=r"there are no bars from .*; choose other dates"):
        stored_bars(["BTC/USDT"], FIVE_MINUTES, start, end, Asked(tmp_path), opened_by=Opener())
