"""Messages reach a receiver that fails, and never make trading wait."""

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from engine.errors import ConfigError
from engine.paper.records import Event
from engine.paper.webhook import (
    QUEUE,
    Message,
    Webhook,
    entry_message,
    event_message,
    exit_message,
)
from tests.engine.paper.state_makers import make_order, make_priced_fill
from tests.engine.run_makers import make_trade
from tests.makers import START

SECRET = "/hook/t0ken?key=s3cret"  # noqa: S105  of nothing
QUICK = (0.01, 0.01)


class Receiver:
    """Answers as it is told, and keeps what it was sent."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}{SECRET}"
        self.answers: list[int] = []  # the next ones; 200 when there are none
        self.taken: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.stuck = threading.Event()

    def answer(self, path: str, body: bytes) -> int:
        """Take a message and return the answer; 0 hangs up."""
        self.asked.append(path)
        status = self.answers.pop(0) if self.answers else 200
        if status == 200:
            self.taken.append(json.loads(body))
        if status == -1:
            self.stuck.wait(20)
        return status


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Serve on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = here.answer(self.path, body)
            if status <= 0:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its own name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    here = Receiver(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield here
    finally:
        here.stuck.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def to() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


def message(number: int = 0) -> Message:
    return Message(f"m{number}", "entry", {"symbol": "BTC/USDT"})


def until(holds: Any) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + 20
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert holds()


def test_a_message_arrives_whole(to: Receiver) -> None:
    with Webhook(to.url, {"exchange": "binance", "rehearsal": True}) as hook:
        hook.tell(message())
        hook.tell(None)
    assert to.taken == [
        {"id": "m0", "event": "entry", "exchange": "binance", "rehearsal": True,
         "symbol": "BTC/USDT"}
    ]  # fmt: skip
    assert to.asked == [SECRET]
    assert (hook.sent, hook.failed, hook.dropped) == (1, 0, 0)


@pytest.mark.parametrize("wrong", [500, 404, 302, 0])
def test_a_message_that_is_not_taken_is_sent_again(to: Receiver, wrong: int) -> None:
    to.answers = [wrong, wrong]
    with Webhook(to.url, {}, pauses_s=QUICK) as hook:
        hook.tell(message())
        until(lambda: hook.sent == 1)
    assert [each["id"] for each in to.taken] == ["m0"]
    assert len(to.asked) == 3


def test_a_message_is_given_up_and_the_next_is_sent(to: Receiver) -> None:
    to.answers = [500, 500, 500]
    with Webhook(to.url, {}, pauses_s=QUICK) as hook:
        hook.tell(message(0))
        hook.tell(message(1))
        until(lambda: hook.sent == 1)
    assert hook.failed == 1
    assert [each["id"] for each in to.taken] == ["m1"]


def test_telling_never_waits_and_drops_what_is_too_much(
    to: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    to.answers = [-1]
    with Webhook(to.url, {}, pauses_s=(), timeout_s=20.0) as hook:
        hook.tell(message())
        until(lambda: to.asked)  # the thread is stuck with it
        begun = time.monotonic()
        for number in range(QUEUE + 7):
            hook.tell(message(number))
        assert time.monotonic() - begun < 5.0
        assert hook.dropped == 7
        to.stuck.set()
        until(lambda: hook.sent == QUEUE)


def test_a_receiver_that_hangs_ends_nothing(to: Receiver) -> None:
    to.answers = [-1]
    hook = Webhook(to.url, {}, timeout_s=15.0)
    with hook:
        hook.tell(message())
        until(lambda: to.asked)
        begun = time.monotonic()
        hook.close(0.1)
        assert time.monotonic() - begun < 10.0
        to.stuck.set()


def test_nobody_at_the_address_is_a_warning_without_its_secret(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with receiver() as gone:
        pass
    caplog.set_level(logging.DEBUG, "tandem")
    with Webhook(gone.url, {}, pauses_s=QUICK) as hook:
        hook.tell(message())
        until(lambda: hook.failed == 1)
    assert "not taken (ConnectionRefusedError" in caplog.text
    assert f"{hook.place}: entry" in caplog.text
    assert "given up" in caplog.text
    for secret in ("t0ken", "s3cret", "/hook"):
        assert secret not in caplog.text
        assert secret not in repr(hook)


@pytest.mark.parametrize(
    "url",
    [
        "", "example.org/t0ken", "ftp://example.org/t0ken", "https:///t0ken", "http://[t0ken",
        "https://host:port/t0ken", "https://host/t0ken\r\nX: y", "https://host/t0ken key",
        "https://me:t0ken@host/", "https://host/\u00e9t0ken", "http://host:0/t0ken",
    ],
)  # fmt: skip
def test_a_wrong_address_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match=r"^a webhook's address must") as found:
        Webhook(url, {})
    assert "t0ken" not in str(found.value)


def test_messages_tell_of_entries_exits_and_trouble() -> None:
    order = make_order(START)
    entry = entry_message(make_priced_fill(order), "off")
    assert (entry.id, entry.event) == ("entry:1", "entry")
    assert entry.body["priced_by"] == "trade"
    assert entry.body["decided_at"] == "2024-01-01T00:00:00Z"
    leave = exit_message(make_priced_fill(order), make_trade(2.0), "drift: features")
    assert (leave.id, leave.event) == ("exit:1", "exit")
    assert leave.body["trade"]["pnl"] == 2.0
    assert (entry.body["ml"], leave.body["ml"]) == ("off", "drift: features")
    json.dumps([entry.body, leave.body], allow_nan=False)


@pytest.mark.parametrize(
    ("kind", "told"),
    [("error", True), ("ml_dropped", True), ("started", False), ("ml_bundle", False)],
)
def test_only_trouble_is_told(kind: str, told: bool) -> None:
    at = np.datetime64("2024-01-01T00:05:00.250", "ms")
    found = event_message(Event(at=at, kind=kind, text="so"))
    expected = Message(
        f"{kind}:2024-01-01T00:05:00.250Z", kind, {"at": "2024-01-01T00:05:00.250Z", "text": "so"}
    )
    assert found == (expected if told else None)
