"""The grid that is measured beside vectorbt is done to the letter, and compared fairly."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import peer_grid, sweep_peers, sweep_rate
from benchmarks.peer_job import bars_of
from benchmarks.peers import Outcome, PeersError
from benchmarks.sweep_peers import LIGHTER, OURS, SAME, GridPlace
from tests.benchmarks.test_measurements import rows_of
from tests.benchmarks.test_peer_job import CASH, FEE, Done, columns_of, market, scores
from tests.makers import make_bars

__all__ = ["market"]  # a fixture

SETS = 60


def sold_at(bar: pd.Series, bars_held: int, paid: float, one: dict[str, float]) -> float | None:
    """Return what a position is sold at within a bar; None if it is kept."""
    stop, target = paid * (1 - one["stop"]), paid * (1 + one["target"])
    if bars_held >= one["max_bars"]:
        return float(bar["open"])
    if bar["low"] <= stop:
        return float(min(bar["open"], stop))
    return target if bar["high"] >= target else None


def by_hand(market: pd.DataFrame, score: np.ndarray, one: dict[str, float]) -> Done:
    """Run one set in a plain loop."""
    cash, units, paid, entered, due, trades = CASH, 0.0, 0.0, 0, 0.0, 0
    rows = list(market.iterrows())
    for i, (_, bar) in enumerate(rows):
        if due:
            units, paid, entered, due = due, float(bar["open"]), i, 0.0
            cash -= units * paid * (1 + FEE)
        price = sold_at(bar, i - entered, paid, one) if units else None
        if units and price is None and i == len(rows) - 1:
            price = float(bar["close"])
        if price is not None:
            cash, units, trades = cash + units * price * (1 - FEE), 0.0, trades + 1
        if not units and i >= 300 and score[i] >= one["enough"] and i < len(rows) - 1:
            due = cash * one["fraction"] / (bar["close"] * (1 + FEE))
    return Done(trades, cash)


def test_the_grid_is_what_a_plain_loop_makes_of_it(market: pd.DataFrame) -> None:
    market = market[:2500]
    grid = {name: column[::6] for name, column in peer_grid.grid_of(SETS).items()}
    bars = bars_of(columns_of(market))
    trades, equity, phases = peer_grid.job(bars, grid)
    score = scores(market)
    sets = [dict(zip(grid, row, strict=True)) for row in zip(*grid.values(), strict=True)]
    done = [by_hand(market, score, one) for one in sets]
    assert trades == sum(each.trades for each in done) > 100
    assert equity == pytest.approx(sum(each.equity for each in done), rel=1e-10)
    assert phases.cpu["run"] > 0


def test_the_command_prints_a_line_and_leaves_the_grid(
    market: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    market[:1500].reset_index().to_parquet(tmp_path / "bars_1500.parquet")
    monkeypatch.setenv("PEERS_DATA", str(tmp_path))
    assert peer_grid.main(["1500", "5"]) == 0
    record = json.loads(capsys.readouterr().out.removeprefix("@@"))
    assert (record["n"], record["sets"]) == (1500, 5)
    left = np.load(tmp_path / "grid_1500_5.npz")
    assert left["sets"].shape == (5, len(peer_grid.COLUMNS))
    np.testing.assert_array_equal(left["score"][300:], scores(market[:1500])[300:])


def test_ratios_are_those_within_a_round() -> None:
    # The machine was twice as slow in the second round.
    rounds = [
        {
            OURS: Outcome(9.0, 0.2 * slow, 400, 30_000, 5e8),
            SAME: Outcome(60.0, 30.0 * slow, 600, 30_000, 5e8),
            LIGHTER: Outcome(60.0, 20.0 * slow, 600, 29_900, 4.9e8),
        }
        for slow in (1.0, 2.0, 1.0)
    ]
    rows = {row[0]: row[1:] for row in rows_of(sweep_peers.comparison(rounds, 100))}
    assert rows["tandem"][:3] == ["0.20", "2.00", "1.0"]
    assert rows["vectorbt, flexible"][:3] == ["30.00", "300.00", "150.0"]
    assert rows["vectorbt, order_func"][2] == "100.0"


def test_another_grid_is_refused() -> None:
    ours, lighter = Outcome(9.0, 0.2, 400, 30_000, 5e8), Outcome(60.0, 20.0, 600, 29_900, 4.9e8)
    sweep_peers.refuse_another_grid({OURS: ours, SAME: ours, LIGHTER: lighter})
    with pytest.raises(PeersError, match=r"flexible must make 30000 trades .*found 29900"):
        sweep_peers.refuse_another_grid({OURS: ours, SAME: lighter, LIGHTER: lighter})


def test_scripts_are_run_with_the_number_of_sets() -> None:
    place = GridPlace(Path("scripts"), Path("envs"), 7)
    mine, theirs = place.command(OURS, 1000), place.command(LIGHTER, 1000)
    assert mine[0] == sys.executable
    assert [Path(mine[1]).name, *mine[2:]] == ["peer_grid.py", "1000", "7"]
    assert [Path(theirs[1]).name, *theirs[2:]] == [
        *("peer_grid_vectorbt.py", "1000", "7", "order_func")
    ]
    assert Path(theirs[1]).exists()
    assert theirs[0] == str(Path("envs") / "v_vbt" / "bin" / "python")


def test_a_folder_without_scripts_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep_peers.main([str(tmp_path / "nowhere"), "--envs", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("sweep-peers: PEERS must be a folder")


def test_the_rate_is_measured_by_one_thread_and_by_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_rate, "SETS", 40)
    rows = rows_of(sweep_rate.report(make_bars(4000, timeframe="1m", volatility=0.004), rounds=1))
    assert [row[:2] for row in rows[1:]] == [
        *(["one thread", "4"], ["one thread", "40"], ["all cores", "4"], ["all cores", "40"])
    ]
    assert all(float(row[5]) > 0 for row in rows[1:])
