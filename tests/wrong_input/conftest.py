"""A furnished room for each test."""

from pathlib import Path

import pytest

from tests.wrong_input.rooms import Desk, Room, copy_of, furnish


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Room:
    """A room that tests must leave as it is."""
    return furnish(tmp_path_factory.mktemp("furnished"))


@pytest.fixture
def room(furnished: Room, tmp_path: Path) -> Room:
    """A room to work in."""
    return copy_of(furnished, tmp_path / "room")


@pytest.fixture
def desk(room: Room, capsys: pytest.CaptureFixture[str]) -> Desk:
    """Where commands are called."""
    return Desk(room, capsys)
