"""Runs that were kept, with their pages."""

from pathlib import Path

import pytest

import run_backtest
from tests.world import UNTIL, World


@pytest.fixture(scope="session")
def compared(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a comparison of ML-off and ML-on on two symbols."""
    return _run(world, tmp_path_factory.mktemp("compared"), "compare")


@pytest.fixture(scope="session")
def single(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run without ML."""
    return _run(world, tmp_path_factory.mktemp("single"), "off")


def _run(world: World, out: Path, ml: str) -> Path:
    bars = ["--data", *map(str, world.files), "--start-date", str(UNTIL.astype("datetime64[D]"))]
    words = [*bars, "--model", str(world.bundle), "--ml", ml, "--out", str(out)]
    assert run_backtest.main(words) == 0
    (folder,) = out.iterdir()
    return folder
