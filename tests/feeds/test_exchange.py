"""The client of an exchange: it is patient, it says what it waits for, and why it gives up."""

import logging
import os
import re
import signal
import threading
from datetime import UTC, datetime, timedelta

import ccxt
import numpy as np
import pytest

from feeds.bars import Bars
from feeds.clock import FixedClock
from feeds.errors import BlockedError, ExchangeError, UnknownMarketError, UnreachableError
from feeds.exchange import Patience, open_exchange, retry_after
from feeds.standin.faults import Fault, FaultKind
from feeds.standin.server import StandIn
from feeds.timeframe import Timeframe
from tests.feeds.client import QUICK, connect
from tests.feeds.sources import STEP, market, span_of_bars

FIVE_MINUTES = Timeframe.parse("5m")


def page_with(fault: Fault, bars: Bars | None = None) -> tuple[int, StandIn]:
    """Ask for a page while something goes wrong; return how many rows came."""
    bars = bars or market(20)
    with StandIn([bars], faults=[fault]) as server, connect(server) as exchange:
        page = exchange.page("BTC/USDT", FIVE_MINUTES, span_of_bars(bars).start)
        return len(page), server


def error_of(fault: Fault, kind: type[ExchangeError] = UnreachableError) -> tuple[str, int]:
    """Return what is said of a fault, and after how many askings."""
    with StandIn([market(20)], faults=[fault]) as server, connect(server) as exchange:
        with pytest.raises(kind) as failed:
            exchange.page("BTC/USDT", FIVE_MINUTES, 0)
        asked = sum(asked.path == "klines" for asked in server.requests)
    assert "\n" not in str(failed.value)
    return str(failed.value), asked


def test_a_page_holds_the_rows_of_the_source_to_the_last_bit() -> None:
    bars = market(20)
    with StandIn([bars]) as server, connect(server) as exchange:
        page = exchange.page("BTC/USDT", FIVE_MINUTES, span_of_bars(bars).start + 3 * STEP)
        assert exchange.page_rows == 1000
    expected = [bars.open, bars.high, bars.low, bars.close, bars.volume]
    np.testing.assert_array_equal(page[:, 1:].T, [column[3:] for column in expected])
    np.testing.assert_array_equal(page[:, 0], bars.time[3:].astype(np.int64))


def test_only_the_markets_and_the_page_are_asked_for() -> None:
    _, server = page_with(Fault(FaultKind.SLOW, seconds=0.0))
    assert [asked.path for asked in server.requests] == ["exchangeInfo", "klines"]


@pytest.mark.parametrize("seconds", [0.01, 0.3])
def test_a_wait_that_is_asked_for_is_said_and_kept(
    seconds: float, caplog: pytest.LogCaptureFixture
) -> None:
    fault = Fault(FaultKind.TOO_MANY_REQUESTS, times=1, seconds=seconds)
    assert page_with(fault)[0] == 20
    (said,) = caplog.messages
    assert re.fullmatch(
        rf"binance: HTTP 429 .*; asking again in {seconds:.1f} s \(try 2 of 5\)", said
    )


def test_a_wait_that_was_asked_for_once_is_not_kept_twice(
    caplog: pytest.LogCaptureFixture,
) -> None:
    faults = [Fault(FaultKind.BANNED, times=1, seconds=0.3), Fault(FaultKind.RESET, times=1)]
    with StandIn([market(20)], faults=faults) as server, connect(server) as exchange:
        exchange.page("BTC/USDT", FIVE_MINUTES, 0)
    assert [re.findall(r"in (\d\.\d) s", said) for said in caplog.messages] == [["0.3"], ["0.0"]]


def test_a_wait_of_hours_ends_the_work_instead() -> None:
    said, asked = error_of(Fault(FaultKind.BANNED, seconds=7200))
    assert said == "binance wants 7200 s of peace (HTTP 418 I'm a Teapot); try again after that"
    assert asked == 1  # to ask earlier makes a ban longer


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("0.5", 0.5), ("-3", 0), ("soon", 0), ("", 0), ("nan", 0), ("inf", np.inf),
     ("Mon, 01 Jan 2024 00:02:00 GMT", 120), ("Mon, 01 Jan 2020 00:02:00 GMT", 0),
     ("Mon, 99 Jan 2024", 0), ("Mon, 01 Jan 2024 00:02:00", 0)],
)  # fmt: skip
def test_the_wait_is_a_number_of_seconds_or_a_date(header: str, seconds: float) -> None:
    now = datetime(2024, 1, 1, tzinfo=UTC)
    assert retry_after({"Retry-After": header}, now) == seconds
    assert retry_after({}, now) == retry_after(None, now) == 0


