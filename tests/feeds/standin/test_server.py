"""The real ccxt client takes the stand-in for Binance, and sees what goes wrong with it."""

import gc
import logging
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import ccxt
import numpy as np
import pytest

from feeds.bars import PRICES, Bars
from feeds.clock import FixedClock
from feeds.standin.faults import Fault, FaultKind
from feeds.standin.server import StandIn
from tests.makers import make_bars, with_hole

NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)
FIRST = 1_704_067_200_000  # the same, in ms
FIVE_MINUTES = 300_000
BARS = make_bars(40)


@dataclass
class MovingClock:
    """A clock that the test sets forward."""

    moment: datetime

    def now(self) -> datetime:
        return self.moment


@contextmanager
def client_of(exchange: StandIn) -> Iterator[Any]:
    """Yield ccxt's own client; nothing but its urls knows of the stand-in."""
    client = ccxt.binance(
        {
            "enableRateLimit": False,
            "options": {"fetchMarkets": {"types": ["spot"]}},
            "urls": {"api": {"public": exchange.url}},
        }
    )
    with closing(client.session):
        yield client


def rows_of(bars: Bars) -> list[list[float]]:
    """Return ccxt's rows of the bars that were really traded."""
    columns = [bars.time.astype(np.int64), *(getattr(bars, n) for n in (*PRICES, "volume"))]
    return np.column_stack(columns)[~bars.filled].tolist()  # type: ignore[no-any-return]


