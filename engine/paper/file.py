"""The file of a state: opened for reading or for the one writer; what goes wrong has one line."""

import errno
import fcntl
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self

from engine.errors import StateError
from engine.paper.schema import APPLICATION_ID, LAID_OUT, VERSION, fingerprint
from feeds.messages import first_line, printable

# A writer waits so long for a reader that is just ending; beyond it something is wrong.
_PATIENCE_S = 10.0
_SHORT_PATIENCE_MS = 1000  # where nothing is lost by giving up
# The journal is cut back to this after a long reader has let it grow.
_JOURNAL_BYTES = 16 * 2**20

_FULL = "the disk is full: make room, then start the session again; nothing that was kept is lost"
_UNWRITABLE = "it cannot be written: {said}; check the disk, then start the session again"
_READ_ONLY = "it must be writable, and so must its folder ({said}): mend the rights"
_UNREADABLE = "it cannot be opened ({said}): check the path and who may read it"
_BUSY = "another program holds it locked ({said}): close that program"
_DAMAGED = "it is damaged ({said}): restore a copy of it, or begin another session"
_FOREIGN = "it is no state of a paper session ({said}): name another file"
_REMEDIES = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_IOERR: _UNWRITABLE,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: _UNREADABLE,
    sqlite3.SQLITE_AUTH: _UNREADABLE,
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_PROTOCOL: _BUSY,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _FOREIGN,
}
_LOCKABLE = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_RIGHT = {errno.EACCES, errno.EPERM, errno.EROFS}


def damaged(path: Path, said: str) -> StateError:
    """Return the error for a state that breaks one of its own promises."""
    return StateError(f"{path}: {_DAMAGED.format(said=printable(said))}")


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Let what SQLite and the system raise in the block be a `StateError` with its remedy."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise StateError(
            f"{path}: a record must be complete and new, which this is not ({first_line(error)})"
        ) from error
    except sqlite3.ProgrammingError:
        raise  # ours, and no fault of the file
    except sqlite3.Error as error:
        # The low byte says what kind of failure, the others which of that kind.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        remedy = _REMEDIES.get(code, _DAMAGED).format(said=first_line(error))
        raise StateError(f"{path}: {remedy}") from error
    except UnicodeDecodeError as error:
        raise damaged(path, "a text in it is none") from error
    except OSError as error:
        remedy = _FULL if error.errno in _NO_ROOM else _UNWRITABLE
        remedy = _READ_ONLY if error.errno in _NO_RIGHT else remedy
        said = error.strerror or first_line(error)
        raise StateError(f"{path}: {remedy.format(said=said)}") from error


def open_to_read(path: Path) -> sqlite3.Connection:
    """Return a connection that changes nothing.

    Raises
    ------
    StateError : there is no such file, or it is no state that this program reads
    """
    with named_errors(path):
        if not path.is_file():
            raise StateError(f"{path}: there is no such state: check the path, or begin a session")
        _check_beside(path)
        try:
            return _checked(path, "mode=ro")
        except sqlite3.OperationalError:
            # SQLite wants to put a journal beside it. Where that may not be, and there is none from
            # before, the file is all there is, and nobody writes it.
            if os.access(path.resolve().parent, os.W_OK) or _journal(path).exists():
                raise
            return _checked(path, "immutable=1")


def check_writable(path: Path) -> None:
    """Raise `StateError` if this user may not write the state or into its folder."""
    for place in (path, path.resolve().parent):
        if not os.access(place, os.W_OK):
            raise StateError(f"{path}: {_READ_ONLY.format(said=f'{place} may only be read')}")


def check_free(path: Path) -> None:
    """Raise `StateError` if there is a state already, or the journal of one.

    SQLite would play another state's journal into a new one of the same name.
    """
    if path.exists():
        raise StateError(f"{path}: a new state must not exist yet: name another file")
    _check_beside(path)
    if _journal(path).exists():
        raise StateError(
            f"{path}: a new state must not find another's journal, found {_journal(path).name}: "
            "put it back beside its state, or remove it"
        )