def test_waits_grow_to_a_limit_and_differ() -> None:
    patience, rng = Patience(first=1.0, most=8.0), np.random.default_rng(0)
    waits = np.array([[patience.wait(tries, rng) for tries in range(1, 9)] for _ in range(50)])
    longest = np.minimum(8.0, 2.0 ** np.arange(8))
    assert (waits <= longest).all()
    assert (waits >= longest / 2).all()
    assert (np.std(waits, axis=0) > 0).all()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (FaultKind.SERVER_ERROR, "HTTP 500 Internal Server Error"),
        (FaultKind.BAD_GATEWAY, "HTTP 502 Bad Gateway"),
        (FaultKind.HTML, "an answer that is no JSON"),
        (FaultKind.RESET, "[Errno 104] Connection reset by peer"),
    ],
)
def test_who_gives_up_says_after_how_many_tries_and_the_last_answer(
    kind: FaultKind, said: str
) -> None:
    message, asked = error_of(Fault(kind))
    assert message.startswith("binance was asked 5 times and gave no proper answer, at last: ")
    assert said in message
    assert asked == 5


@pytest.mark.parametrize(
    ("kind", "status", "tries"),
    [(FaultKind.RESTRICTED_PLACE, 451, 1), (FaultKind.FIREWALL, 403, 3)],
)
def test_a_blocked_place_gets_a_message_that_names_what_to_do(
    kind: FaultKind, status: int, tries: int
) -> None:
    message, asked = error_of(Fault(kind), BlockedError)
    assert asked == tries
    assert message.startswith(f"binance refuses this place or this address (HTTP {status}")
    assert "choose another --exchange" in message
    assert "--base-url https://data-api.binance.vision/api/v3" in message
    assert "or run where it is allowed" in message


def test_a_firewall_that_relents_is_no_block() -> None:
    assert page_with(Fault(FaultKind.FIREWALL, times=2))[0] == 20


@pytest.mark.parametrize("path", ["exchangeInfo", "time"])
@pytest.mark.parametrize(
    "kind", [FaultKind.HTML, FaultKind.CUT_JSON, FaultKind.EMPTY, FaultKind.CUT_BODY]
)
def test_damaged_markets_and_times_are_asked_for_again(path: str, kind: FaultKind) -> None:
    with StandIn([market(20)], faults=[Fault(kind, path=path, times=3)]) as server:
        with connect(server) as exchange:
            assert exchange.lists("BTC/USDT", FIVE_MINUTES)
            assert exchange.closed_until(FIVE_MINUTES) % STEP == 0
        server.add_fault(Fault(kind, path=path))
        with pytest.raises(UnreachableError), connect(server) as exchange:
            exchange.closed_until(FIVE_MINUTES)


def test_an_exchange_that_is_not_there_is_unreachable() -> None:
    with StandIn([market(20)]) as server:
        url = server.url
    with pytest.raises(UnreachableError, match="Connection refused"):
        open_exchange("binance", base_url=url, patience=QUICK)


def test_bars_count_as_closed_by_the_clock_of_the_exchange() -> None:
    clock = FixedClock(datetime(2024, 1, 1, 10, 7, tzinfo=UTC))
    with StandIn([market(20)], clock=clock) as server, connect(server) as exchange:
        assert exchange.closed_until(FIVE_MINUTES) == milliseconds(9, 55)  # settled ten minutes
        assert exchange.closed_until(Timeframe.parse("1h")) == milliseconds(9, 0)


