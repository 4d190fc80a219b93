"""Parity: whatever is changed in a state is told."""

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import StateError
from engine.jobs.live.parity import Parity, parity
from engine.paper.moments import Phase
from tests.engine.jobs.live.session_makers import keep_session, taped
from tests.engine.jobs.live.state_changes import Change, Kept, add, in_line, one
from tests.engine.paper.paper_makers import moments_of
from tests.engine.paper.test_broker import AT_LIMIT, AT_MARKET, TRAILING, market


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Sessions whose fills bars priced, and such that trades or nobody's watch did."""
    folder = tmp_path_factory.mktemp("states")
    traded = market(14, bars=650)
    keep_session(folder / "bar", moments_of([traded]), [traded], TRAILING)
    keep_session(folder / "trade", taped(traded, 14), [traded], AT_MARKET)
    offline = [
        replace(m, phase=Phase.OFFLINE, late=True) if i % 50 > 35 else m
        for i, m in enumerate(moments_of([traded]))
    ]
    keep_session(folder / "offline", offline, [traded], TRAILING)
    keep_session(folder / "limit", moments_of([traded]), [traded], AT_LIMIT)
    return {name: folder / name for name in ("bar", "trade", "offline", "limit")}


@pytest.fixture
def kept(states: dict[str, Path], request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    return Kept(states[getattr(request, "param", "bar")], tmp_path / "changed")


EACH = pytest.mark.parametrize("kept", ["bar", "trade", "offline"], indirect=True)
AT = 5  # the row that is changed


@EACH
def test_nothing_changed_is_nothing_told(kept: Kept) -> None:
    assert parity(kept.path).passed


@EACH
def test_a_price_of_a_fill_that_is_off_by_a_tick_is_told(kept: Kept) -> None:
    found = parity(kept.changed("fills", one("", AT), add("price", 0.01)))
    assert any("priced by" in each for each in found.differences)
    assert not found.passed


@EACH
@pytest.mark.parametrize(
    "change",
    [in_line(score=0.01), in_line(rsi=0.001), in_line(outcome="another"), in_line(close=0.01)],
    ids=["score", "evidence", "outcome", "price"],
)
def test_a_changed_decision_is_told(kept: Kept, change: Change) -> None:
    (told,) = parity(kept.changed("decisions", one("", AT), change)).differences
    assert "decided" in told


@EACH
@pytest.mark.parametrize("table", ["decisions", "fills"])
@pytest.mark.parametrize("order", ["ASC", "DESC"])
def test_a_missing_row_is_told(kept: Kept, table: str, order: str) -> None:
    which = f"ORDER BY rowid {order} LIMIT 1"
    assert not parity(kept.without(table, which)).passed


@pytest.mark.parametrize("kept", ["limit"], indirect=True)
def test_a_missing_refusal_is_told(kept: Kept) -> None:
    (told,) = parity(kept.without("rejections", "LIMIT 1")).differences[-1:]
    assert "refusals on record" in told


@EACH
@pytest.mark.parametrize("kind", ["stop", "limit"])
def test_a_changed_price_of_an_order_is_told(kept: Kept, kind: str) -> None:
    which = one(f"WHERE kind = '{kind}'", AT)
    found = parity(kept.changed("orders", which, add("price", 0.01))).differences
    assert any("order" in each for each in found)


@EACH
def test_a_changed_status_of_an_order_is_told(kept: Kept) -> None:
    def change(row: dict[str, Any]) -> None:
        row["status"] = "waiting"

    which = one("WHERE status = 'cancelled'", 0)
    assert not parity(kept.changed("orders", which, change)).passed


@EACH
def test_a_bar_that_is_not_the_one_decided_on_is_told(kept: Kept) -> None:
    decided = f"SELECT moment - 300000 FROM decisions LIMIT 1 OFFSET {AT}"  # noqa: S608  ours
    which = f"WHERE time = ({decided})"
    found = parity(kept.changed("bars", which, add("close", 0.002))).differences
    assert any("decided" in each for each in found)


@pytest.mark.parametrize("kept", ["bar", "offline"], indirect=True)
@pytest.mark.parametrize("column", ["open", "high"])
def test_a_bar_that_is_not_the_one_filled_on_is_told(kept: Kept, column: str) -> None:
    # High enough for the range to change what slipped.
    which = "WHERE time = (SELECT filled_at FROM fills WHERE kind = 'market' LIMIT 1)"

    def change(row: dict[str, Any]) -> None:
        row[column] += 0.02
        row["high"] = max(row["high"], row["open"])

    assert not parity(kept.changed("bars", which, change)).passed


@pytest.mark.parametrize("kept", ["trade"], indirect=True)
def test_a_trade_that_was_not_the_first_to_be_had_is_told(kept: Kept) -> None:
    market = "WHERE kind = 'market'"
    which = one(market, 3)
    assert not parity(kept.changed("fills", which, add("quote", 0.01))).passed
    minute = add("quoted_at", -300_000)
    assert not parity(kept.changed("fills", which, minute)).passed

    def later(row: dict[str, Any]) -> None:
        row["sent_at"] += 250_000

    order = f"WHERE id = (SELECT order_id FROM fills {which})"  # noqa: S608  ours
    assert not parity(kept.changed("orders", order, later)).passed


@EACH
@pytest.mark.parametrize("column", ["cash", "position_value"])
def test_money_that_was_never_there_is_told(kept: Kept, column: str) -> None:
    found = parity(kept.changed("moments", one("", 40), add(column, 0.01))).differences
    assert any("cash and holdings" in each for each in found)


def test_a_row_that_is_not_as_it_was_written_is_no_difference_but_damage(kept: Kept) -> None:
    shutil.copy(kept.path, kept.copy)
    connection = sqlite3.connect(kept.copy)
    connection.execute("UPDATE fills SET price = price + 0.01 WHERE rowid = 3")
    connection.commit()
    connection.close()
    with pytest.raises(StateError, match="row 3 of fills is not as it was written"):
        parity(kept.copy)


@pytest.mark.parametrize(("decisions", "fills"), [(0, 0), (3, 0), (0, 1)])
def test_a_session_that_did_nothing_yet_proves_nothing(decisions: int, fills: int) -> None:
    found = Parity(
        bars=12,
        decisions=decisions,
        fills=fills,
        asked_again=0,
        recalled=0,
        explained={},
        differences=[],
    )
    idle = not decisions and not fills
    assert ("nothing was proved" in found.text()) is idle
    assert ("nothing is unexplained" in found.text()) is not idle
    assert found.to_json()["unexplained"] == 0


def test_nothing_of_a_planted_state_steers_the_terminal() -> None:
    found = Parity(
        bars=1,
        decisions=1,
        fills=0,
        asked_again=0,
        recalled=0,
        explained={},
        differences=["decided \x1b[2Jnothing"],
    )
    assert "\x1b" not in found.text()
    assert "nothing" in found.text()
