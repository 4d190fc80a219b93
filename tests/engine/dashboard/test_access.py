"""Who may ask: every rule through a real socket, and what is refused before one is opened."""

import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from engine.dashboard.access import Asking, Door, refusal
from engine.dashboard.server import Dashboard
from engine.errors import RunError, StateError, UsageError
from tests.engine.dashboard.asking import ask
from tests.engine.dashboard.session_makers import Recorded

TOKEN = "correct-horse-battery-staple"  # noqa: S105  of a test


@pytest.fixture(scope="module")
def state(recorded: Recorded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("access") / "paper.sqlite"
    with recorded.begin(path, 5):
        yield path


@pytest.fixture(scope="module")
def url(state: Path) -> Iterator[str]:
    with Dashboard(state, port=0) as dashboard:
        yield dashboard.url


@pytest.fixture(scope="module")
def guarded(state: Path) -> Iterator[str]:
    with Dashboard(state, port=0, token=TOKEN) as dashboard:
        yield dashboard.url


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


EVERY_PATH = ("/", "/app.js", "/api/session", "/api/events?symbol=BTC/USDT", "/none")


@pytest.mark.parametrize("path", EVERY_PATH)
@pytest.mark.parametrize(
    "host", ["evil.example:{port}", "evil.example", "127.0.0.1", "127.0.0.1:1", "0.0.0.0:{port}",
             "127.0.0.1.evil.example:{port}", "127.0.0.1:{port}@evil.example", "localhost.:{port}",
             ""],
)  # fmt: skip
def test_another_host_is_refused(url: str, path: str, host: str) -> None:
    answer = ask(url, path, Host=host.format(port=port_of(url)))
    assert answer.status == 421
    assert b"session" not in answer.body


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LocalHost", "[::1]"])
def test_a_name_of_this_machine_is_answered(url: str, host: str) -> None:
    assert ask(url, "/api/session", Host=f"{host}:{port_of(url)}").status == 200


@pytest.mark.parametrize("path", EVERY_PATH)
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://localhost", "null", "https://127.0.0.1:{port}", ""]
)
def test_another_origin_is_refused(url: str, path: str, origin: str) -> None:
    assert ask(url, path, Origin=origin.format(port=port_of(url))).status == 403


def test_the_page_itself_may_ask(url: str) -> None:
    origin = url.rstrip("/")
    assert ask(url, "/api/session", Origin=origin, Sec_Fetch_Site="same-origin").status == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_of_another_site_cannot_take_in_anything(url: str, site: str) -> None:
    for path in EVERY_PATH:
        assert ask(url, path, Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors").status == 403


def test_a_link_from_another_site_leads_to_the_page_only(url: str) -> None:
    followed = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert ask(url, "/", **followed).status == 200
    assert ask(url, "/api/session", **followed).status == 403


@pytest.mark.parametrize("path", EVERY_PATH)
@pytest.mark.parametrize(
    "method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"]
)
def test_nothing_but_reading_is_answered(url: str, path: str, method: str) -> None:
    answer = ask(url, path, method)
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD"


def test_a_head_is_answered_without_a_body(url: str) -> None:
    for path in ("/", "/style.css", "/api/session"):
        answer = ask(url, path, "HEAD")
        assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("path", [*EVERY_PATH, "/style.css", "/icon.svg"])
@pytest.mark.parametrize("host", [None, "evil.example"])
def test_every_answer_carries_the_rules_for_the_browser(
    url: str, path: str, host: str | None
) -> None:
    if path.startswith("/api/events") and host is None:
        path = "/api/events"  # without a symbol: refused, and so it ends
    headers = ask(url, path, **({} if host is None else {"Host": host})).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


@pytest.mark.parametrize(
    "path", ["/../server.py", "/page/index.html", "/%2e%2e/server.py", "/docs", "/redoc",
             "/openapi.json", "//etc/passwd", "/index.html"],
)  # fmt: skip
def test_only_the_page_s_own_files_are_served(url: str, path: str) -> None:
    assert ask(url, path).status == 404


def raw(url: str, request: str) -> bytes:
    """Return what comes back for a request that no client would send."""
    with socket.create_connection(("127.0.0.1", port_of(url)), timeout=30) as line:
        line.sendall(request.format(port=port_of(url)).encode("latin-1"))
        line.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: line.recv(4096), b""))


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET / HTTP/1.0\r\n\r\n", b"421"),  # no host at all
        ("GET / HTTP/1.1\r\nHost: localhost:{port}\r\nHost: evil.example\r\n\r\n", b"400"),
        ("GET / HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: http://localhost:{port}\r\n"
         "Origin: http://evil.example\r\n\r\n", b"400"),
        ("GET / HTTP/1.1\r\nHost: localhost:\xe4\r\n\r\n", b"4"),
        ("GET / HTTP/1.1\r\nHost: localhost:{port}\r\nX: " + "x" * 40_000, b"4"),
        ("nonsense\r\n\r\n", b"400"),
    ],
)  # fmt: skip
def test_odd_requests_are_refused(url: str, request_: str, status: bytes) -> None:
    assert raw(url, request_).split(b" ")[1].startswith(status)