def test_a_local_clock_that_is_ahead_is_not_believed() -> None:
    with StandIn([market(20)]) as server:
        ahead = FixedClock(datetime.now(UTC) + timedelta(days=2))  # noqa: TID251  as the server's
        exchange = open_exchange("binance", base_url=server.url, clock=ahead)
        exchange._client.has["fetchTime"] = None
        closed = datetime.fromtimestamp(exchange.closed_until(FIVE_MINUTES) / 1000, UTC)
        assert closed < ahead.moment - timedelta(days=1, hours=23)


def test_a_local_clock_is_trusted_one_bar_less() -> None:
    """Where the exchange does not tell the time: a clock that is ahead closes bars early."""
    clock = FixedClock(datetime(2024, 1, 1, 10, 17, tzinfo=UTC))
    with StandIn([market(20)]) as server:
        exchange = open_exchange("binance", base_url=server.url, clock=clock)
        exchange._client.has["fetchTime"] = None
        assert exchange.closed_until(FIVE_MINUTES) == milliseconds(10, 0)
        assert [asked.path for asked in server.requests] == ["exchangeInfo"]


def milliseconds(hour: int, minute: int) -> int:
    return int(datetime(2024, 1, 1, hour, minute, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("binanse", "ccxt knows no exchange 'binanse'; did you mean binance?"),
        ("Kraken", "did you mean kraken?"),
        ("!", "for example binance, coinbase, kraken"),
        ("bitflyer", "bitflyer offers no history of bars; choose another --exchange"),
    ],
)
def test_an_exchange_that_cannot_be_asked_is_named_with_a_hint(name: str, hint: str) -> None:
    with pytest.raises(UnknownMarketError, match=re.escape(hint)):
        open_exchange(name)


def test_a_symbol_or_a_timeframe_that_is_not_listed_is_named_with_what_is() -> None:
    both = [market(9), market(9, symbol="ETH/USDT")]
    with StandIn(both) as server, connect(server) as exchange:
        with pytest.raises(UnknownMarketError, match="no spot market BTC/USDX; did you mean BTC/"):
            exchange.refuse_unknown("BTC/USDX", FIVE_MINUTES)
        with pytest.raises(UnknownMarketError, match="no spot market QQ/ZZ; choose another --exch"):
            exchange.refuse_unknown("QQ/ZZ", FIVE_MINUTES)
        with pytest.raises(UnknownMarketError, match="no bars of 7m; it has 1m, 3m, 5m, 15m, 30m"):
            exchange.refuse_unknown("BTC/USDT", Timeframe.parse("7m"))
        exchange.refuse_unknown("ETH/USDT", FIVE_MINUTES)


@pytest.mark.parametrize("address", ["example.com", "ftp://example.com", ""])
def test_an_address_must_be_one_of_the_web(address: str) -> None:
    with pytest.raises(ExchangeError, match="must begin with http"):
        open_exchange("binance", base_url=address)


def test_an_exchange_of_several_addresses_has_no_mirror() -> None:
    with pytest.raises(ExchangeError, match=r"mexc has no single public address .*--base-url"):
        open_exchange("mexc", base_url="http://127.0.0.1:9")


@pytest.mark.parametrize("name", ccxt.exchanges)
def test_every_exchange_of_ccxt_can_be_asked_or_says_why_not(name: str) -> None:
    """With a port that is closed: it is reached for, which is as far as a test can go."""
    patience = Patience(attempts=1)
    named = "gave no proper answer|offers no history|no single public address|without an account"
    with pytest.raises(ExchangeError, match=named):
        open_exchange(name, base_url="http://127.0.0.1:9", patience=patience)


def test_ctrl_c_ends_a_wait_at_once() -> None:
    """The wait would be longer than any test may take."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it behind &
    try:
        _interrupt_a_wait()
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupt_a_wait() -> None:
    patience = Patience(attempts=2, first=500.0, most=500.0)
    stop = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    down = Fault(FaultKind.SERVER_ERROR)
    with StandIn([market(20)], faults=[down]) as server, connect(server, patience=patience) as it:
        stop.start()
        with pytest.raises(KeyboardInterrupt):
            it.page("BTC/USDT", FIVE_MINUTES, 0)


def test_waits_are_said_on_the_log_and_nowhere_else(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    page_with(Fault(FaultKind.MAINTENANCE, times=2))
    assert len(caplog.messages) == 2
    assert capsys.readouterr() == ("", "")
