"""The stream of news, over a real socket: nothing is lost, and nobody can take too much of it."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from engine.dashboard.routes import MOST_STREAMS
from engine.dashboard.server import Dashboard
from engine.paper.state import PaperState
from tests.engine.dashboard.asking import Stream, ask, window
from tests.engine.dashboard.session_makers import Recorded, make_health

SYMBOL = "ETH/USDT"
BEGUN = 100


@pytest.fixture
def state(recorded: Recorded, tmp_path: Path) -> Iterator[PaperState]:
    with recorded.begin(tmp_path / "paper.sqlite", BEGUN) as state:
        yield state


@pytest.fixture
def url(state: PaperState, tmp_path: Path) -> Iterator[str]:
    with Dashboard(tmp_path / "paper.sqlite", port=0) as dashboard:
        yield dashboard.url


def commit(state: PaperState, recorded: Recorded, first: int, stop: int) -> list[int]:
    """Commit moments, and return when the bars of the symbol opened."""
    for record in recorded.records[first:stop]:
        state.commit(record)
    found = recorded.records[first:stop]
    return [int(record.bars[SYMBOL].bar.time[0].astype(int)) for record in found]


def test_a_moment_is_told_when_it_is_committed(
    url: str, state: PaperState, recorded: Recorded
) -> None:
    begun = window(url, symbol=SYMBOL)
    with Stream(url, symbol=SYMBOL, after=begun["id"]) as stream:
        (opened,) = commit(state, recorded, BEGUN, BEGUN + 1)
        name, news = stream.next("moment")
    assert news["bars"]["time"][-1] == opened
    assert name == news["id"] != begun["id"]


@pytest.mark.parametrize("by", ["parameter", "header"])
def test_who_comes_back_gets_what_was_missed(
    url: str, state: PaperState, recorded: Recorded, by: str
) -> None:
    begun = window(url, symbol=SYMBOL)
    last = begun["id"]
    for first in (BEGUN, BEGUN + 7, BEGUN + 8):
        opened = commit(state, recorded, first, {BEGUN: BEGUN + 7}.get(first, first + 1))
        # The header is what a browser sends that lost the connection by itself; it is the newer.
        told = {"after": last} if by == "parameter" else {"after": begun["id"]}
        headers = {} if by == "parameter" else {"Last-Event-ID": last}
        with Stream(url, headers, symbol=SYMBOL, **told) as stream:
            name, news = stream.next("moment")
        assert name is not None
        last = name
        assert news["bars"]["time"] == opened


def test_health_is_told_when_it_changes_and_moves_no_moment(
    url: str, state: PaperState, recorded: Recorded
) -> None:
    begun = window(url, symbol=SYMBOL)
    with Stream(url, symbol=SYMBOL, after=begun["id"]) as stream:
        stream.next("health")
        halted = make_health(recorded.records[BEGUN - 1], watching={SYMBOL: "halted"})
        state.beat(halted.to_json())
        events = stream.events()
        name, news = next((n, d) for _, n, d in events if "markets" in d)
    assert name is None  # a stream that is taken up goes on after the last moment
    assert [market["text"] for market in news["markets"]] == ["", "halted", ""]


def test_who_was_at_another_session_is_told_to_begin_anew(url: str) -> None:
    with Stream(url, symbol=SYMBOL, after="1.2") as stream:
        assert [kind for kind, _, _ in stream.events()] == ["reset"]


def test_there_is_a_limit_to_streams_and_places_come_free(url: str) -> None:
    last = window(url, symbol=SYMBOL)["id"]
    streams = [Stream(url, symbol=SYMBOL, after=last) for _ in range(MOST_STREAMS)]
    try:
        for stream in streams:
            stream.next("health")
        assert ask(url, f"/api/events?symbol={SYMBOL}&after={last}").status == 503
        assert ask(url, "/api/session").status == 200
        streams.pop().__exit__()
        free = threading.Event()
        for _ in range(200):
            with Stream(url, symbol=SYMBOL, after=last) as stream:
                if stream.status == 200:
                    break
            free.wait(0.05)
        assert stream.status == 200
    finally:
        for stream in streams:
            stream.__exit__()


@pytest.mark.parametrize(
    "query",
    ["", "?symbol=DOGE/USDT", f"?symbol={SYMBOL}&after={'9' * 101}", "?symbol=" + "x" * 101],
)
def test_a_question_that_cannot_be_answered_begins_no_stream(url: str, query: str) -> None:
    answer = ask(url, f"/api/events{query}")
    assert answer.status in (404, 422)
    assert "text/event-stream" not in answer.headers["content-type"]


@pytest.mark.parametrize("count", [0, 501, "x"])
def test_no_more_bars_are_given_at_once_than_a_page_shows(url: str, count: object) -> None:
    assert ask(url, f"/api/bars?symbol={SYMBOL}&before=99999999&count={count}").status == 422


def test_it_stops_with_streams_open_and_leaves_no_thread(
    state: PaperState, recorded: Recorded, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = set(threading.enumerate())
    with Dashboard(tmp_path / "paper.sqlite", port=0) as dashboard:
        last = window(dashboard.url, symbol=SYMBOL)["id"]
        streams = [Stream(dashboard.url, symbol=SYMBOL, after=last) for _ in range(3)]
        for stream in streams:
            stream.next("health")
        assert set(threading.enumerate()) > before
    for stream in streams:
        list(stream.events())  # they end
        stream.__exit__()
    assert set(threading.enumerate()) == before
    assert caplog.text == ""  # they ended by themselves: none was cancelled
    with pytest.raises(ConnectionRefusedError):
        ask(dashboard.url)
    commit(state, recorded, BEGUN, BEGUN + 1)  # and the session goes on


def test_who_does_not_read_holds_nobody_up(url: str, state: PaperState, recorded: Recorded) -> None:
    last = window(url, symbol=SYMBOL)["id"]
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        deaf.connect(("127.0.0.1", urlsplit(url).port))
        asked = f"GET /api/events?symbol={SYMBOL}&after={last} HTTP/1.1\r\n"
        deaf.sendall(f"{asked}Host: {urlsplit(url).netloc}\r\n\r\n".encode())
        for first in range(BEGUN, BEGUN + 60, 3):
            commit(state, recorded, first, first + 3)
            assert ask(url, f"/api/session?symbol={SYMBOL}").status == 200


def test_many_may_look_while_moments_are_committed(
    url: str, state: PaperState, recorded: Recorded
) -> None:
    answers: list[int] = []

    def look() -> None:
        answers.extend(ask(url, f"/api/session?symbol={SYMBOL}").status for _ in range(5))

    lookers = [threading.Thread(target=look) for _ in range(4)]
    for looker in lookers:
        looker.start()
    commit(state, recorded, BEGUN, BEGUN + 50)
    for looker in lookers:
        looker.join()
    assert answers == [200] * 20
