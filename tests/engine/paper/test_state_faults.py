"""What is wrong with a state's file is said in one line, and made no worse."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from engine.errors import StateError
from engine.paper.reading import StateReader
from engine.paper.schema import BARS, sealed
from engine.paper.state import PaperState
from tests.engine.paper.children import (
    child,
    commit_until_the_file_is_full,
    commit_without_end,
    read_as_nobody,
    resume_as_nobody,
)
from tests.engine.paper.state_makers import full_moment, make_market, make_state
from tests.engine.paper.test_state_killed import assert_holds

MOMENTS = 12
MARKET = make_market(1000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The state of a session that has stopped."""
    path = tmp_path / "a.sqlite"
    with make_state(path, MARKET) as state:
        for number in range(MOMENTS):
            state.commit(full_moment(MARKET, number))
    return path


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may look into, as `tmp_path` is not."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)  # noqa: PTH101,S103  that is what it is for
        yield Path(name)


def refused(path: Path) -> str:
    """Return why the state is refused; the file must be as it was."""
    before = path.read_bytes()
    with pytest.raises(StateError) as found:
        PaperState.resume(path)
    assert path.read_bytes() == before
    message = str(found.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("size", [0, 1, 50, 100, 511, 512, 4095, 4096, 20_000, -4096, -1])
def test_a_truncated_state_is_refused(path: Path, size: int) -> None:
    os.truncate(path, size if size >= 0 else path.stat().st_size + size)
    assert "it is damaged" in refused(path) or "it is no state" in refused(path)


@pytest.mark.parametrize("content", [b"time,open\n" * 500, b"", os.urandom(9000)])
def test_what_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes(content)
    assert "it is no state of a paper session" in refused(path)
    with pytest.raises(StateError, match="no state of a paper session"):
        StateReader.open(path)


def test_another_kind_of_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "study.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE trials (id INTEGER)")
    assert "it is no state of a paper session" in refused(path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["study.sqlite"]


def change(path: Path, *statements: str) -> None:
    """Change a state behind its back."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_a_newer_version_is_refused(path: Path) -> None:
    change(path, "PRAGMA user_version = 99")
    assert "a state must have version 1, found 99: use the version" in refused(path)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE bars SET close = close + 1e-9 WHERE time = 1704067200000", "row 1 of bars"),
        ("UPDATE moments SET cash = 1e6", "row 1 of moments"),
        ("UPDATE orders SET units = 3 WHERE rowid = 2", "row 2 of orders"),
        ("UPDATE session SET settings = '{}'", "row 1 of session"),
        ("DELETE FROM session", "nothing said"),
        ("DELETE FROM moments WHERE closed_at = 1704068520000", "without their moments"),
        ("DELETE FROM orders WHERE id = 'e3'", "without their orders"),
        ("DELETE FROM bars WHERE time = 1704068520000", "do not go on from one another"),
        ("UPDATE fills SET rowid = 1000 WHERE rowid = 3", "fills out of order"),
        ("UPDATE decisions SET rowid = 0 WHERE rowid = 9", "decisions out of order"),
        ("CREATE TRIGGER t AFTER INSERT ON moments BEGIN DELETE FROM fills; END", "its tables"),
        ("CREATE VIEW v AS SELECT 1", "its tables"),
        ("DROP INDEX fills_by_moment", "its tables"),
    ],
)
def test_a_broken_promise_is_found(path: Path, statement: str, said: str) -> None:
    change(path, statement)
    message = refused(path)
    assert "it is damaged" in message
    assert said in message
    assert "restore a copy" in message


def test_bars_without_their_moment_are_found(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        *last, _ = connection.execute("SELECT * FROM bars ORDER BY time DESC").fetchone()
        last[1] += 60_000
        connection.execute(BARS.insert(), sealed(tuple(last)))
    assert "bars of BTC/USDT without their moment" in refused(path)


@pytest.mark.parametrize("seed", range(60))
def test_flipped_bytes_are_found_or_mean_nothing(path: Path, seed: int) -> None:
    chance = np.random.default_rng(seed)
    content = bytearray(path.read_bytes())
    for _ in range(chance.choice([1, 2, 30])):
        content[chance.integers(len(content))] ^= 1 << int(chance.integers(8))
    path.write_bytes(content)
    assert_sound_or_refused(path)


def test_each_byte_of_the_header_may_be_wrong(path: Path) -> None:
    sound = path.read_bytes()
    for offset in range(100):
        content = bytearray(sound)
        content[offset] ^= 0xFF
        path.write_bytes(content)
        assert_sound_or_refused(path)


def assert_sound_or_refused(path: Path) -> None:
    before = path.read_bytes()
    try:
        state = PaperState.resume(path)
    except StateError:
        assert path.read_bytes() == before
        return
    with state:
        assert_holds(state, [full_moment(MARKET, number) for number in range(MOMENTS)])
        state.commit(full_moment(MARKET, MOMENTS))


@pytest.mark.parametrize("harm", ["cut", "flip"])
def test_a_damaged_journal_costs_its_end_at_most(path: Path, tmp_path: Path, harm: str) -> None:
    chance = np.random.default_rng(1)
    killed = tmp_path / "killed.sqlite"
    with child(commit_without_end, path) as (_, pipe):
        while pipe.recv() < MOMENTS + 9:
            pass
    for _ in range(20):
        for end in ("", "-wal"):
            shutil.copy(f"{path}{end}", f"{killed}{end}")
        journal = bytearray(Path(f"{killed}-wal").read_bytes())
        place = int(chance.integers(len(journal)))
        journal[place] ^= 0x10
        Path(f"{killed}-wal").write_bytes(journal[:place] if harm == "cut" else journal)
        with PaperState.resume(killed) as state:
            count = len(state.reader.moments())
            assert count >= MOMENTS
            assert_holds(state, [full_moment(MARKET, number) for number in range(count)])


def commit_from(state: PaperState, number: int) -> None:
    for later in range(number, 900):
        state.commit(full_moment(MARKET, later))


def test_a_full_disk_costs_nothing_that_was_kept(path: Path) -> None:
    with PaperState.resume(path) as state:
        connection = state._connection
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 4}")
        with pytest.raises(StateError, match="the disk is full: make room"):
            commit_from(state, MOMENTS)
        kept = len(state.reader.moments())
        assert MOMENTS < kept < 900
        assert_holds(state, [full_moment(MARKET, number) for number in range(kept)])
        connection.execute("PRAGMA max_page_count = 1000000")
        state.commit(full_moment(MARKET, kept))
    PaperState.resume(path).close()


def test_a_file_that_may_not_grow_costs_nothing_that_was_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    make_state(path, MARKET).close()
    with child(commit_until_the_file_is_full, path) as (_, pipe):
        assert pipe.poll(60)
        kept, said = pipe.recv()
    assert f"{path}: it cannot be written: disk I/O error; check the disk" in said
    assert kept > 1
    with PaperState.resume(
        path
    ) as state:  # the moment that failed was committed once there was room
        assert_holds(state, [full_moment(MARKET, number) for number in range(kept + 1)])


@pytest.mark.parametrize(("folder", "file"), [(0o755, 0o644), (0o777, 0o444), (0o555, 0o666)])
def test_a_state_that_may_only_be_read_is_refused_and_read(
    path: Path, open_folder: Path, folder: int, file: int
) -> None:
    copy = open_folder / "a.sqlite"
    shutil.copy(path, copy)
    copy.chmod(file)
    open_folder.chmod(folder)
    before = copy.read_bytes()
    for target in (resume_as_nobody, read_as_nobody):
        with child(target, copy) as (_, pipe):
            assert pipe.poll(60)
            said = pipe.recv()
            assert said == MOMENTS or "it must be writable, and so must its folder" in said
    open_folder.chmod(0o755)
    assert copy.read_bytes() == before


@pytest.mark.parametrize("begin", [PaperState.resume, StateReader.open])
def test_a_state_that_is_not_there_is_refused(
    tmp_path: Path, begin: Callable[[Path], object]
) -> None:
    for name in ("a.sqlite", "no/a.sqlite", ""):
        with pytest.raises(StateError, match="there is no such state"):
            begin(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_follows_the_writer_and_does_not_stop_it(path: Path) -> None:
    with PaperState.resume(path) as state, StateReader.open(path) as reader:
        reader._connection.execute("BEGIN")
        assert len(reader.moments()) == MOMENTS
        state.commit(full_moment(MARKET, MOMENTS))
        assert len(reader.moments()) == MOMENTS
        reader._connection.execute("ROLLBACK")
        assert len(reader.moments()) == MOMENTS + 1


def test_a_reader_writes_nothing(path: Path) -> None:
    with StateReader.open(path) as reader, pytest.raises(sqlite3.OperationalError):
        reader._connection.execute("DELETE FROM fills")


def test_a_state_does_not_begin_beside_the_journal_of_another(path: Path) -> None:
    with child(commit_without_end, path) as (_, pipe):
        assert pipe.poll(60)
    path.unlink()
    journal = path.with_name("a.sqlite-wal").read_bytes()
    assert journal
    with pytest.raises(StateError, match=r"find another's journal, found a\.sqlite-wal"):
        make_state(path, MARKET)
    assert path.with_name("a.sqlite-wal").read_bytes() == journal
    path.with_name("a.sqlite-wal").unlink()
    with make_state(path, MARKET) as state:
        assert state.reader.moments() == []
        state.commit(full_moment(MARKET, 0))


def test_what_a_killed_beginning_has_left_is_in_nobodys_way(path: Path, tmp_path: Path) -> None:
    shutil.copy(path, tmp_path / f".b.sqlite.{os.getpid()}.part")
    with make_state(tmp_path / "b.sqlite", MARKET) as state:
        assert state.reader.moments() == []


@pytest.mark.parametrize(
    "asked",
    ["decisions WHERE moment > 1", "decisions WHERE symbol = 'a' AND moment > 1",
     "fills WHERE moment > 1", "rejections WHERE moment > 1", "revisions WHERE moment > 1"],
)  # fmt: skip
def test_what_is_later_is_found_without_reading_what_is_not(path: Path, asked: str) -> None:
    with StateReader.open(path) as reader:
        plan = reader._connection.execute(
            f"EXPLAIN QUERY PLAN SELECT * FROM {asked} ORDER BY moment DESC, rowid DESC LIMIT 9"  # noqa: S608  from above
        ).fetchall()
    (step,) = [row[3] for row in plan]
    assert "USING INDEX" in step
    assert "moment>?" in step
