"""The flags about workers: what goes together, and what is missing, in one line."""

import importlib.util
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from engine.jobs.spreading.cluster import Cluster
from engine.jobs.spreading.flags import asked_backend
from engine.jobs.spreading.here import Processes
from run_backtest import main, make_parser

WALK = ("--walk-forward", "train=48d,test=16d")
AT = ("--backend", "dask", "--address", "tcp://127.0.0.1:1")


def told(words: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line with which the command ends."""
    try:
        found = main(words)
    except SystemExit as ended:  # argparse's own
        found = int(str(ended.code))
    assert found == code
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--workers", "2"], "--workers goes with --walk-forward, whose windows"),
        (["--backend", "loky"], "--backend goes with --walk-forward, whose windows"),
        ([*WALK, "--backend", "dask"], "--backend dask needs the --address of a scheduler"),
        ([*WALK, "--address", "tcp://a:1"], "--address goes with --backend dask: add it"),
        ([*WALK, *AT, "--workers", "2"], "--workers does not go with --backend dask: the cluster"),
        ([*WALK, "--workers", "0"], "must be from 1 to 256, found 0"),
        ([*WALK, "--backend", "ray"], "invalid choice: 'ray'"),
        (["--audit", "--workers", "2"], "--workers does not go with --audit"),
    ],
)
def test_flags_that_do_not_go_together_are_told(
    words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert line in told(words, 2, capsys)


def test_what_is_not_installed_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real: Callable[..., ModuleSpec | None] = importlib.util.find_spec
    monkeypatch.setattr(
        "engine.jobs.spreading.flags.find_spec",
        lambda name: None if name == "distributed" else real(name),
    )
    line = told([*WALK, *AT], 2, capsys)
    assert line.endswith("packages that are not installed: pip install dask distributed")


def test_flags_say_where_jobs_are_done() -> None:
    def asked(*words: str) -> object:
        return asked_backend(make_parser().parse_args([*WALK, *words]))

    assert asked() is None
    assert asked("--backend", "loky") is None  # as many processes as the settings say
    assert asked("--workers", "3") == Processes(3)
    assert asked(*AT) == Cluster("tcp://127.0.0.1:1")


def test_a_scheduler_that_does_not_answer_ends_the_command_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("engine.jobs.spreading.cluster._PATIENCE", 0.5)
    line = told([*WALK, *AT, "--quiet", "--out", str(tmp_path)], 1, capsys)
    assert line.startswith("run_backtest: --address must be that of a Dask scheduler, and none")
    assert not list(tmp_path.rglob("window.json"))
