"""The page beside a real session: the command rehearses a recording, and the page follows."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from selenium.webdriver import Chrome

from feeds.files import write_bars
from feeds.synthetic import synthetic_bars
from feeds.timeframe import Timeframe
from tests.browsing import PATIENCE, said, text, texts, until
from tests.engine.dashboard.asking import ask
from tests.engine.dashboard.looking import look
from tests.test_layout import ROOT

SPEED = 300  # a bar every fifth of a second


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """The address of a rehearsal's dashboard."""
    bars = synthetic_bars("BTC/USDT", Timeframe.parse("1m"), days=1, seed=11)
    write_bars(bars[:900], tmp_path / "BTC-USDT_1m.parquet")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        sys.executable, str(ROOT / "run_paper.py"), "--rehearse", "BTC-USDT_1m.parquet",
        "--speed", str(SPEED), "--ml", "off", "--dashboard", address,
    ]  # fmt: skip
    rehearsal = subprocess.Popen(  # noqa: S603  our own program
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_for(f"http://{address}/", rehearsal)
        yield f"http://{address}/"
    finally:
        rehearsal.send_signal(signal.SIGTERM)
        _, errors = rehearsal.communicate(timeout=PATIENCE)
    assert "Traceback" not in errors


def wait_for(url: str, process: "subprocess.Popen[str]") -> None:
    """Wait until somebody answers."""
    pause = Event()
    for _ in range(int(PATIENCE / 0.1)):
        assert process.poll() is None, process.communicate()
        try:
            ask(url)
        except ConnectionRefusedError:
            pause.wait(0.1)
        else:
            return
    raise TimeoutError(f"nobody answers at {url}")


def test_the_page_follows_a_rehearsal(browser: Chrome, url: str) -> None:
    look(browser, url)
    assert texts(browser, "#stamps strong") == ["REHEARSAL", "SYNTHETIC"]
    seen: set[str] = set()

    def has_gone_on() -> bool:
        seen.add(text(browser, "#bar time"))
        return len(seen) > 10

    until(browser, has_gone_on)
    until(browser, lambda: "connected" in text(browser, "#health"))
    until(browser, lambda: text(browser, "#watching") != "")
    assert said(browser) == []
    browser.get("about:blank")
