"""What `--status` says of a session, and what it ends with."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import StateError
from engine.jobs.live.status import status
from engine.paper.health import Health, SessionState, time_of
from engine.paper.reading import Latencies
from engine.paper.state import PaperState
from engine.paper.status import MOST_BEAT_AGE_S, ExitCode, Status
from feeds.clock import FixedClock
from feeds.live.moment import FeedHealth
from tests.engine.paper.state_makers import (
    MINUTE,
    full_moment,
    make_market,
    make_moment,
    make_order,
    make_priced_fill,
    make_state,
)

NOW = datetime(2024, 1, 1, 0, 22, 30, tzinfo=UTC)
CLOSED_AT = np.datetime64("2024-01-01T00:22", "ms")

FEED = FeedHealth(
    connected=True,
    clock_offset_ms=-12.25,
    reconnects=2,
    repaired=3,
    filled=4,
    revised=5,
    differed=6,
    halted=("LUNA/USDT",),
    failures={"timeout": 7},
)


def make_health(**changed: Any) -> Health:
    """Return the health of a session that runs well."""
    given: dict[str, Any] = {
        "pid": 4711,
        "beat_at": time_of(FixedClock(NOW)),
        "now": CLOSED_AT + np.timedelta64(29_250, "ms"),
        "state": SessionState.LIVE,
        "last_closed_at": CLOSED_AT,
        "feed": FEED,
        "ml": "3f" * 32,
        "ml_asked_for": True,
        "ml_answers": True,
        "errors": ("the webhook\nwas silent",),
        "decided_in": Latencies(p50_ms=3.25, p99_ms=19.5, moments=1000),
        "watching": {"BTC/USDT": "RSI 47.2, needs below 30"},
    }
    return Health(**{**given, **changed})


SILENT = replace(FEED, clock_offset_ms=math.nan, failures={}, halted=())


@pytest.mark.parametrize(
    "changed",
    [{}, {"feed": None, "last_closed_at": None, "decided_in": Latencies(), "watching": {}}],
)
def test_health_comes_back_from_the_state(tmp_path: Path, changed: dict[str, Any]) -> None:
    health = make_health(**changed)
    with make_state(tmp_path / "a.sqlite", make_market(0)) as state:
        state.beat(health.to_json())
        said = state.reader.health()
    assert said is not None
    assert Health.from_json(said) == health
    assert said["last_bar_age_s"] == (None if changed else 29.25)


def test_an_unknown_clock_offset_comes_back(tmp_path: Path) -> None:
    told = Health.from_json(make_health(feed=SILENT).to_json())
    assert told.feed is not None
    assert math.isnan(told.feed.clock_offset_ms)


@pytest.mark.parametrize("said", [{}, {**make_health().to_json(), "state": "asleep"}])
def test_health_of_another_version_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(StateError, match="as this version writes it"):
        Health.from_json(said)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The state of a session that holds 0.3 BTC."""
    market = make_market(2)
    with make_state(tmp_path / "a.sqlite", market) as state:
        state.commit(full_moment(market, 0))
        state.commit(make_moment(market, 1, cash=9_969.97, position_value=31.0))
    return tmp_path / "a.sqlite"


def status_after(path: Path, health: Health | None, seconds: float = 0.0) -> Status:
    """Return the status so long after the heartbeat."""
    if health is not None:
        with PaperState.resume(path) as state:
            state.beat(health.to_json())
    return status(path, FixedClock(NOW + timedelta(seconds=seconds)))


@pytest.mark.parametrize(
    ("health", "seconds", "code", "verdict"),
    [
        (make_health(), 1, 0, "live"),
        (make_health(), MOST_BEAT_AGE_S, 0, "live"),
        (make_health(), MOST_BEAT_AGE_S + 1, 4, "STALE, no sign of life for 61 s"),
        (make_health(), -3600, 4, "STALE, no sign of life for -3,600 s"),
        (None, 0, 4, "STALE, it has never given a sign of life"),
        (make_health(now=CLOSED_AT + 4 * MINUTE), 0, 0, "live"),
        (make_health(now=CLOSED_AT + 5 * MINUTE), 0, 4, "STALE, no bar for 300 s"),
        (make_health(now=CLOSED_AT + 5 * MINUTE, speed=60.0), 0, 0, "live"),
        (make_health(now=CLOSED_AT + 5 * MINUTE, state=SessionState.REPLAYING), 0, 0, "replaying"),
        (make_health(state=SessionState.STARTING, last_closed_at=None), 0, 0, "starting"),
        (make_health(ml_answers=False), 0, 5, "live, WITHOUT the ML that was asked for"),
        (make_health(ml_answers=False, ml_asked_for=False), 0, 0, "live"),
        (make_health(ml_answers=False), 3600, 4, "STALE, no sign of life for 3,600 s"),
        (make_health(state=SessionState.STOPPED, ml_answers=False), 1e6, 3, "stopped"),
        (make_health(state=SessionState.FAILED), 0, 1, "FAILED, the webhook\\nwas silent"),
        (make_health(state=SessionState.FAILED, errors=()), 0, 1, "FAILED, it does not say why"),
    ],
)
def test_the_exit_code_says_how_it_is(
    path: Path, health: Health | None, seconds: float, code: int, verdict: str
) -> None:
    found = status_after(path, health, seconds)
    assert (found.exit_code, found.verdict) == (ExitCode(code), verdict)
    assert found.to_json()["exit_code"] == code
    assert f": {verdict}" in found.text().splitlines()[0]


