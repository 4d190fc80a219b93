"""Commands on bars of an exchange: a stand-in is asked through ccxt, the store answers after it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evaluate_ml_ensemble
import generate_training_data
import run_backtest
import train_ml_ensemble
from feeds.files import read_bars
from feeds.standin.server import StandIn
from tests.world import World

DATES = ["--start-date", "2022-02-15", "--end-date", "2022-02-25"]


@pytest.fixture
def exchange(world: World) -> Iterator[StandIn]:
    """An exchange on this machine that has the bars of the simulated world."""
    with StandIn(world.bars) as standin:
        yield standin


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def answer(capsys: pytest.CaptureFixture[str], command: Any, *words: object) -> Any:
    """Run the command and return the one JSON object on stdout."""
    assert command.main([*map(str, words), "--json", "--quiet"]) == 0
    return json.loads(capsys.readouterr().out)


def test_what_was_downloaded_is_the_market_to_the_last_bit(
    world: World, exchange: StandIn, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "eth.csv"
    said = answer(
        capsys, generate_training_data, "--symbol", "ETH/USDT", *DATES, "--store", store,
        "--base-url", exchange.url, "--output", file,
    )  # fmt: skip
    source = world.bars[1]
    start, end = (source.index_from(np.datetime64(date, "ms")) for date in DATES[1::2])
    bars, _ = read_bars(file)
    assert (said["source"], said["symbol"], said["synthetic"]) == ("binance", "ETH/USDT", False)
    assert said["digest"] == bars.digest()
    assert (said["bars"], len(bars)) == (2880, 2880)
    for name in ("time", "open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(getattr(bars, name), getattr(source[start:end], name))


def test_a_backtest_downloads_what_the_store_lacks_and_then_asks_nobody(
    world: World, exchange: StandIn, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "--symbols", "BTC/USDT,ETH/USDT", "--timeframe", "5m", *DATES, "--store", store, "--ml",
        "compare", "--model", world.bundle, "--out", tmp_path / "runs",
    ]  # fmt: skip
    online = answer(capsys, run_backtest, *words, "--base-url", exchange.url)
    asked = len(exchange.requests)
    offline = answer(capsys, run_backtest, *words, "--base-url", exchange.url)
    from_files = answer(
        capsys, run_backtest, "--data", *world.files, *DATES, "--ml", "compare", "--model",
        world.bundle, "--out", tmp_path / "runs",
    )  # fmt: skip
    assert online["runs"] == offline["runs"]
    assert len(exchange.requests) == asked > 0
    trades = [[run["trades"] for run in found["runs"]] for found in (online, from_files)]
    assert trades[0] == trades[1] > [0, 0]
    assert not online["data"]["synthetic"]
    (folder,) = store.iterdir()
    assert folder.name == "at"  # what an address said is not taken for the exchange's own


def test_every_command_reads_the_store(
    world: World, exchange: StandIn, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--symbols", "BTC/USDT", "--store", store, "--base-url", exchange.url]
    bundle, early = tmp_path / "bundle", ["--start-date", "2022-01-05", "--end-date", "2022-02-15"]
    trained = answer(
        capsys, train_ml_ensemble, *place, *early, "--preset", "small", "--output", bundle
    )
    assert trained["seen_until"].startswith("2022-02-15T00:00")
    fresh = answer(capsys, evaluate_ml_ensemble, *place, *DATES, "--model", bundle)
    assert fresh["fresh"]
    assert fresh["left_out_in_sample"] == 0


def test_an_update_asks_the_exchange_for_what_came_since(
    exchange: StandIn, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--store", store, "--base-url", exchange.url, "--output", tmp_path / "bundle"]
    early = ["--symbols", "BTC/USDT", "--start-date", "2022-01-02", "--end-date", "2022-02-15"]
    early += ["--profit-threshold", "0.3", "--lookahead", "8"]
    answer(capsys, train_ml_ensemble, *place, *early, "--preset", "small")
    said = answer(capsys, train_ml_ensemble, *place, "--update", "--promote", "unless-worse")
    assert said["window"]["before"]["until"].startswith("2022-02-15T00:00")
    assert said["window"]["now"]["until"] == "2022-03-02T00:00:00Z"  # where the exchange ends
