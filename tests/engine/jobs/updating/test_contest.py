"""A contest is what the comparison of a backtest measures, with a bundle in the place of ML-off."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from engine.jobs.comparing.verdict import OFF, RANDOM, VOLATILITY
from engine.jobs.updating.contest import CANDIDATE, RUNNING, contest, newest_markets
from engine.statistics.drawn_days import LEVEL
from ml.bundle import load_bundle
from run_backtest import main as run_backtest
from tests.engine.jobs.update_makers import market
from tests.makers import with_hole
from tests.world import UNTIL, World

FIVE_MINUTES = np.timedelta64(300_000, "ms")


def test_both_trade_as_ml_on_does_and_the_gates_are_those_of_a_comparison(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, bundle = world.settings(), load_bundle(world.bundle)
    first_close = UNTIL + FIVE_MINUTES  # of the first bar that opens at UNTIL
    newest = newest_markets(world.bars, first_close, settings.strategy.warmup_bars)
    found = contest(bundle, bundle, newest, settings, level=LEVEL)
    words = ["--data", *world.files, "--start-date", UNTIL, "--ml", "compare"]
    words += ["--model", world.bundle, "--out", tmp_path, "--json", "--quiet"]
    assert run_backtest([*map(str, words)]) == 0
    said = json.loads(capsys.readouterr().out)["comparison"]["intervals"]
    pairs = {
        pair: json.loads(json.dumps(asdict(told))) for pair, told in found.intervals.pairs.items()
    }
    for gate in (RANDOM, VOLATILITY):
        assert pairs[f"candidate_less_{gate}"] == said["pairs"][f"on_less_{gate}"]
    runs = {name: asdict(told) for name, told in found.intervals.runs.items()}
    assert runs[CANDIDATE] == runs[RUNNING] == said["runs"]["on"]
    assert runs[OFF] == said["runs"]["off"]
    assert pairs["candidate_less_running"]["expectancy"]["value"] == 0.0
    assert (found.since, found.symbols) == (first_close, ["BTC/USDT", "ETH/USDT"])
    assert found.synthetic


def test_the_newest_bars_begin_with_the_moment_and_have_their_warm_up() -> None:
    bars = market("BTC/USDT", days=10)
    since = bars.closed_at[2000]
    (found,) = newest_markets([bars], since, 400)
    assert found.decided[0] == since
    assert found.first == 400
    assert found.bars.closed_at[-1] == bars.closed_at[-1]


def test_symbols_that_nothing_can_be_decided_on_are_left_out() -> None:
    bars = market("BTC/USDT", days=10)
    late = bars.closed_at[-1] + FIVE_MINUTES
    holed = with_hole(bars, 2500, 50)  # too little is left behind the hole
    assert newest_markets([bars, holed], late, 400) == []
    (kept,) = newest_markets([holed, bars], bars.closed_at[2560], 400)
    assert kept.bars.closed_at[-1] == bars.closed_at[-1]
    assert len(kept.bars) == len(bars) - 2160
