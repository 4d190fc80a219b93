"""Who hangs up in the midst of something is nobody's error: no line of it is logged."""

import logging
import socket
import struct
import time
from urllib.parse import urlsplit

import pytest

from feeds.standin.server import StandIn
from tests.feeds.standin.listener import BTC, PATIENCE, HandClock

LINGER_NOT = struct.pack("ii", 1, 0)  # a reset in place of an end
PING = b"\x89\x80\x00\x00\x00\x00"  # empty, as a client sends it: masked
GREETING = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def connected(url: str, greeting: str) -> socket.socket:
    """Return a connection on which a greeting has been sent."""
    place = urlsplit(url)
    there = socket.create_connection((place.hostname, place.port), PATIENCE)
    there.sendall(greeting.format(path=place.path, host=place.netloc).encode())
    return there


def reset(there: socket.socket) -> None:
    there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    there.close()


def asked(exchange: StandIn, times: int) -> None:
    """Wait until so many questions have come in, and the stand-in has had time to answer them."""
    late = time.monotonic() + PATIENCE
    while len(exchange.requests) < times:
        assert time.monotonic() < late
        time.sleep(0.01)
    time.sleep(0.1)


@pytest.mark.parametrize("pings", [0, 2000])
def test_a_listener_that_is_gone_before_its_answers(
    pings: int, caplog: pytest.LogCaptureFixture
) -> None:
    times = 10
    with caplog.at_level(logging.WARNING), StandIn([BTC], clock=HandClock(5)) as exchange:
        for _ in range(times):
            there = connected(exchange.stream_url, GREETING)
            if pings:
                assert b"101 Switching" in there.recv(4096)
                there.sendall(PING * pings)
            reset(there)
        asked(exchange, times if pings else 0)
    assert [record.getMessage() for record in caplog.records] == []