def positions(rows: list[list[float]]) -> list[int]:
    return [int(row[0] - FIRST) // FIVE_MINUTES for row in rows]


def test_load_markets_finds_each_symbol_with_its_steps_and_limits() -> None:
    with StandIn([BARS, make_bars(3, symbol="ETH/BTC")]) as exchange, client_of(exchange) as client:
        markets = client.load_markets()
    assert sorted(markets) == ["BTC/USDT", "ETH/BTC"]
    assert {(m["type"], m["active"]) for m in markets.values()} == {("spot", True)}
    assert markets["BTC/USDT"]["precision"]["price"] == 1e-8
    assert markets["BTC/USDT"]["precision"]["amount"] == 1e-8
    assert markets["BTC/USDT"]["limits"]["cost"]["min"] == 5.0
    assert markets["BTC/USDT"]["limits"]["amount"]["min"] == 1e-8


def test_a_symbol_that_is_no_longer_traded_is_listed_as_not_active() -> None:
    with StandIn([BARS]) as exchange, client_of(exchange) as client:
        exchange.set_status("BTC/USDT", "BREAK")
        assert client.load_markets()["BTC/USDT"]["active"] is False
        assert len(client.fetch_ohlcv("BTC/USDT", "5m")) == 40


def test_the_time_of_the_exchange_is_that_of_its_clock() -> None:
    clock = MovingClock(NEW_YEAR)
    with StandIn([BARS], clock=clock) as exchange, client_of(exchange) as client:
        assert client.fetch_time() == FIRST
        clock.moment += timedelta(milliseconds=1234)
        assert client.fetch_time() == FIRST + 1234
        assert client.public_get_ping() == {}


@pytest.mark.parametrize("timeframe", ["1m", "5m", "15m", "1h", "4h", "1d"])
def test_bars_arrive_to_the_last_bit_in_every_timeframe(timeframe: str) -> None:
    markets = [make_bars(90, seed, timeframe=tf) for seed, tf in enumerate(("1m", "5m", "1h"))]
    markets += [make_bars(90, 3, timeframe=tf) for tf in ("15m", "4h", "1d")]
    (bars,) = (m for m in markets if str(m.timeframe) == timeframe)
    with StandIn(markets) as exchange, client_of(exchange) as client:
        assert client.fetch_ohlcv("BTC/USDT", timeframe) == rows_of(bars)


def test_prices_far_from_one_arrive_to_the_last_bit() -> None:
    rng = np.random.default_rng(0)
    level = 10.0 ** rng.integers(-12, 12, 200)
    prices = {name: level * (1 + i / 3) for i, name in enumerate(("low", "open", "close", "high"))}
    bars = make_bars(200).unchecked({**prices, "volume": rng.random(200) * level})
    with StandIn([bars]) as exchange, client_of(exchange) as client:
        assert client.fetch_ohlcv("BTC/USDT", "5m") == rows_of(bars)


@pytest.mark.parametrize("most_rows", [1, 7, 40, 1000])
def test_paging_by_since_finds_every_bar_and_stops_at_no_hole(most_rows: int) -> None:
    bars = with_hole(make_bars(60), at=20, missing=15)
    with StandIn([bars], most_rows=most_rows) as exchange, client_of(exchange) as client:
        found: list[list[float]] = []
        while page := client.fetch_ohlcv(
            "BTC/USDT", "5m", since=int(found[-1][0]) + 1 if found else FIRST, limit=1000
        ):
            found += page
    assert found == rows_of(bars)
    assert len([r for r in exchange.requests if r.path == "klines"]) == -(-45 // most_rows) + 1


def test_a_page_ends_where_it_was_asked_to() -> None:
    with StandIn([BARS]) as exchange, client_of(exchange) as client:
        until = {"until": FIRST + 12 * FIVE_MINUTES}
        page = client.fetch_ohlcv("BTC/USDT", "5m", since=FIRST + 1, limit=100, params=until)
        newest = client.fetch_ohlcv("BTC/USDT", "5m", limit=3, params=until)
    assert positions(page) == list(range(1, 13))
    assert positions(newest) == [10, 11, 12]


def test_the_bar_that_is_forming_is_served_as_it_stands_and_no_later_one() -> None:
    clock = MovingClock(NEW_YEAR + timedelta(minutes=52))
    with StandIn([BARS], clock=clock) as exchange, client_of(exchange) as client:
        rows = client.fetch_ohlcv("BTC/USDT", "5m")
        assert positions(rows) == list(range(11))
        assert rows[:10] == rows_of(BARS)[:10]
        assert rows[10] != rows_of(BARS)[10]
        assert rows[10][1] == BARS.open[10]
        clock.moment = NEW_YEAR + timedelta(minutes=55)
        assert client.fetch_ohlcv("BTC/USDT", "5m")[10] == rows_of(BARS)[10]


def test_requests_are_kept_with_what_went_wrong() -> None:
    with (
        StandIn([BARS], faults=[Fault(FaultKind.EMPTY)]) as exchange,
        client_of(exchange) as client,
    ):
        client.fetch_ohlcv("BTC/USDT", "5m", since=FIRST, limit=5)
    info, klines = exchange.requests
    assert (info.path, info.query, info.fault) == ("exchangeInfo", {}, None)
    assert (klines.path, klines.fault) == ("klines", FaultKind.EMPTY)
    assert klines.query == {
        "symbol": "BTCUSDT", "interval": "5m", "limit": "5", "startTime": str(FIRST)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "error", "code"),
    [
        ({"symbol": "FOOUSDT", "interval": "5m"}, ccxt.BadSymbol, "-1121"),
        ({"symbol": "BTCUSDT", "interval": "7m"}, ccxt.BadRequest, "-1120"),
        ({"symbol": "BTCUSDT"}, ccxt.BadRequest, "-1102"),
        ({"symbol": "BTCUSDT", "interval": "5m", "limit": "x"}, ccxt.BadRequest, "-1100"),
    ],
)
def test_ccxt_knows_the_errors_of_wrong_requests(
    query: dict[str, str], error: type[Exception], code: str
) -> None:
    with StandIn([BARS]) as exchange, client_of(exchange) as client:
        with pytest.raises(error, match=code):
            client.public_get_klines(query)
        with pytest.raises(ccxt.BadSymbol, match="FOO/USDT"):
            client.fetch_ohlcv("FOO/USDT", "5m")


def test_what_the_stand_in_does_not_have_is_not_found() -> None:
    with StandIn([BARS]) as exchange, client_of(exchange) as client:
        client.load_markets()
        with pytest.raises(ccxt.ExchangeNotAvailable, match="404 Not Found no endpoint 'avgPrice'"):
            client.public_get_avgprice({"symbol": "BTCUSDT"})


# What the client makes of a page of 10 bars from the tenth on, with 3 rows spoiled: an error of
# exactly this class, or these bars.
SEEN_AS: dict[FaultKind, type[Exception] | list[int]] = {
    FaultKind.TOO_MANY_REQUESTS: ccxt.DDoSProtection,
    FaultKind.BANNED: ccxt.DDoSProtection,
    FaultKind.SERVER_ERROR: ccxt.OperationFailed,
    FaultKind.BAD_GATEWAY: ccxt.ExchangeNotAvailable,
    FaultKind.MAINTENANCE: ccxt.BadRequest,
    FaultKind.GATEWAY_TIMEOUT: ccxt.RequestTimeout,
    FaultKind.FIREWALL: ccxt.ExchangeNotAvailable,
    FaultKind.RESTRICTED_PLACE: ccxt.ExchangeNotAvailable,
    FaultKind.HTML: [],
    FaultKind.CUT_JSON: [],
    FaultKind.CUT_BODY: ccxt.NetworkError,
    FaultKind.RESET: ccxt.NetworkError,
    FaultKind.SLOW: ccxt.RequestTimeout,
    FaultKind.EMPTY: [],
    FaultKind.SHORT_PAGE: [10, 11, 12],
    FaultKind.OVERLAPPING_PAGE: [10, 11, 12, 13, 14, 15, 16],
    FaultKind.MISSING_ROWS: [10, 11, 12, 16, 17, 18, 19],
    FaultKind.REPEATED_ROWS: [10, 10, 11, 11, 12, 12, 13, 14, 15, 16],
    FaultKind.REVERSED_PAGE: list(range(10, 20)),  # ccxt sorts
}


def ask(client: Any) -> list[int]:
    since = FIRST + 10 * FIVE_MINUTES
    return positions(client.fetch_ohlcv("BTC/USDT", "5m", since=since, limit=10))


@pytest.mark.parametrize("kind", FaultKind)
def test_what_ccxt_makes_of_a_fault(kind: FaultKind, caplog: pytest.LogCaptureFixture) -> None:
    seen, good = SEEN_AS[kind], list(range(10, 20))
    with StandIn([BARS]) as exchange, client_of(exchange) as client:
        assert ask(client) == good
        exchange.add_fault(Fault(kind, times=1, seconds=60))
        client.timeout = 300 if kind is FaultKind.SLOW else 10_000
        if isinstance(seen, list):
            assert ask(client) == seen
        else:
            with pytest.raises(seen) as raised:
                ask(client)
            assert type(raised.value) is seen
        client.timeout = 10_000
        assert ask(client) == good
    assert [r.fault for r in exchange.requests] == [None, None, kind, None]
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("kind", [FaultKind.TOO_MANY_REQUESTS, FaultKind.BANNED])
def test_who_asks_too_often_is_told_how_long_to_wait(kind: FaultKind) -> None:
    with StandIn([BARS]) as exchange, client_of(exchange) as client:
        exchange.add_fault(Fault(kind, path="time", seconds=7))
        with pytest.raises(ccxt.DDoSProtection):
            client.fetch_time()
        assert client.last_response_headers["Retry-After"] == "7"


def test_a_reset_is_a_reset_and_not_an_end() -> None:
    with (
        StandIn([BARS], faults=[Fault(FaultKind.RESET)]) as exchange,
        client_of(exchange) as client,
        pytest.raises(ccxt.NetworkError) as raised,
    ):
        ask(client)
    assert "ConnectionResetError" in repr(raised.value.__cause__)


def test_a_slow_answer_is_a_whole_one_to_who_waits() -> None:
    faults = [Fault(FaultKind.SLOW, seconds=0.05)]
    with StandIn([BARS], faults=faults) as exchange, client_of(exchange) as client:
        assert ask(client) == list(range(10, 20))


def test_a_page_really_overlaps_repeats_and_runs_backwards() -> None:
    query = {"symbol": "BTCUSDT", "interval": "5m", "limit": 4, "startTime": FIRST + 2_100_000}
    with StandIn([BARS]) as exchange, client_of(exchange) as client:
        pages = {}
        for kind in (
            FaultKind.OVERLAPPING_PAGE, FaultKind.REPEATED_ROWS, FaultKind.REVERSED_PAGE
        ):  # fmt: skip
            exchange.add_fault(Fault(kind, times=1, rows=2))
            rows = client.public_get_klines(query)
            pages[kind] = positions([[int(row[0])] for row in rows])
    assert pages == {
        FaultKind.OVERLAPPING_PAGE: [5, 6, 7, 8],
        FaultKind.REPEATED_ROWS: [7, 7, 8, 8, 9, 10],
        FaultKind.REVERSED_PAGE: [10, 9, 8, 7],
    }


def test_a_block_shows_when_the_markets_are_loaded_too() -> None:
    faults = [Fault(FaultKind.RESTRICTED_PLACE, path=None)]
    with StandIn([BARS], faults=faults) as exchange, client_of(exchange) as client:
        with pytest.raises(ccxt.ExchangeNotAvailable, match=r"451.*restricted location"):
            client.load_markets()
        exchange.clear_faults()
        assert list(client.load_markets()) == ["BTC/USDT"]


def test_what_happens_by_chance_happens_again_with_the_same_seed() -> None:
    def faults(seed: int) -> list[object]:
        chance = [Fault(FaultKind.EMPTY, probability=0.5, seed=seed)]
        with StandIn([BARS], faults=chance) as exchange, client_of(exchange) as client:
            for _ in range(30):
                ask(client)
        return [request.fault for request in exchange.requests]

    assert faults(1) == faults(1) != faults(2)


def test_several_clients_are_served_while_faults_come_and_go() -> None:
    good = list(range(10, 20))

    def ask_often(exchange: StandIn) -> list[list[int]]:
        with client_of(exchange) as client:
            return [ask(client) for _ in range(20)]

    with StandIn([BARS]) as exchange, ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(ask_often, exchange) for _ in range(4)]
        while not all(future.done() for future in waiting):
            exchange.add_fault(Fault(FaultKind.EMPTY))
            exchange.clear_faults()
        answers = [answer for future in waiting for answer in future.result()]
    assert len(answers) == 80
    assert all(answer in (good, []) for answer in answers)


