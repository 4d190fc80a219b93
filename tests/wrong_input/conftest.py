"""A furnished room for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wrong_input.child import Child
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


@pytest.fixture(scope="session")
def child() -> Iterator[Child]:
    """A process that may crash."""
    child = Child()
    yield child
    child.end()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for files that are written over and over."""
    return tmp_path_factory.mktemp("fuzzed")
