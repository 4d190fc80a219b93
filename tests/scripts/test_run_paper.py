"""Rehearsals from the command line: the same road as the backtest."""

import json
from pathlib import Path
from typing import Any

import pytest

from run_backtest import main as backtest
from run_paper import main as rehearse
from tests.world import World

RANGE = ("--start-date", "2022-02-15", "--end-date", "2022-02-20")


def test_a_rehearsal_gives_the_figures_of_the_backtest(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*map(str, world.files), *RANGE, "--ml", "on", "--model", str(world.bundle)]
    words += ["--out", str(tmp_path), "--json"]
    found: list[Any] = []
    for main, flag in ((backtest, "--data"), (rehearse, "--rehearse")):
        assert main([flag, *words]) == 0
        found.append(json.loads(capsys.readouterr().out))
    at_once, one_by_one = found
    assert at_once["runs"][0]["ml_asked"] > 0
    # Probabilities of windows and of batches agree within 1e-6, and the hash is of the last bit.
    for each in found:
        del each["runs"][0]["result_hash"]
    clocks = [each["runs"][0].pop("clock") for each in found]
    assert [clock["kind"] for clock in clocks] == ["sparse", "stream"]
    assert clocks[0]["run"] < clocks[1]["run"] == clocks[0]["moments"] == clocks[1]["moments"]
    assert one_by_one["runs"] == at_once["runs"]
    assert one_by_one["data"] == at_once["data"]


def test_a_rehearsal_over_seen_bars_is_refused(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rehearse(["--rehearse", str(world.files[0]), "--model", str(world.bundle)]) == 1
    assert "--in-sample" in capsys.readouterr().err


def test_a_rehearsal_needs_a_recording(capsys: pytest.CaptureFixture[str]) -> None:
    assert rehearse(["--ml", "off"]) == 2
    assert "name a file of them, or --symbols" in capsys.readouterr().err
    assert rehearse(["--show-config", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["strategy"]["min_entry_score"] == 6.0
