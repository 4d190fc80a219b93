"""One question to an exchange: what time it is there, and how far our clock is from it."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from feeds.clock import FixedClock, SystemClock
from feeds.errors import BlockedError, ExchangeError, UnknownMarketError, UnreachableError
from feeds.standin.faults import Fault, FaultKind
from feeds.standin.server import StandIn
from feeds.told_time import ask_time
from tests.feeds.sources import market


class ShiftedClock:
    """A clock that shows so many seconds more than the system's."""

    def __init__(self, seconds: float) -> None:
        self._shift = timedelta(seconds=seconds)

    def now(self) -> datetime:
        return SystemClock().now() + self._shift

    def stopwatch(self) -> float:
        return SystemClock().stopwatch()


@pytest.mark.parametrize("seconds", [-90.0, -1.5, 0.0, 2.5, 3600.0])
def test_the_distance_of_the_clocks_is_told_within_half_of_the_round_trip(seconds: float) -> None:
    with StandIn([market(20)]) as server:
        told = ask_time("binance", base_url=server.url, clock=ShiftedClock(seconds))
    assert told.exchange == "binance"
    assert told.ahead == pytest.approx(seconds, abs=told.took / 2 + 0.002)  # told to the ms


def test_one_request_is_made_and_none_for_the_markets() -> None:
    with StandIn([market(20)]) as server:
        ask_time("binance", base_url=server.url)
    assert [asked.path for asked in server.requests] == ["time"]


def test_an_exchange_that_tells_no_time_is_asked_for_its_markets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import ccxt

    described = ccxt.binance.describe

    def without_time(self: object) -> dict[str, object]:
        found: dict[str, object] = described(self)
        return {**found, "has": {**dict(found["has"]), "fetchTime": False}}  # type: ignore[call-overload]

    monkeypatch.setattr(ccxt.binance, "describe", without_time)
    with StandIn([market(20)]) as server:
        told = ask_time("binance", base_url=server.url)
    assert told.ahead is None
    assert [asked.path for asked in server.requests] == ["exchangeInfo"]


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FaultKind.RESTRICTED_PLACE, BlockedError),
        (FaultKind.FIREWALL, BlockedError),
        (FaultKind.TOO_MANY_REQUESTS, UnreachableError),
        (FaultKind.MAINTENANCE, UnreachableError),
        (FaultKind.SERVER_ERROR, UnreachableError),
        (FaultKind.HTML, UnreachableError),
        (FaultKind.CUT_JSON, UnreachableError),
        (FaultKind.CUT_BODY, UnreachableError),
        (FaultKind.RESET, UnreachableError),
    ],
)
def test_a_bad_answer_is_an_error_at_once(kind: FaultKind, error: type[ExchangeError]) -> None:
    with StandIn([market(20)], faults=[Fault(kind, path="time")]) as server:
        with pytest.raises(error) as failed:
            ask_time("binance", base_url=server.url)
        assert len(server.requests) == 1
    assert "\n" not in str(failed.value)


def test_who_does_not_answer_is_not_waited_for_longer_than_told() -> None:
    slow = Fault(FaultKind.SLOW, path="time", seconds=30.0)
    with StandIn([market(20)], faults=[slow]) as server:
        began = time.monotonic()
        with pytest.raises(UnreachableError):
            ask_time("binance", base_url=server.url, patience=0.3)
        assert time.monotonic() - began < 5.0


def test_nobody_at_the_address_is_an_error() -> None:
    with StandIn([market(20)]) as server:
        gone = server.url
    with pytest.raises(UnreachableError, match="binance"):
        ask_time("binance", base_url=gone)


def test_an_unknown_exchange_is_named_with_what_was_meant() -> None:
    with pytest.raises(UnknownMarketError, match="did you mean binance"):
        ask_time("binanse")


def test_a_clock_that_stands_is_compared_as_it_stands() -> None:
    then = datetime(2024, 1, 1, tzinfo=UTC)
    with StandIn([market(20)], clock=FixedClock(then)) as server:
        told = ask_time("binance", base_url=server.url, clock=FixedClock(then))
    assert told.ahead == pytest.approx(0.0, abs=0.001)
