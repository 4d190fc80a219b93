"""A state that is moved takes all of its moments with it, or stays."""

from pathlib import Path

import pytest

from engine.paper.file import put_away
from engine.paper.reading import StateReader
from engine.paper.state import PaperState
from tests.engine.paper.children import child, hold
from tests.engine.paper.state_makers import full_moment, make_market, make_state
from tests.engine.paper.test_state_killed import assert_holds

MOMENTS = 5
MARKET = make_market(1000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The place of a state, and a folder to move it to."""
    (tmp_path / "run").mkdir()
    return tmp_path / "a.sqlite"


def keep(path: Path) -> None:
    """Keep a session, and end it."""
    with make_state(path, MARKET) as state:
        for number in range(MOMENTS):
            state.commit(full_moment(MARKET, number))


def is_whole(path: Path) -> None:
    with PaperState.resume(path) as state:
        assert_holds(state, [full_moment(MARKET, number) for number in range(MOMENTS)])


def lying(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_a_state_is_moved_with_nothing_left_behind(path: Path) -> None:
    keep(path)
    place = path.parent / "run" / "session.sqlite"
    assert put_away(path, place) == place
    assert lying(path.parent) == ["run"]
    assert lying(place.parent) == ["session.sqlite"]
    is_whole(place)


def test_a_reader_that_waits_for_news_costs_nothing(path: Path) -> None:
    state = make_state(path, MARKET)
    with StateReader.open(path) as reader:
        for number in range(MOMENTS):
            state.commit(full_moment(MARKET, number))
        state.close()
        assert len(reader.moments()) == MOMENTS
        place = path.parent / "run" / "session.sqlite"
        assert put_away(path, place) == place
        assert lying(path.parent) == ["run"]
        assert len(reader.moments()) == MOMENTS
        is_whole(place)
        keep(path)  # the next session of the name has nothing to do with it
        assert reader.facts() is not None
    is_whole(path)
    is_whole(place)


def test_a_state_that_is_being_read_stays(path: Path) -> None:
    state = make_state(path, MARKET)
    with StateReader.open(path) as reader:
        state.commit(full_moment(MARKET, 0))
        reader._connection.execute("BEGIN")
        assert len(reader.moments()) == 1
        for number in range(1, MOMENTS):
            state.commit(full_moment(MARKET, number))
        state.close()
        place = path.parent / "run" / "session.sqlite"
        assert put_away(path, place) == path
        assert lying(place.parent) == []
    is_whole(path)
    assert put_away(path, place) == place
    is_whole(place)


def test_a_state_that_another_process_has_taken_up_stays(path: Path) -> None:
    keep(path)
    with child(hold, path) as (process, said):
        assert said.recv() == process.pid
        assert put_away(path, path.parent / "run" / "session.sqlite") == path
    is_whole(path)
