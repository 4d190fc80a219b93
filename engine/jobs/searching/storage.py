"""Where the trials of a search are kept: an SQLite file, a database, or a journal."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from optuna.exceptions import OptunaError, StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from engine.errors import RunError
from feeds.messages import first_line

JOURNAL = "journal:"

# What opening a record raises that is not there, somebody else's, or damaged.
_FAILURES = (
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
    except _FAILURES as error:
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
    path = Path(address.removeprefix("sqlite:///"))
    path.parent.mkdir(parents=True, exist_ok=True)
    storage = RDBStorage(address, engine_kwargs={"connect_args": {"timeout": 60}})
    event.listen(storage.engine, "connect", _quickly)
    storage.engine.dispose()
    return storage


def _quickly(connection: Any, _record: Any) -> None:
    """Let SQLite write ahead: a machine that dies loses the last trials, and never the file."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")


def _unusable(address: str, error: Exception) -> RunError:
    kind, _, rest = address.partition("://")
    place = f"{kind}://…@{rest.rpartition('@')[2]}" if "@" in rest else address
    return RunError(
        f"{place}: the trials of a search are kept in an SQLite file (sqlite:///FILE), a database "
        f"(postgresql://…) or a journal (journal:FILE) that can be written, found: "
        f"{_found(error)}"
    )


def _found(error: Exception) -> str:
    missing = error.__cause__ if isinstance(error, ImportError) else None
    if missing is None:
        return first_line(error)
    return f"{first_line(missing)}: install the database's driver (PostgreSQL: psycopg[binary])"