def address(exchange: StandIn) -> tuple[str, int]:
    return "127.0.0.1", int(exchange.url.split(":")[2].split("/")[0])


def listens(exchange: StandIn) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(address(exchange)) == 0


def test_the_end_of_the_block_leaves_no_thread_and_no_socket() -> None:
    before = threading.active_count()
    with StandIn([BARS]) as exchange, client_of(exchange) as client:
        ask(client)
        assert listens(exchange)
    assert not listens(exchange)
    assert threading.active_count() == before
    gc.collect()  # a socket that was left open would warn, and warnings are errors


WHOLE = b"GET /api/v3/klines?symbol=BTCUSDT&interval=5m&limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("sent", [b"", WHOLE[:20], WHOLE])
def test_who_comes_at_the_very_end_leaves_no_socket_either(sent: bytes) -> None:
    exchange = StandIn([make_bars(1000)])
    for round_ in range(10):
        with exchange:
            clients = [socket.create_connection(address(exchange)) for _ in range(1 + round_ % 3)]
            for client in clients:
                client.sendall(sent)
        for client in clients:
            client.close()
    gc.collect()  # as above


def test_who_never_reads_the_answers_leaves_no_socket_either() -> None:
    with socket.socket() as client, StandIn([make_bars(10_000)], most_rows=10_000) as exchange:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(address(exchange))
        client.sendall(WHOLE.replace(b"1000", b"10000") * 20)
        asked = -1
        while asked < len(exchange.requests):  # until what waits to be sent fills every buffer
            asked = len(exchange.requests)
            time.sleep(0.3)
        assert asked < 20
    gc.collect()  # as above


