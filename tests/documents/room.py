"""A place in which the commands of a page are given, one after the other, as a reader would.

The exchange is the stand-in, with a simulated market that reaches to this moment. What would only
cost time is made less: small models, few trials and shuffles, fast rehearsals.
"""

import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

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
TIMEFRAME = Timeframe.parse("5m")
LIGHTER = {"--trials": "2", "--speed": "600"}
LIVE_SECONDS = 25.0  # a session that somebody must stop is stopped after them
PATIENCE = 600.0
_WITHOUT_CONFIG = ("show_run",)


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
        if script not in _WITHOUT_CONFIG and not {"--status", "--parity"} & set(words):
            words = self._configured(words)
        started = self._start(script, words)
        if script == "run_paper" and {"--symbols", "--rehearse"} & set(words):
            return _stopped(started)
        out, error = started.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(command, started.returncode, out, error)

    def _start(self, script: str, words: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603  our own scripts
            [sys.executable, str(ROOT / f"{script}.py"), *words],
            cwd=self.folder,
            # `true` stands in for the reader's browser.
            env={**os.environ, "BROWSER": "true", "PYTHONPATH": str(ROOT)},
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


def _stopped(started: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    """Let a session trade for a while and press Ctrl-C."""
    try:
        out, error = started.communicate(timeout=LIVE_SECONDS)
    except subprocess.TimeoutExpired:
        started.send_signal(signal.SIGINT)
        out, error = started.communicate(timeout=PATIENCE)
    return subprocess.CompletedProcess(started.args, started.returncode, out, error)


def _merged(base: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    both = {key: {**base[key], **other[key]} for key in base.keys() & other.keys()}
    return {**base, **other, **both}


@contextmanager
def furnished(folder: Path) -> Iterator[Room]:
    """Yield a room in which files lie and an exchange answers that the documents speak of."""
    markets = [_market(symbol) for symbol in SYMBOLS]
    for bars in markets:
        until = bars.index_from(np.datetime64("2025-01-01", "ms"))
        name = bars.symbol.replace("/", "-")
        write_bars(bars[:until], folder / f"binance_{name}_{TIMEFRAME}.parquet")
    (folder / "examples").symlink_to(ROOT / "examples")
    with StandIn(markets) as exchange:
        yield Room(folder, exchange)


def _market(symbol: str) -> Bars:
    now = np.datetime64(SystemClock().now().replace(tzinfo=None), "ms")
    days = (now - np.datetime64(BEGIN, "ms")) // np.timedelta64(1, "D") + 1
    return synthetic_bars(symbol, TIMEFRAME, days=int(days), seed=5, start=BEGIN)