def test_the_text_tells_everything_a_line_each(path: Path) -> None:
    text = status_after(path, make_health(), 2).text()
    assert text.splitlines() == [
        "binance, BTC/USDT 1m: live",
        "  heartbeat    2 s ago",
        "  last bar     closed 2024-01-01 00:22Z, 29 s before the heartbeat",
        "  equity       10,000.97 (+0.97), 9,969.97 of it in cash",
        "  trades       0 ended, 1 open",
        "  holds        BTC/USDT 0.3 at 100.09001, since 2024-01-01 00:20Z",
        "  process      4711",
        "  decided      half within 3.2 ms, 99 % within 19.5 ms (latest 1,000 closes of bars)",
        "  ML           bundle 3f3f3f3f3f3f",
        "  feed         connected, 2 reconnections, exchange's clock -12 ms from the one here",
        "  bars         4 filled where nobody traded, 3 repaired and 6 corrected by REST, "
        "5 revised later",
        "  halted       LUNA/USDT",
        "  failures     timeout 7",
        "  watches      BTC/USDT: RSI 47.2, needs below 30",
        "  error        the webhook\\nwas silent",
    ]


def test_a_rehearsal_tells_its_clock_in_real_time_too(tmp_path: Path) -> None:
    recording = {"synthetic": False, "digests": {}}
    rehearsed = tmp_path / "rehearsed.sqlite"
    with make_state(rehearsed, make_market(2), recording=recording):
        pass
    feed = replace(FEED, clock_offset_ms=-1694.0)
    text = status_after(rehearsed, make_health(feed=feed, speed=600.0), 2).text()
    assert "stand-in's clock measured -2.8 ms, -1,694 ms of the recording from the one here" in text


@pytest.mark.parametrize("state", [SessionState.STOPPED, SessionState.FAILED])
def test_of_a_session_that_has_ended_nothing_grows_older(path: Path, state: SessionState) -> None:
    late = make_health(state=state, now=CLOSED_AT + 640 * 1440 * MINUTE)
    found = status_after(path, late, 1e6)
    lines = found.text().splitlines()
    assert lines[1:3] == [
        "  ended        2024-01-01 00:22Z",
        "  last bar     closed 2024-01-01 00:22Z",
    ]
    assert not [line for line in lines if "ago" in line or "connected" in line or "watches" in line]
    assert found.to_json()["health"]["last_bar_age_s"] is None


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (["a.csv"], "rehearsal of a.csv (stand-in), "),
        (["a.csv", "b.csv", "c.csv"], "rehearsal of a.csv, b.csv and 1 more (stand-in), "),
    ],
)
def test_a_rehearsal_says_of_what_it_is_one(tmp_path: Path, files: list[str], told: str) -> None:
    make_state(tmp_path / "a.sqlite", make_market(0), recording={"files": files}).close()
    found = status(tmp_path / "a.sqlite", FixedClock(NOW))
    assert found.text().startswith(told)
    assert (found.to_json()["rehearsal"], found.to_json()["files"]) == (True, files)


def test_the_json_is_strict_and_tells_the_same(path: Path) -> None:
    document = status_after(path, make_health(feed=SILENT), 2).to_json()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["health"]["feed"]["clock_offset_ms"] is None
    assert document["positions"][0]["units"] == 0.3
    assert (document["equity"], document["trades"]) == (9_969.97 + 31.0, 0)


def test_a_trade_that_has_ended_is_no_position(path: Path) -> None:
    market = make_market(3)
    record = make_moment(market, 2)
    leave = make_order(record.closed_at, "x", units=-0.3, reason="take_profit", status="filled")
    fill = make_priced_fill(leave)
    with PaperState.resume(path) as state:
        state.commit(replace(record, orders=[leave], fills=[fill]))
    found = status_after(path, make_health())
    assert (found.trades, found.positions) == (1, ())


def test_a_session_that_has_done_nothing_has_its_cash(tmp_path: Path) -> None:
    make_state(tmp_path / "a.sqlite", make_market(0), recording={"files": {}}).close()
    found = status(tmp_path / "a.sqlite", FixedClock(NOW))
    assert (found.equity, found.last_closed_at) == (10_000.0, None)
    assert found.text().startswith("rehearsal of a recording (stand-in), BTC/USDT 1m: STALE")


def test_the_status_of_what_is_no_state_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="there is no such state"):
        status(tmp_path / "a.sqlite")


def test_status_can_be_asked_while_the_session_runs(tmp_path: Path) -> None:
    market = make_market(1)
    with make_state(tmp_path / "a.sqlite", market) as state:
        state.beat(make_health().to_json())
        assert status(tmp_path / "a.sqlite", FixedClock(NOW)).exit_code is ExitCode.FRESH
        state.commit(full_moment(market, 0))
        assert len(status(tmp_path / "a.sqlite", FixedClock(NOW)).positions) == 1
