"""Whether a state is whole: asked before a session goes on from it."""

import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from engine.paper.file import damaged, named_errors, open_to_read
from engine.paper.schema import DECISIONS, FILLS, REJECTIONS, REVISIONS, TABLES, is_sound
from feeds.errors import FeedError
from feeds.timeframe import Timeframe

_OFF_GRID = "SELECT 1 FROM moments WHERE closed_at % ? != 0 LIMIT 1"
_UNSTEADY = """
    SELECT symbol FROM (
        SELECT symbol, time, segment, lag(time) OVER earlier AS before,
               lag(segment) OVER earlier AS old
        FROM bars WINDOW earlier AS (PARTITION BY symbol ORDER BY time)
    )
    WHERE time % :step != 0
       OR NOT (time - before = :step AND segment = old OR time - before > :step AND segment > old)
    LIMIT 1
"""
_WITHOUT_MOMENT = """
    SELECT symbol FROM bars LEFT JOIN moments ON closed_at = time + ?
    WHERE origin IS NOT NULL AND closed_at IS NULL LIMIT 1
"""


def check_sound(path: Path) -> None:
    """Raise `StateError` if the file, a checksum or a promise of the state is broken.

    Every row is read, one at a time; nothing is written.
    """
    with closing(open_to_read(path)) as connection, named_errors(path):
        for check in (_structure, _seals, _references, _order, _bars):
            said = check(connection)
            if said is not None:
                raise damaged(path, said)


def _structure(connection: sqlite3.Connection) -> str | None:
    # Not `quick_check`: that leaves out whether the indices say what the tables say.
    said = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
    return None if said == "ok" else said


def _seals(connection: sqlite3.Connection) -> str | None:
    for table in TABLES:
        for number, row in enumerate(connection.execute(table.select(sealed=True))):
            if not is_sound(row):
                return f"row {number + 1} of {table.name} is not as it was written"
    return None


def _references(connection: sqlite3.Connection) -> str | None:
    lost = connection.execute("PRAGMA foreign_key_check").fetchone()
    return None if lost is None else f"{lost[0]} without their {lost[2]}"


def _order(connection: sqlite3.Connection) -> str | None:
    for table in (DECISIONS, FILLS, REJECTIONS, REVISIONS):
        place = list(table.columns).index("moment")
        moments = (row[place] for row in connection.execute(f"{table.select()} ORDER BY rowid"))
        if any(later < earlier for earlier, later in pairwise(moments)):
            return f"{table.name} out of order"
    return None


def _bars(connection: sqlite3.Connection) -> str | None:
    """Bars stand on the grid, unbroken inside a segment, and closed at moments that are kept."""
    session = connection.execute("SELECT timeframe FROM session").fetchone()
    if session is None:
        return "nothing said of what the session was begun with"
    try:
        step = Timeframe.parse(session[0]).ms
    except FeedError as error:
        return str(error)
    if connection.execute(_OFF_GRID, [step]).fetchone() is not None:
        return "moments off the grid of the timeframe"
    unsteady = connection.execute(_UNSTEADY, {"step": step}).fetchone()
    if unsteady is not None:
        return f"bars of {unsteady[0]} that do not go on from one another"
    lost = connection.execute(_WITHOUT_MOMENT, [step]).fetchone()
    return None if lost is None else f"bars of {lost[0]} without their moment"
