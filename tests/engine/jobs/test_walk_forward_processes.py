"""Windows side by side in processes: the same results, and a kill costs one window."""

import json
import os
import signal
import time
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from engine.errors import RunError
from engine.jobs.walking.bundles import WindowBundle, train_windows
from feeds.files import write_bars
from tests.engine.jobs.walk_forward_makers import LEARNED, market, settings_for, windows_of
from tests.wrong_input.interrupting import started

pytestmark = pytest.mark.slow

MEMBERS = ("xgboost.ubjson", "lstm.safetensors")


def facts(window: WindowBundle) -> list[Any]:
    """Return what was learned, as far as it is written the same each time."""
    version, ensemble = window.bundle.kept.version, window.bundle.ensemble
    files = [(version / name).read_bytes() for name in MEMBERS]
    calibrators = [member.calibrator for member in ensemble.members]
    return [ensemble.base_rate, calibrators, files, window.record.features]


def test_the_number_of_processes_changes_nothing(tmp_path: Path) -> None:
    bars = market()
    windows = windows_of(bars)
    alone, together = (
        train_windows([bars], settings_for(jobs=jobs), windows, tmp_path / str(jobs))
        for jobs in (1, 2)
    )
    assert [facts(window) for window in alone] == [facts(window) for window in together]
    logs = [len(list(each.path.rglob("training.log"))) for each in together]
    assert logs == [1, 1, 1]


def workers_here() -> list[int]:
    """Return the processes that work for this one."""
    children = [
        int(child)
        for file in Path("/proc/self/task").glob("*/children")
        for child in file.read_text().split()
    ]
    return [c for c in children if b"popen_loky" in Path(f"/proc/{c}/cmdline").read_bytes()]


def test_a_worker_that_is_killed_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bars = market()
    windows = windows_of(bars)
    folder = tmp_path / "killed"

    def kill_one() -> None:
        while not list(folder.rglob("*.member")):  # one is in the middle of its window
            time.sleep(0.02)
        os.kill(workers_here()[0], signal.SIGKILL)

    killer = Thread(target=kill_one)
    killer.start()
    killed = train_windows([bars], settings_for(jobs=2), windows, folder)
    killer.join()
    assert "a worker died" in caplog.text
    alone = train_windows([bars], settings_for(jobs=1), windows, tmp_path / "alone")
    assert [facts(window) for window in killed] == [facts(window) for window in alone]


def test_a_window_that_fails_in_a_process_of_its_own_is_named(tmp_path: Path) -> None:
    bars = market()
    settings = settings_for(jobs=2, profit_threshold=0.15)
    with pytest.raises(RunError, match=r"window \d \(train .*train part"):
        train_windows([bars], settings, windows_of(bars), tmp_path)


def test_a_command_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    file, out, config = tmp_path / "BTC-USDT_5m.parquet", tmp_path / "runs", tmp_path / "it.toml"
    write_bars(market(), file)
    training = {**LEARNED, "jobs": 2}
    lines = [f"{name} = {json.dumps(value)}" for name, value in training.items()]
    config.write_text("\n".join(["[training]", *lines, "[statistics]", "gate_seeds = 2"]))
    words: list[object] = [
        "--data", file, "--config", config, "--out", out, "--ml", "on",
        "--walk-forward", "train=48d,test=16d", "--verbose",
    ]  # fmt: skip
    process = started("run_backtest.py", words)
    while not list(out.rglob("window.json")):
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    finished = {path.parent.name for path in out.rglob("window.json")}
    assert len(finished) < 3
    again = started("run_backtest.py", [*words, "--json"])
    said, err = again.communicate(timeout=300)
    assert again.returncode == 0, err
    taken_up = [line for line in err.splitlines() if "is taken up: it was finished before" in line]
    assert len(taken_up) == len(finished)
    assert err.count("is trained, in") == 3 - len(finished)
    assert len(json.loads(said)["walk_forward"]["windows"]) == 3
    assert not list(out.rglob("*.partial"))
