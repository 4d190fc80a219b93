"""A room and a comparison that was kept in it."""

import json
from pathlib import Path

import pytest

import run_backtest
from tests.scripts.showing import read
from tests.wrong_input.rooms import CLEAN, Room, copy_of, furnish


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Room, Path]:
    """A room with bars and a bundle, and the folder of a comparison on them."""
    room = furnish(tmp_path_factory.mktemp("room"))
    words = ["--data", room.bars, "--model", room.bundle, "--start-date", CLEAN]
    words += ["--ml", "compare"]
    assert run_backtest.main([*map(str, [*words, "--out", room.path / "kept"])]) == 0
    (folder,) = (room.path / "kept").iterdir()
    return room, folder


@pytest.fixture
def kept(furnished: tuple[Room, Path]) -> Path:
    """The folder of a comparison; to be left as it is."""
    return furnished[1]


@pytest.fixture
def moved(furnished: tuple[Room, Path], tmp_path: Path) -> tuple[Room, Path]:
    """A room of one's own, and a run that was made in it."""
    room = copy_of(furnished[0], tmp_path / "room")
    folder = room.path / "kept" / furnished[1].name
    manifest = read(folder / "manifest.json")
    manifest["request"]["bars"]["paths"] = [str(room.bars)]
    manifest["request"]["model"]["path"] = str(room.bundle)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return room, folder
