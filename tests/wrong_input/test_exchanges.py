"""Bars of an exchange that cannot be had: of a stand-in on this machine, through every command."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from feeds.files import read_bars
from feeds.standin.faults import Fault, FaultKind
from feeds.standin.server import StandIn
from tests.makers import make_bars
from tests.wrong_input.interrupting import check, interrupted
from tests.wrong_input.rooms import (
    BACKTEST,
    BARS,
    EVALUATE,
    GENERATE,
    TRAIN,
    UPDATE,
    Command,
    Desk,
    Room,
)
from tests.wrong_input.test_outputs import room_for

Asking: TypeAlias = tuple[Command, Callable[[Room], list[object]]]

DATES = ["--start-date", "2024-01-03", "--end-date", "2024-01-05"]
ALL = ["--start-date", "2024-01-01", "--end-date", "2024-01-06T05:00"]

# Commands that ask an exchange, and what they are told beside whose bars they want.
ASKING: Mapping[str, Asking] = {
    "run_backtest": (BACKTEST, lambda room: ["--ml", "off", "--out", room.runs]),
    "train_ml_ensemble": (TRAIN, lambda room: ["--preset", "small", "--output", room.bundle]),
    "train_ml_ensemble --update": (UPDATE, lambda room: ["--update", "--output", room.bundle]),
    "evaluate_ml_ensemble": (EVALUATE, lambda room: ["--model", room.bundle]),
    "generate_training_data": (GENERATE, lambda room: ["--output", room.output]),
}
each_asking = pytest.mark.parametrize("asking", ASKING.values(), ids=ASKING)


@pytest.fixture(scope="module")
def exchange() -> Iterator[StandIn]:
    with StandIn([make_bars(BARS)]) as standin:
        yield standin


def words_of(asking: Asking, room: Room, symbol: str, *more: object) -> list[object]:
    command, told = asking
    flag = "--symbol" if command is GENERATE else "--symbols"
    return [flag, symbol, *told(room), *more]


# Whose bars, in which dates, and what the refusal says.
WRONG: Mapping[str, tuple[str, list[str], tuple[str, ...]]] = {
    "a symbol that is not listed": (
        "NOPE/USDT", DATES, ("binance has no spot market NOPE/USDT", "choose another --exchange")
    ),
    "a timeframe that is not listed": (
        "BTC/USDT", [*DATES, "--timeframe", "7m"], ("binance has no bars of 7m; it has 1m, 3m, 5m",)
    ),
    "dates the wrong way round": (
        "BTC/USDT",
        ["--start-date", "2024-01-05", "--end-date", "2024-01-03"],
        ("a range must end after it starts, found 2024-01-05 00:00Z to 2024-01-03 00:00Z",),
    ),
    "dates of the future": (
        "BTC/USDT",
        ["--start-date", "2095-01-05", "--end-date", "2095-01-07"],
        ("BTC/USDT", "2095-01-0"),
    ),
}  # fmt: skip


@each_asking
@pytest.mark.parametrize(("symbol", "flags", "about"), WRONG.values(), ids=WRONG)
def test_what_the_exchange_has_not_is_refused_by_name(
    symbol: str,
    flags: list[str],
    about: tuple[str, ...],
    asking: Asking,
    exchange: StandIn,
    desk: Desk,
) -> None:
    place = ["--store", desk.room.store, "--base-url", exchange.url]
    desk.refuses(asking[0], words_of(asking, desk.room, symbol, *place, *flags), about)


@each_asking
def test_an_exchange_that_does_not_answer_is_told_with_what_needs_none(
    asking: Asking, desk: Desk, tmp_path: Path
) -> None:
    instead = {
        BACKTEST: ("--data FILE", "--store", "no flag of bars for the simulated default market"),
        GENERATE: ("--synthetic", "--store"),
    }
    with StandIn([make_bars(BARS)]) as exchange:
        exchange.add_fault(Fault(FaultKind.BANNED, seconds=7200))
        place = ["--store", tmp_path / "store", "--base-url", exchange.url]
        words = words_of(asking, desk.room, "BTC/USDT", *place, *DATES, "--quiet")
        told = ["try again after that; without an exchange: "]
        told += instead.get(asking[0], ("--data FILE", "--store"))
        desk.refuses(asking[0], words, told)


NO_EXCHANGE = {"binanse": "did you mean binance", "../x": "as ccxt does", "Binance": "as ccxt does"}


@each_asking
@pytest.mark.parametrize(("name", "about"), NO_EXCHANGE.items())
def test_an_exchange_that_is_none_is_refused_by_name(
    name: str, about: str, asking: Asking, desk: Desk
) -> None:
    words = words_of(asking, desk.room, "BTC/USDT", *DATES, "--exchange", name)
    desk.refuses(asking[0], [*words, "--store", desk.room.store], [name, about])


def test_a_store_that_cannot_be_written_is_refused_before_the_download(
    exchange: StandIn, desk: Desk
) -> None:
    asked = len(exchange.requests)
    words = words_of(ASKING["run_backtest"], desk.room, "BTC/USDT", *DATES)
    place = ["--store", desk.room.output / "deep", "--base-url", exchange.url]
    desk.refuses(BACKTEST, [*words, *place], ["made.csv", "--store"])
    assert not any(request.path == "klines" for request in exchange.requests[asked:])


def downloading(room: Room, exchange: StandIn, *more: object) -> list[object]:
    place = ["--store", room.store, "--base-url", exchange.url]
    return ["--symbol", "BTC/USDT", *ALL, *place, "--quiet", *more]


def stored(room: Room) -> Path:
    """Return the one file of the store."""
    (file,) = room.store.rglob("*.parquet")
    return file


def test_a_damaged_store_is_refused_with_a_remedy_and_left_alone(
    exchange: StandIn, desk: Desk
) -> None:
    desk.works(GENERATE, downloading(desk.room, exchange))
    whole = stored(desk.room).read_bytes()
    for damage in (b"", whole[:-100], whole[:700] + b"x" + whole[701:], b"a,b\n1,2\n"):
        stored(desk.room).write_bytes(damage)
        words = downloading(desk.room, exchange)
        desk.refuses(GENERATE, words, ["5m.parquet", "damaged", "move it away"])


def test_a_download_onto_a_full_disk_is_a_line_and_goes_on_where_there_is_room(
    exchange: StandIn, desk: Desk
) -> None:
    with room_for(1000):
        code = GENERATE.main([*map(str, downloading(desk.room, exchange))])
    out, err = desk.said.readouterr()
    assert (code, out) == (1, "")
    assert "make room, or choose another folder with --store" in err.splitlines()[-1]
    assert not list(desk.room.store.rglob("*.part"))
    desk.works(GENERATE, downloading(desk.room, exchange, "--output", desk.room.path / "all.csv"))
    assert (
        read_bars(desk.room.path / "all.csv")[0].digest() == read_bars(desk.room.bars)[0].digest()
    )


def test_an_interrupted_download_keeps_its_pages_and_goes_on_behind_them(desk: Desk) -> None:
    room, source = desk.room, make_bars(BARS)
    with StandIn([source], most_rows=100) as exchange:
        exchange.add_fault(Fault(FaultKind.SLOW, seconds=0.2))

        def few_pages(_: object) -> None:
            while sum(request.path == "klines" for request in exchange.requests) < 5:
                time.sleep(0.01)

        words = downloading(room, exchange)
        ended = interrupted("generate_training_data.py", words, few_pages)
        check(ended)
        assert ended.stopped
        assert not list(room.store.rglob("*.part"))
        begun = len(exchange.requests)
        exchange.clear_faults()
        desk.works(GENERATE, downloading(room, exchange, "--output", room.path / "all.csv"))
        assert len(exchange.requests) - begun < BARS // 100
    assert read_bars(room.path / "all.csv")[0].digest() == source.digest()
