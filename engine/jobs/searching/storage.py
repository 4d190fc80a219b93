"""Where the trials of a search are kept: an SQLite file, a database, or a journal."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from optuna.exceptions import OptunaError, StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from engine.errors import RunError
from feeds.messages import first_line

JOURNAL = "journal:"

# What a record raises that is not there, somebody else's, or damaged.
FAILURES = (
    OptunaError,
    SQLAlchemyError,
    sqlite3.Error,
    OSError,
    ImportError,
    ValueError,
    LookupError,
    TypeError,
    RuntimeError,
)


def file_storage(path: Path) -> str:
    """Return the address of an SQLite file."""
    return f"sqlite:///{quote(str(path.absolute()))}"


def shown(address: str) -> str:
    """Return an address as it may be printed: without the user and the password."""
    kind, mark, rest = address.partition("://")
    if not mark or kind.startswith("sqlite"):
        return address
    place = rest.partition("?")[0]  # a password may stand among the options, too
    return f"{kind}://…@{place.rpartition('@')[2]}" if "@" in place else f"{kind}://{place}"


def settle(path: Path) -> None:
    """Write into an SQLite file what a command that was killed left in the log beside it.

    Whoever copies or replaces the file alone would lose it otherwise, or have it written over what
    the file holds then.

    Raises
    ------
    RunError
        if the file is damaged, or another command is at work on it
    """
    try:
        with closing(sqlite3.connect(path, timeout=10)) as record:
            record.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise _unusable(file_storage(path), error) from error
    log = path.with_name(f"{path.name}-wal")
    if log.exists():  # who closes the file last removes it
        raise RunError(
            f"{path}: a record that workers are to go on with must be nobody else's, found "
            "another command at work on it: wait until it has ended"
        )


@contextmanager
def opened_storage(address: str) -> Iterator[BaseStorage]:
    """Open the record at an address, and close it at the end of the block.

    Raises
    ------
    RunError
        if it cannot be opened, or fails in the block
    """
    try:
        storage = _opened(address)
    except FAILURES as error:
        raise _unusable(address, error) from error
    try:
        yield storage
    except (SQLAlchemyError, StorageInternalError) as error:
        raise _unusable(address, error) from error
    finally:
        if isinstance(storage, RDBStorage):
            storage.remove_session()
            storage.engine.dispose()


def _opened(address: str) -> BaseStorage:
    if address.startswith(JOURNAL):
        path = Path(address.removeprefix(JOURNAL))
        path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(path)))
    if not address.startswith("sqlite:"):
        return RDBStorage(address)
    file = make_url(address).database  # an address quotes what a path does not
    if file:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    storage = RDBStorage(address, engine_kwargs={"connect_args": {"timeout": 60}})
    event.listen(storage.engine, "connect", _quickly)
    storage.engine.dispose()
    return storage


def _quickly(connection: Any, _record: Any) -> None:
    """Let SQLite write ahead: a machine that dies loses the last trials, and never the file."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")


def _unusable(address: str, error: Exception) -> RunError:
    return RunError(
        f"{shown(address)}: the trials of a search are kept in an SQLite file (sqlite:///FILE), a "
        "database (postgresql://…) or a journal (journal:FILE) that can be written, found: "
        f"{_found(error)}"
    )


def _found(error: Exception) -> str:
    missing = error.__cause__ if isinstance(error, ImportError) else None
    if missing is None:
        return first_line(error)
    return f"{first_line(missing)}: install the database's driver (PostgreSQL: psycopg[binary])"
