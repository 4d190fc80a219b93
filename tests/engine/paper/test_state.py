"""What is written into a state comes back as it was."""

import math
import struct
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import StateError
from engine.paper.reading import Latencies, StateReader
from engine.paper.records import Event
from engine.paper.replay import recorded_moments
from engine.paper.state import PaperState
from feeds.live.moment import LiveBar, Origin
from tests.engine.paper.state_makers import (
    MINUTE,
    WARMUP,
    full_moment,
    make_facts,
    make_line,
    make_market,
    make_moment,
    make_order,
    make_priced_fill,
    make_state,
    warmup_of,
)
from tests.makers import START, with_hole

NO_RECORDING = None
RECORDING = {"files": {"a.csv": "3f"}, "start": np.datetime64("2024-01-01", "ms")}


def bits(value: Any) -> Any:
    """Return a value so that two floats are equal only bit by bit."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("<d", value)
    if isinstance(value, dict):
        return {key: bits(item) for key, item in value.items()}
    return [bits(item) for item in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("recording", [NO_RECORDING, RECORDING])
def test_facts_come_back(tmp_path: Path, recording: dict[str, Any] | None) -> None:
    facts = make_facts(("BTC/USDT", "ETH/USDT"), recording=recording)
    with PaperState.create(tmp_path / "a.sqlite", facts, {}) as state:
        assert state.reader.facts() == facts


def test_a_moment_comes_back_whole(tmp_path: Path) -> None:
    market = make_market(1)
    record = full_moment(market, 0)
    with make_state(tmp_path / "a.sqlite", market) as state:
        state.commit(record)
        with StateReader.open(tmp_path / "a.sqlite") as reader:
            assert reader.fills() == list(record.fills)
            assert reader.orders() == list(record.orders)
            assert reader.rejections() == list(record.rejections)
            assert reader.revisions() == list(record.revisions)
            assert bits(reader.decisions()) == bits(list(record.decisions))
            (moment,) = reader.moments()
    assert not moment.flat
    for field in fields(moment):
        if field.name != "flat":
            assert getattr(moment, field.name) == getattr(record, field.name)


def test_bars_come_back_with_their_origin(tmp_path: Path) -> None:
    market = make_market(3, ("BTC/USDT", "ETH/USDT"))
    with make_state(tmp_path / "a.sqlite", market) as state:
        state.commit(make_moment(market, 0, offline=True))
        state.commit(make_moment(market, 1))
        for symbol, bars in market.items():
            known = bars[: WARMUP + 2]
            assert state.reader.bars(symbol).digest() == known.digest()
            assert state.reader.bars(symbol, last=2).digest() == known[-2:].digest()
            start, end = bars.time[5], bars.time[9]
            assert state.reader.bars(symbol, start=start, end=end).digest() == bars[5:9].digest()
        origins = state.reader.origins("ETH/USDT", last=3)
    assert [each.origin for each in origins] == [None, Origin.REST, Origin.REST]
    assert [each.offline for each in origins] == [False, True, False]
    assert [each.time for each in origins] == list(market["ETH/USDT"].time[-4:-1])


def test_an_unknown_symbol_has_no_bars(tmp_path: Path) -> None:
    market = make_market(0)
    with make_state(tmp_path / "a.sqlite", market) as state:
        assert len(state.reader.bars("DOGE/USDT")) == 0


def test_simulated_filled_bars_of_a_later_segment_come_back(tmp_path: Path) -> None:
    bars = replace(with_hole(make_market(8)["BTC/USDT"], WARMUP, 3), synthetic=True)
    market = {"BTC/USDT": replace(bars, filled=np.arange(len(bars)) == WARMUP)}
    with make_state(tmp_path / "a.sqlite", market) as state:
        state.commit(make_moment(market, 0))
        assert state.reader.bars("BTC/USDT").digest() == market["BTC/USDT"][: WARMUP + 1].digest()


awkward = st.floats() | st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text()


@settings(max_examples=40)  # a file each
@given(values=st.dictionaries(st.text(), awkward), number=st.floats(allow_nan=False))
def test_any_value_of_a_journal_comes_back_bit_by_bit(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any], number: float
) -> None:
    market = make_market(1)
    line = {**values, "symbol": "BTC/USDT", "decided_at": START}
    with make_state(tmp_path_factory.mktemp("state") / "a.sqlite", market) as state:
        state.commit(make_moment(market, 0, decisions=[line], cash=number))
        assert bits(state.reader.decisions()[0]) == bits(line)
        # SQLite has no -0.0; every other number is the same to the bit.
        assert bits(state.reader.moments()[0].cash) == bits(number + 0.0)
    PaperState.resume(state.reader.path).close()


def test_the_journal_is_asked_by_moment_symbol_and_number(tmp_path: Path) -> None:
    market = make_market(3, ("BTC/USDT", "ETH/USDT"))
    lines = []
    with make_state(tmp_path / "a.sqlite", market) as state:
        for number in range(3):
            moment = make_moment(market, number)
            lines.append([make_line(moment.closed_at, symbol, rsi=number) for symbol in market])
            state.commit(make_moment(market, number, decisions=lines[-1]))
        reader, first = state.reader, lines[0][0]["decided_at"]
        assert bits(reader.decisions(after=first)) == bits([*lines[1], *lines[2]])
        assert bits(reader.decisions(last=3)) == bits([lines[1][1], *lines[2]])
        assert bits(reader.decisions(last=2, symbol="ETH/USDT")) == bits([lines[1][1], lines[2][1]])
        assert reader.decisions(after=first, symbol="BTC/USDT", last=0) == []


def test_an_order_stands_as_it_was_last_written_where_it_was_first(tmp_path: Path) -> None:
    market = make_market(2)
    at = make_moment(market, 0).closed_at
    stop = make_order(at, "s", units=-0.3, kind="stop", price=98.0, status="asleep")
    entry = make_order(at, "e")
    moved = replace(stop, price=98.5, status="waiting")
    bought = replace(entry, status="filled")
    with make_state(tmp_path / "a.sqlite", market) as state:
        state.commit(make_moment(market, 0, orders=[stop, entry]))
        assert state.reader.orders(open_only=True) == [stop, entry]
        state.commit(make_moment(market, 1, orders=[bought, moved]))
        assert state.reader.orders() == [moved, bought]
        assert state.reader.orders(open_only=True) == [moved]
    PaperState.resume(tmp_path / "a.sqlite").close()


def test_orders_are_asked_for_by_when_they_were_decided_on(tmp_path: Path) -> None:
    market = make_market(3)
    at = [make_moment(market, number).closed_at for number in range(3)]
    old, new = make_order(at[0], "old"), make_order(at[1], "new", status="filled")
    with make_state(tmp_path / "a.sqlite", market) as state:
        reader = state.reader
        state.commit(make_moment(market, 0, orders=[old]))
        state.commit(make_moment(market, 1, orders=[new]))
        old = replace(old, status="cancelled")
        state.commit(make_moment(market, 2, orders=[old]))
        assert reader.orders(after=at[0] - MINUTE) == [old, new]
        assert reader.orders(after=at[0]) == [new]
        assert reader.orders(after=at[1]) == []
        assert reader.orders(after=at[0], open_only=True) == []
        sent = [moment.sent for moment in recorded_moments(reader, at[0])]
    assert sent == [{"new": new.sent_at}, {}]


def test_the_checkpoint_is_the_latest_moment_with_an_account(tmp_path: Path) -> None:
    market = make_market(4)
    account = {"equity": 9_990.5, "streaks": {2: START}, "day": np.datetime64("NaT", "D")}
    with make_state(tmp_path / "a.sqlite", market) as state:
        assert state.reader.checkpoint() is None
        state.commit(make_moment(market, 0, account={"equity": 1.0}))
        state.commit(replace(full_moment(market, 1), account=account))
        state.commit(full_moment(market, 2))
        found = state.reader.checkpoint()
        later = state.reader.moments(after=found.closed_at if found else None)
    assert found is not None
    assert found.cash == 9_969.97
    assert found.account["streaks"] == account["streaks"]
    assert np.isnat(found.account["day"])
    assert found.account["day"].dtype == "datetime64[D]"
    assert [moment.flat for moment in later] == [False]


def test_fills_are_asked_by_moment_and_number(tmp_path: Path) -> None:
    market = make_market(3)
    records = [full_moment(market, number) for number in range(3)]
    with make_state(tmp_path / "a.sqlite", market) as state:
        for record in records:
            state.commit(record)
        fills = [fill for record in records for fill in record.fills]
        assert state.reader.fills(after=records[0].closed_at) == fills[1:]
        assert state.reader.fills(last=1) == fills[2:]
        assert len(state.reader.rejections(after=records[1].closed_at)) == 1
        assert len(state.reader.revisions(last=2)) == 2


def test_latencies_are_those_of_live_moments(tmp_path: Path) -> None:
    market = make_market(4)
    with make_state(tmp_path / "a.sqlite", market) as state:
        assert state.reader.latencies() == Latencies()
        state.commit(make_moment(market, 0, latency_ms=900.0, offline=True))
        state.commit(make_moment(market, 1, latency_ms=math.nan))
        state.commit(make_moment(market, 2, latency_ms=5.0))
        state.commit(make_moment(market, 3, latency_ms=7.0))
        assert state.reader.latencies() == Latencies(p50_ms=7.0, p99_ms=7.0, moments=2)
        assert state.reader.latencies(last=1).moments == 1
        assert math.isnan(state.reader.moments()[1].latency_ms)


def test_health_is_one_row_and_events_are_many(tmp_path: Path) -> None:
    events = [Event(at=START + n * MINUTE, kind="started", text=f"no. {n}") for n in range(3)]
    with make_state(tmp_path / "a.sqlite", make_market(0)) as state:
        assert state.reader.health() is None
        for number, event in enumerate(events):
            state.beat({"pid": number, "errors": []})
            state.note(event)
        assert state.reader.health() == {"pid": 2, "errors": []}
        assert state.reader.events() == events
        assert state.reader.events(last=2) == events[1:]


def test_a_moment_is_kept_once_and_in_order(tmp_path: Path) -> None:
    market = make_market(3)
    with make_state(tmp_path / "a.sqlite", market) as state:
        state.commit(make_moment(market, 0))
        state.commit(full_moment(market, 1))
        for number in (0, 1):
            with pytest.raises(StateError, match="must close after the last one kept"):
                state.commit(full_moment(market, number))
    with PaperState.resume(tmp_path / "a.sqlite") as state:
        with pytest.raises(StateError, match="must close after the last one kept"):
            state.commit(full_moment(market, 1))
        assert (len(state.reader.moments()), len(state.reader.fills())) == (2, 1)


def test_a_bar_must_go_on_from_the_last(tmp_path: Path) -> None:
    market = make_market(3)
    bars = market["BTC/USDT"]
    skipping = {"BTC/USDT": LiveBar(bars[WARMUP + 1 : WARMUP + 2], Origin.REST)}
    other = {"BTC/USDT": LiveBar(bars[WARMUP : WARMUP + 1], Origin.REST)}
    named = {"ETH/USDT": LiveBar(bars[WARMUP : WARMUP + 1], Origin.REST)}
    with make_state(tmp_path / "a.sqlite", market) as state:
        for number, wrong in ((1, skipping), (1, other), (0, named)):
            with pytest.raises(StateError, match="go on from the symbol's last"):
                state.commit(make_moment(market, number, bars=wrong))
        state.commit(make_moment(market, 0))
        state.commit(make_moment(market, 1, bars={}))
        with pytest.raises(StateError, match="go on from the symbol's last"):
            state.commit(make_moment(market, 2))


def test_an_order_fills_once_and_must_be_known(tmp_path: Path) -> None:
    market = make_market(2)
    at = make_moment(market, 0).closed_at
    order = make_order(at)
    fill = make_priced_fill(order)
    with make_state(tmp_path / "a.sqlite", market) as state:
        with pytest.raises(StateError, match="must be complete and new"):
            state.commit(make_moment(market, 0, fills=[fill]))
        state.commit(make_moment(market, 0, orders=[order], fills=[fill]))
        with pytest.raises(StateError, match="must be complete and new"):
            state.commit(make_moment(market, 1, fills=[fill]))
        assert len(state.reader.moments()) == 1
        state.commit(make_moment(market, 1))


def test_a_state_begins_only_where_there_is_none(tmp_path: Path) -> None:
    market = make_market(0)
    make_state(tmp_path / "a.sqlite", market).close()
    before = (tmp_path / "a.sqlite").read_bytes()
    with pytest.raises(StateError, match="must not exist yet"):
        make_state(tmp_path / "a.sqlite", market)
    assert (tmp_path / "a.sqlite").read_bytes() == before


def test_a_state_that_cannot_begin_leaves_nothing(tmp_path: Path) -> None:
    market = make_market(0)
    facts = make_facts(settings={"seed": object()})
    with pytest.raises(TypeError, match="must be plain"):
        PaperState.create(tmp_path / "a.sqlite", facts, warmup_of(market))
    assert [path.name for path in tmp_path.iterdir()] == ["a.sqlite.lock"]
    make_state(tmp_path / "a.sqlite", market).close()