# ---------------------------------------------------------------- the token


def test_without_the_token_nothing_of_the_session_is_told(guarded: str) -> None:
    for path in (
        "/api/session",
        "/api/events?symbol=BTC/USDT",
        "/api/bars",
        "/api/sign-in",
        "/api/x",
    ):
        answer = ask(guarded, path)
        assert answer.status == 401
        assert b"USDT" not in answer.body
    assert b"USDT" not in ask(guarded, "/").body


def test_the_token_opens_and_is_changed_for_a_cookie(guarded: str) -> None:
    shown = {"Authorization": f"Bearer {TOKEN}"}
    assert ask(guarded, "/api/session", **shown).status == 200
    signed_in = ask(guarded, "/api/sign-in", **shown)
    cookie = signed_in.headers["set-cookie"]
    assert TOKEN not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    held = cookie.split(";")[0]
    assert ask(guarded, "/api/session", Cookie=held).status == 200
    assert ask(guarded, "/api/session", Cookie=f'odd="x; {held}; b=2').status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer \xe4\xf6"},
        {"Cookie": "tandem_{port}={token}"},  # the token is no cookie
        {"Cookie": "tandem_{port}="},
        {"Cookie": "tandem_1={key}"},
    ],
)
def test_a_wrong_token_opens_nothing(guarded: str, headers: dict[str, str]) -> None:
    key = Door("127.0.0.1", port_of(guarded), TOKEN).key
    given = {
        name: value.format(port=port_of(guarded), token=TOKEN, key=key)
        for name, value in headers.items()
    }
    assert ask(guarded, "/api/session", **given).status == 401


def test_a_token_in_the_address_opens_nothing(guarded: str) -> None:
    assert ask(guarded, f"/api/session?token={TOKEN}").status == 401


def test_the_token_does_not_open_to_another_host(guarded: str) -> None:
    shown = {"Authorization": f"Bearer {TOKEN}", "Host": "evil.example"}
    assert ask(guarded, "/api/session", **shown).status == 421


def test_no_request_is_logged(
    guarded: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        ask(guarded, "/api/session", Authorization=f"Bearer {TOKEN}")
        ask(guarded, f"/api/session?token={TOKEN}", Authorization="Bearer wrong")
        raw(guarded, f"nonsense {TOKEN}\r\n\r\n")
    printed = capfd.readouterr()
    for line in (caplog.text, printed.out, printed.err):
        assert TOKEN not in line
        assert "/api/session" not in line


# ---------------------------------------------------------------- where it may stand


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104  refused is what is tested
def test_beyond_this_machine_it_needs_a_token(state: Path, host: str) -> None:
    with pytest.raises(UsageError, match="needs a token"), Dashboard(state, host=host, port=0):
        pass


@pytest.mark.parametrize("token", ["", "short", "x" * 15, "words with spaces in them", "ä" * 20])
def test_a_poor_token_is_refused(state: Path, token: str) -> None:
    with (
        pytest.raises(UsageError, match="must have 16 or more"),
        Dashboard(state, port=0, token=token),
    ):
        pass


def test_bound_to_every_address_it_answers_to_addresses_and_not_to_names(state: Path) -> None:
    with Dashboard(state, host="0.0.0.0", port=0, token=TOKEN) as dashboard:  # noqa: S104
        url = f"http://127.0.0.1:{port_of(dashboard.url)}/"
        assert ask(url, "/").status == 200
        assert ask(url, "/", Host=f"192.168.1.5:{port_of(url)}").status == 200
        assert ask(url, "/", Host=f"evil.example:{port_of(url)}").status == 421


def test_an_address_that_is_taken_is_named(state: Path, url: str) -> None:
    with (
        pytest.raises(RunError, match=r"needs 127\.0\.0\.1:\d+ for itself"),
        Dashboard(state, port=port_of(url)),
    ):
        pass


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.1"])
def test_an_address_that_is_not_ours_is_named(state: Path, host: str) -> None:
    with (
        pytest.raises((RunError, UsageError), match="the dashboard"),
        Dashboard(state, host=host, port=0, token=TOKEN),
    ):
        pass


def test_a_state_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite").write_text("nothing")
    with pytest.raises(StateError), Dashboard(tmp_path / "x.sqlite", port=0):
        pass


def test_port_80_may_be_left_out_of_the_host() -> None:
    door = Door("127.0.0.1", 80)
    for host in ("localhost", "localhost:80", "[::1]", "[::1]:80"):
        assert refusal(Asking("GET", "/", {"host": host}), door) is None
