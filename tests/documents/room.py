"""A place in which the commands of a page are given, one after the other, as a reader would.

The exchange is the stand-in, with a simulated market that reaches to this moment. What would only
cost time is made less: small models, few trials and shuffles, fast rehearsals.
"""

import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from engine.errors import StateError
from engine.jobs.live.status import status
from feeds.bars import Bars
from feeds.clock import SystemClock
from feeds.files import write_bars
from feeds.standin.server import StandIn
from feeds.synthetic import synthetic_bars
from feeds.timeframe import Timeframe
from tests.documents.pages import script_call
from tests.test_layout import ROOT

BEGIN = "2022-01-01"
SYMBOLS = ("BTC/USDT", "ETH/USDT")
LIGHTER = {"--trials": "2", "--speed": "600"}
LIVE_SECONDS = 6.0  # that a session trades which somebody must stop
PATIENCE = 900.0
# What a reader of one page has from another, below `models` and `runs`.
EARLIER = (
    "train_ml_ensemble.py --data binance_BTC-USDT_5m.parquet --start-date 2023-07-01 "
    "--end-date 2024-03-01",
    "run_backtest.py --data binance_BTC-USDT_5m.parquet --start-date 2024-03-01 "
    "--end-date 2024-03-08 --ml compare",
)
_KEPT_UNTIL = np.datetime64("2025-01-01", "ms")
_RECORDED = 600  # bars of a minute
_SETTLED = ("show_run", "--status", "--parity")  # their settings are those of what they look at


@dataclass(frozen=True, slots=True)
class Room:
    """A folder with what the documents take for granted, and an exchange."""

    folder: Path
    exchange: StandIn

    def give(self, command: str) -> subprocess.CompletedProcess[str]:
        """Give a command that calls one of the scripts; return how it ended."""
        call = script_call(command)
        if call is None:
            raise ValueError(f"a command must call one of the scripts, found {command!r}")
        script, words = call
        words = [each for word in words for each in self._expanded(word)]
        for name, value in LIGHTER.items():
            if name in words:
                words[words.index(name) + 1] = value
        if not {script, *words} & set(_SETTLED):
            words = self._configured(words)
        started = self._start([str(ROOT / f"{script}.py"), *words])
        if script == "run_paper" and {"--symbols", "--rehearse"} & set(words):
            self._live(started)
        return _ended(started)

    def examine(self) -> subprocess.CompletedProcess[str]:
        """Do what `make doctor` does, with the exchange here."""
        return _ended(self._start(["-m", "engine.jobs.doctor", "--base-url", self.exchange.url]))

    def run(self, program: str) -> subprocess.CompletedProcess[str]:
        """Run a program in Python; its warnings about itself are its own."""
        return _ended(self._start(["-W", "ignore", "-c", program]))

    def _live(self, session: subprocess.Popen[str]) -> None:
        """Let a session trade for a while from when it says that it runs, and press Ctrl-C."""
        patient_until = time.monotonic() + PATIENCE
        while not self._in_session() and session.poll() is None:
            assert time.monotonic() < patient_until, "the session must come to trade"
            time.sleep(0.5)
        with suppress(subprocess.TimeoutExpired):
            session.wait(timeout=LIVE_SECONDS)
        if session.poll() is None:
            session.send_signal(signal.SIGINT)

    def _in_session(self) -> bool:
        with suppress(StateError):  # it is being made
            return any(status(state).exit_code == 0 for state in self.folder.rglob("*.sqlite"))
        return False

    def _start(self, words: Sequence[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603  our own scripts, and the programs of our pages
            [sys.executable, *words],
            cwd=self.folder,
            env={
                **os.environ,
                "BROWSER": "true",  # the command of this name stands in for the reader's browser
                "MPLBACKEND": "agg",  # nobody looks at a window
                "PYTHONPATH": str(ROOT),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _expanded(self, word: str) -> list[str]:
        """Return what a shell makes of a word; a run of the documents is the latest one here."""
        if word.startswith("runs/") and not (self.folder / word).exists():
            return ["last"]
        if "*" in word:
            return sorted(each.name for each in self.folder.glob(word))
        return [word]

    def _configured(self, words: list[str]) -> list[str]:
        """Return the words with a configuration that keeps to the exchange here."""
        given: dict[str, Any] = {}
        if "--config" in words:
            place = words.index("--config")
            given = tomllib.loads((ROOT / words[place + 1]).read_text(encoding="utf-8"))
            words = words[:place] + words[place + 2 :]
        light = {
            "data": {"base_url": self.exchange.url},
            "training": {"preset": "small"},
            "statistics": {"gate_seeds": 10},
        }
        path = self.folder / "room.toml"
        path.write_text(tomli_w.dumps(_merged(given, light)))
        return [*words, "--config", str(path)]


def _ended(started: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    try:
        out, error = started.communicate(timeout=PATIENCE)
    finally:
        started.kill()  # nothing happens to one that has ended
    return subprocess.CompletedProcess(started.args, started.returncode, out, error)


def _merged(base: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    both = {key: {**base[key], **other[key]} for key in base.keys() & other.keys()}
    return {**base, **other, **both}


@contextmanager
def bare_room(folder: Path) -> Iterator[Room]:
    """Yield a room with the examples and nothing else, and an exchange."""
    (folder / "examples").symlink_to(ROOT / "examples")
    days_ago = np.datetime64(SystemClock().now().date()) - np.timedelta64(5, "D")
    spans = {"5m": BEGIN, "1m": str(days_ago)}
    markets = [_market(symbol, *span) for symbol in SYMBOLS for span in spans.items()]
    with StandIn(markets) as exchange:
        yield Room(folder, exchange)


def furnish(room: Room) -> None:
    """Put bars of an exchange, a recording, a bundle and a run where a page takes them from."""
    for symbol in SYMBOLS:
        bars = _market(symbol, "5m", BEGIN)
        kept = replace(bars[: bars.index_from(_KEPT_UNTIL)], synthetic=False)
        write_bars(kept, room.folder / f"binance_{symbol.replace('/', '-')}_5m.parquet")
    recording = synthetic_bars(SYMBOLS[0], Timeframe.parse("1m"), days=1, seed=5)[:_RECORDED]
    (room.folder / "btc").mkdir()
    write_bars(recording, room.folder / "btc" / "BTC-USDT_1m.parquet")
    for command in EARLIER:
        ended = room.give(command)
        assert ended.returncode == 0, f"{command}\n{ended.stderr}"


def _market(symbol: str, timeframe: str, start: str) -> Bars:
    now = np.datetime64(SystemClock().now().replace(tzinfo=None), "ms")
    days = (now - np.datetime64(start, "ms")) // np.timedelta64(1, "D") + 1
    return synthetic_bars(symbol, Timeframe.parse(timeframe), days=int(days), seed=5, start=start)