def test_a_stand_in_starts_again_and_several_run_at_once() -> None:
    first, second = StandIn([BARS]), StandIn([make_bars(3, symbol="ETH/USDT")])
    for _ in range(2):
        with first, second, client_of(first) as one, client_of(second) as other:
            assert list(one.load_markets()) == ["BTC/USDT"]
            assert list(other.load_markets()) == ["ETH/USDT"]
    assert not listens(first)


def test_an_error_in_the_block_passes_and_the_server_stops() -> None:
    exchange = StandIn([BARS])
    with pytest.raises(ZeroDivisionError), exchange:
        _ = 1 / 0
    assert not listens(exchange)


def test_who_still_waits_for_a_slow_answer_is_let_go_at_the_end() -> None:
    faults = [Fault(FaultKind.SLOW, seconds=3600)]
    with ThreadPoolExecutor(1) as pool:
        with StandIn([BARS], faults=faults) as exchange, client_of(exchange) as client:
            client.load_markets()
            waiting = pool.submit(ask, client)
            while len(exchange.requests) < 2:
                time.sleep(0.01)
        with pytest.raises(ccxt.NetworkError):
            waiting.result()


def test_a_stand_in_that_serves_no_market_lists_none() -> None:
    with StandIn([], clock=FixedClock(NEW_YEAR)) as exchange, client_of(exchange) as client:
        assert client.load_markets() == {}
