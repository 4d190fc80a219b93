"""Whatever was planted in a state, `--status` shows it harmlessly or refuses it in one line."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.errors import EngineError
from engine.jobs.live.beginning import refuse_another
from engine.jobs.live.request import PaperRequest
from engine.jobs.live.status import status
from engine.jobs.live.venue import exchange_venue
from engine.jobs.settings import load_settings
from engine.paper.schema import TABLES, Table, sealed
from engine.paper.state import PaperState
from engine.paper.typed_text import to_text
from feeds.clock import FixedClock
from feeds.errors import FeedError
from tests.engine.paper.state_makers import full_moment, make_market, make_state
from tests.engine.paper.test_health import make_health

NOW = FixedClock(datetime(2024, 1, 1, 0, 22, 30, tzinfo=UTC))
ESCAPE = "\x1b]0;planted\x07\x1b[2J\nrun_paper: nothing is wrong\u202e"
DEEP = "[" * 100_000
PLANTED: dict[str, list[Any]] = {
    "TEXT": [ESCAPE, "", "{}", "[]", "1", DEEP, json.dumps({"$time": [2**62, "ms"]})],
    "INTEGER": [0, -1, 2**62, -(2**62)],
    "REAL": [0.0, -1.0, 1e308, float("inf")],
}
COLUMNS = [
    (table, name, kind.sql.split()[0]) for table in TABLES for name, kind in table.columns.items()
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A state with one of everything."""
    market = make_market(1)
    with make_state(tmp_path / "a.sqlite", market) as state:
        state.commit(full_moment(market, 0))
        state.beat(make_health().to_json())
    return tmp_path / "a.sqlite"


def plant(path: Path, table: Table, name: str, value: Any) -> None:
    """Put a value in a column of all rows, with its seal."""
    place = list(table.columns).index(name)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for number, *row in connection.execute(
            table.select().replace("SELECT", "SELECT rowid,", 1)
        ).fetchall():
            row[place] = value
            names = ", ".join(f"{each} = ?" for each in [*table.columns, "seal"])
            connection.execute(
                f"UPDATE {table.name} SET {names} WHERE rowid = {number}",  # noqa: S608  from the schema
                sealed(tuple(row)),
            )


def is_refused_or_done(what: Callable[[], object]) -> None:
    """Assert that it is done, or refused in one line."""
    try:
        what()
    except (EngineError, FeedError) as error:
        said = str(error)
    else:
        said = ""
    assert said.isprintable()


def look_at(path: Path) -> None:
    """Have the status shown as text, line by line, and as a document."""
    found = status(path, NOW)
    for line in found.text().split("\n"):
        assert line.isprintable()
        assert not line.startswith("run_paper")
    json.dumps(found.to_json(), allow_nan=False)


def go_on_with(path: Path) -> None:
    PaperState.resume(path).close()


@pytest.mark.parametrize(
    ("table", "name", "kind"), COLUMNS, ids=lambda each: getattr(each, "name", each)
)
def test_nothing_planted_in_a_column_harms_who_looks(
    table: Table, name: str, kind: str, path: Path
) -> None:
    for value in PLANTED[kind]:
        try:
            plant(path, table, name, value)
        except sqlite3.IntegrityError:  # two rows of one name
            continue
        is_refused_or_done(lambda: look_at(path))
        is_refused_or_done(lambda: go_on_with(path))


def places(document: Any) -> list[tuple[str, ...]]:
    """Return the way to every value of a document."""
    if not isinstance(document, dict):
        return [()]
    return [(key, *rest) for key, value in document.items() for rest in [(), *places(value)]]


def changed(document: Any, way: tuple[str, ...], value: Any) -> Any:
    if not way:
        return value
    return {**document, way[0]: changed(document[way[0]], way[1:], value)}


HEALTH = make_health().to_json()


@pytest.mark.parametrize("way", sorted({*places(HEALTH)}), ids=".".join)
def test_nothing_planted_in_the_health_harms_who_looks(way: tuple[str, ...], path: Path) -> None:
    table = next(each for each in TABLES if each.name == "health")
    for value in (ESCAPE, [ESCAPE], {ESCAPE: ESCAPE}, None, -1, 10**400, float("nan"), 1e308):
        plant(path, table, "document", to_text(changed(HEALTH, way, value)))
        is_refused_or_done(lambda: look_at(path))


@pytest.mark.parametrize("name", ["exchange", "symbols", "settings", "recording"])
def test_what_a_session_was_begun_with_is_told_harmlessly(name: str, path: Path) -> None:
    table = next(each for each in TABLES if each.name == "session")
    planted = {"settings": {ESCAPE: ESCAPE}, "recording": {"a": ESCAPE}, "symbols": [ESCAPE]}
    plant(path, table, name, to_text(planted[name]) if name in planted else ESCAPE)
    request = PaperRequest(settings=load_settings(), symbols=("BTC/USDT",))
    with PaperState.resume(path) as state, pytest.raises(EngineError) as found:
        refuse_another(state, request, exchange_venue(request), [])
    assert str(found.value).isprintable()