def open_to_write(path: Path) -> sqlite3.Connection:
    """Return the writer's connection; each commit is on the disk when it returns.

    A moment is a minute's worth of trading and a commit takes milliseconds, so there is nothing to
    be won by letting a power cut take back fills that have been told already (`synchronous`).
    """
    with named_errors(path):
        connection = _connected(path, "mode=rw")
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}")
            # Whether it may be written shows now, not at the first moment: nothing is deleted.
            connection.execute("DELETE FROM events WHERE rowid < 0")
        except BaseException:
            connection.close()
            raise
    return connection


def _checked(path: Path, mode: str) -> sqlite3.Connection:
    connection = _connected(path, mode)
    try:
        _check_kind(path, connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_kind(path: Path, connection: sqlite3.Connection) -> None:
    """Raise `StateError` for a database that is not laid out as a state of this version."""
    marks = [
        connection.execute(f"PRAGMA {m}").fetchone()[0] for m in ("application_id", "user_version")
    ]
    if marks[0] != APPLICATION_ID:
        raise StateError(f"{path}: {_FOREIGN.format(said='another kind of database')}")
    if marks[1] != VERSION:
        raise StateError(
            f"{path}: a state must have version {VERSION}, found {marks[1]}: use the version of "
            "this program that wrote it, or begin another session"
        )
    # No trigger, view or other table: nothing but what this program put there is ever run.
    if tuple(connection.execute(LAID_OUT).fetchall()) != fingerprint():
        raise damaged(path, "its tables are not those of its version")


class SessionLock:
    """Held by the one process that writes a state; the system lets go of it when that one ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def taken(cls, state: Path) -> Self:
        """Take the lock beside the state.

        Raises
        ------
        StateError : another process has it, or the folder cannot be written
        """
        path = _lock_beside(state)
        with named_errors(state):
            _check_own(path)
            descriptor = os.open(path, _LOCKABLE, 0o644)
            try:
                _lock(state, descriptor)
            except BaseException:
                os.close(descriptor)
                raise
        return cls(descriptor)

    def release(self) -> None:
        """Let go; the file stays, for a name that comes and goes could be locked twice."""
        os.close(self._descriptor)


def _lock(state: Path, descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = printable(os.pread(descriptor, 20, 0).decode(errors="replace")) or "not known yet"
        raise StateError(
            f"{state}: a state must have one writer, found another at work, process {holder}: "
            "stop that one, or name another state"
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)


def put_away(state: Path, place: Path) -> Path:
    """Move the state of a session that is over; return where it is now.

    It stays where it is if another process has it as its writer, or reads it just now: what is in
    its journal still would be lost with the name.

    Raises
    ------
    StateError : it cannot be written
    """
    try:
        lock = SessionLock.taken(state)
    except StateError:
        return state
    try:
        with named_errors(state):
            if not _checked_in(state):
                return state
            state.rename(place)
            # A reader that waits for news has kept them; there is nothing in them.
            for end in ("-wal", "-shm", ".lock"):
                _beside(state, end).unlink(missing_ok=True)
            return place
    finally:
        lock.release()


def _checked_in(state: Path) -> bool:
    """Write what the journal holds into the state itself; return whether nothing is left in it."""
    with closing(open_to_write(state)) as connection:
        connection.execute(f"PRAGMA busy_timeout = {_SHORT_PATIENCE_MS}")
        (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    journal = _journal(state)
    return not busy and not (journal.exists() and journal.stat().st_size)


def _check_own(path: Path) -> None:
    """Raise `StateError` for a link or a pipe where a file is to be written to.

    What is written to a state's own files would else go to whatever somebody has put there.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not (stat.S_ISREG(found.st_mode) and found.st_nlink <= 1):
        raise StateError(
            f"{path}: it must be a file of the state's own, found a link or no file at all: "
            "remove it, if nobody needs it"
        )


def _check_beside(path: Path) -> None:
    for end in ("-wal", "-shm", "-journal"):
        _check_own(_beside(path, end))


def _lock_beside(state: Path) -> Path:
    return _beside(state, ".lock")


def _journal(path: Path) -> Path:
    return _beside(path, "-wal")


def _beside(path: Path, end: str) -> Path:
    """Return the file that lies beside a state, whatever link it was named by."""
    real = path.resolve()
    return real.with_name(f"{real.name}{end}")


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    address = f"{path.resolve().as_uri()}?{mode}"
    connection = sqlite3.connect(address, uri=True, timeout=_PATIENCE_S, isolation_level=None)
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection
