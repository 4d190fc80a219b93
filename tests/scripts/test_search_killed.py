"""A search that is killed in the middle goes on, and comes to what it would have come to."""

import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from run_backtest import main
from tests.test_layout import ROOT
from tests.world import World

SPACE = """
search = { fewest_trades = 5 }
strategy.min_entry_score = { low = 3.0, high = 6.0, step = 0.5 }
strategy.exits.take_profit = { low = 0.3, high = 2.0 }
strategy.exits.max_bars = { low = 3, high = 20 }
"""
TRIALS = 400
_AT_LEAST = 40  # trials that have ended when it is killed


def words(world: World, folder: Path) -> list[str]:
    (folder / "space.toml").write_text(SPACE, encoding="utf-8")
    given = ["--search", folder / "space.toml", "--trials", TRIALS, "--data", world.files[0]]
    return [str(word) for word in [*given, "--out", folder / "runs"]]


def ended(folder: Path) -> int:
    """Return how many trials the record holds."""
    for file in folder.glob("runs/search/*/trials.sqlite3"):
        with closing(sqlite3.connect(file)) as record:
            try:
                (count,) = record.execute(
                    "SELECT count(*) FROM trials WHERE state IN ('COMPLETE', 'PRUNED')"
                ).fetchone()
            except sqlite3.OperationalError:  # it is being made
                return 0
            return int(count)
    return 0


def killed_in_the_middle(world: World, folder: Path) -> int:
    """Run the search in a process of its own, kill it, and return what it had done."""
    command = [sys.executable, str(ROOT / "run_backtest.py"), *words(world, folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:  # noqa: S603  it is ours
        try:
            while ended(folder) < _AT_LEAST and process.poll() is None:
                time.sleep(0.02)
        finally:
            process.kill()
    return ended(folder)


def searched(world: World, folder: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    assert main([*words(world, folder), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_a_search_that_is_killed_comes_to_what_it_would_have_come_to(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    before = killed_in_the_middle(world, tmp_path / "killed")
    assert _AT_LEAST <= before < TRIALS
    whole, again = (searched(world, tmp_path / name, capsys) for name in ("whole", "killed"))
    assert again["search"] == whole["search"]
    assert again["result_hash"] == whole["result_hash"]


def test_a_record_that_is_damaged_is_told_in_one_line(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [*words(world, tmp_path), "--trials", "3"]
    assert main(given) == 0
    (file,) = (tmp_path / "runs" / "search").glob("*/trials.sqlite3")
    with closing(sqlite3.connect(file)) as record:
        record.execute("UPDATE trial_user_attributes SET value_json = '{\"trades\": 3}'")
        record.commit()
    capsys.readouterr()
    assert main(given) == 1
    assert "is damaged" in _one_line(capsys)
    for sidecar in file.parent.glob("trials.sqlite3-*"):
        sidecar.unlink()
    file.write_bytes(b"no database" * 1000)
    assert main(given) == 1
    assert "the trials of a search are kept in an SQLite file" in _one_line(capsys)


def _one_line(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr()
    lines = [line for line in said.err.splitlines() if line.startswith("run_backtest: ")]
    assert said.out == ""
    assert len(lines) == 1
    return lines[0]
