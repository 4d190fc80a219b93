"""What somebody has planted where a state writes is left alone, and said in one line."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import StateError
from engine.paper.reading import StateReader
from engine.paper.state import PaperState
from tests.engine.paper.children import child, hold
from tests.engine.paper.state_makers import full_moment, make_market, make_state

MARKET = make_market(3)
PRECIOUS = "somebody's own\n" * 400


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file of somebody's, in the same place."""
    victim = tmp_path / "victim.txt"
    victim.write_text(PRECIOUS)
    return victim


def link(place: Path, victim: Path) -> None:
    place.symlink_to(victim)


def link_to_nothing(place: Path, victim: Path) -> None:
    place.symlink_to(victim.with_name("nothing"))


def second_name(place: Path, victim: Path) -> None:
    place.hardlink_to(victim)


def pipe(place: Path, _victim: Path) -> None:
    os.mkfifo(place)


def folder(place: Path, _victim: Path) -> None:
    place.mkdir()


Plant = Callable[[Path, Path], None]
PLANTED = pytest.mark.parametrize("plant", [link, link_to_nothing, second_name, pipe, folder])
ENDS = pytest.mark.parametrize("end", [".lock", "-wal", "-shm", "-journal"])


def is_refused(begin: Callable[[], object], place: Path, victim: Path) -> None:
    """Assert that what stands at the place is named, and nothing is written through it."""
    with pytest.raises(StateError) as found:
        begin()
    assert str(found.value).startswith(f"{place}: it must be a file of the state's own")
    assert "\n" not in str(found.value)
    assert "remove it" in str(found.value)
    assert victim.read_text() == PRECIOUS
    assert not victim.with_name("nothing").exists()


@PLANTED
@ENDS
def test_a_session_goes_on_beside_its_own_files_only(
    plant: Plant, end: str, tmp_path: Path, victim: Path
) -> None:
    path, place = tmp_path / "a.sqlite", tmp_path / f"a.sqlite{end}"
    make_state(path, MARKET).close()
    place.unlink(missing_ok=True)
    plant(place, victim)
    before = path.read_bytes()
    is_refused(lambda: PaperState.resume(path), place, victim)
    if end != ".lock":
        is_refused(lambda: StateReader.open(path), place, victim)
    assert path.read_bytes() == before


@PLANTED
@ENDS
def test_a_session_begins_beside_its_own_files_only(
    plant: Plant, end: str, tmp_path: Path, victim: Path
) -> None:
    path, place = tmp_path / "a.sqlite", tmp_path / f"a.sqlite{end}"
    plant(place, victim)
    is_refused(lambda: make_state(path, MARKET), place, victim)
    assert not path.exists()


@pytest.mark.parametrize("plant", [pipe, folder])
def test_what_is_no_file_is_no_state(plant: Plant, tmp_path: Path, victim: Path) -> None:
    plant(tmp_path / "a.sqlite", victim)
    for begin in (PaperState.resume, StateReader.open):
        with pytest.raises(StateError, match="there is no such state"):
            begin(tmp_path / "a.sqlite")
    with pytest.raises(StateError, match="must not exist yet"):
        make_state(tmp_path / "a.sqlite", MARKET)


def test_a_state_begins_in_place_of_a_link_to_nothing(tmp_path: Path, victim: Path) -> None:
    link_to_nothing(tmp_path / "a.sqlite", victim)
    with make_state(tmp_path / "a.sqlite", MARKET) as state:
        state.commit(full_moment(MARKET, 0))
    assert not (tmp_path / "nothing").exists()


def test_a_state_has_one_writer_whatever_link_it_is_named_by(tmp_path: Path) -> None:
    make_state(tmp_path / "a.sqlite", MARKET).close()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "b.sqlite").symlink_to(tmp_path / "a.sqlite")
    with child(hold, tmp_path / "a.sqlite") as (process, said):
        assert said.recv() == process.pid
        with pytest.raises(StateError, match=f"another at work, process {process.pid}"):
            PaperState.resume(tmp_path / "other" / "b.sqlite")
    with PaperState.resume(tmp_path / "other" / "b.sqlite") as state:
        state.commit(full_moment(MARKET, 0))
    assert [each.name for each in (tmp_path / "other").iterdir()] == ["b.sqlite"]
