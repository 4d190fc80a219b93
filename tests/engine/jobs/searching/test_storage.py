"""Where trials are kept: at any path, whole after a kill, and told without a password."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from engine.errors import RunError
from engine.jobs.searching.storage import file_storage, opened_storage, settle, shown
from tests.test_layout import ROOT

# Writes a row ahead and is killed before SQLite takes it into the file.
KILLED = """
import os, signal, sqlite3, sys
record = sqlite3.connect(sys.argv[1])
record.execute("PRAGMA journal_mode = WAL")
record.executescript("CREATE TABLE kept (n); INSERT INTO kept VALUES (7)")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("name", ["my runs", "Läufe", "100%", "a%20b", "what?", "a@b#c+d"])
def test_a_file_may_lie_at_any_path(tmp_path: Path, name: str) -> None:
    file = tmp_path / name / "search" / "trials.sqlite3"
    with opened_storage(file_storage(file)) as storage:
        assert storage.get_all_studies() == []
    assert file.exists()
    assert [each.name for each in tmp_path.iterdir()] == [name]


def test_what_a_killed_command_left_beside_a_file_is_taken_into_it(tmp_path: Path) -> None:
    file, copy = tmp_path / "trials.sqlite3", tmp_path / "copy.sqlite3"
    subprocess.run([sys.executable, "-c", KILLED, str(file)], cwd=ROOT, check=False)  # noqa: S603  our own words
    assert (tmp_path / "trials.sqlite3-wal").stat().st_size > 0
    settle(file)
    assert [each.name for each in tmp_path.iterdir()] == [file.name]
    copy.write_bytes(file.read_bytes())
    with closing(sqlite3.connect(copy)) as record:
        assert record.execute("SELECT n FROM kept").fetchall() == [(7,)]


def test_a_file_that_another_command_works_on_is_not_taken_from_it(tmp_path: Path) -> None:
    file = tmp_path / "trials.sqlite3"
    with opened_storage(file_storage(file)) as storage:
        storage.get_all_studies()
        with pytest.raises(RunError, match="must be nobody else's, found another command at work"):
            settle(file)
    settle(file)


def test_a_file_that_is_none_of_ours_is_told(tmp_path: Path) -> None:
    file = tmp_path / "trials.sqlite3"
    file.write_bytes(b"no database" * 1000)
    with pytest.raises(RunError, match=r"kept in an SQLite file .* found: file is not a database"):
        settle(file)


@pytest.mark.parametrize(
    ("address", "as_told"),
    [
        ("postgresql://me:secret@host:5432/trials", "postgresql://…@host:5432/trials"),
        ("postgresql://me:se@cret@host/trials", "postgresql://…@host/trials"),
        ("postgresql://host/trials?user=me&password=secret", "postgresql://host/trials"),
        ("mysql+pymysql://me:secret@host/trials?x=1", "mysql+pymysql://…@host/trials"),
        ("sqlite:////tmp/a@b/trials.sqlite3", "sqlite:////tmp/a@b/trials.sqlite3"),
        ("journal:a@b/log", "journal:a@b/log"),
    ],
)
def test_an_address_is_told_without_its_password(address: str, as_told: str) -> None:
    assert shown(address) == as_told
