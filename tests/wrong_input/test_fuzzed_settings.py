"""Whatever a file of settings holds: it is read or refused by name, and what is read can be run."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from engine.config import to_toml
from engine.jobs.settings import Settings
from engine.rules import SymbolRules
from tests.wrong_input.child import Child
from tests.wrong_input.damage import anywhere, damaged, often
from tests.wrong_input.rooms import BACKTEST, Room

DEFAULTS = to_toml(Settings()).encode()

# Values as TOML spells them: wrong types, wrong sizes, and some that are right for some key.
VALUES = [
    "nan", "inf", "-inf", "-1", "0", "-0.0", "0.5", "1", "2", "5", "7.5", "30", "99.99", "400",
    "1000", "1e-9", "1e-320", "1e308", "1e400", "4294967295", "4294967296", "9223372036854775808",
    "9" * 400, "9" * 900, "0x" + "f" * 900, '""', '"x"', '"5"', '"off"', '"nan"', '"horizon"',
    '"BTC/USDT"', '"\\u0000"', '"\\u001b[2J"', '"' + "x" * 900 + '"', "true", "false", "[]", "[[]]",
    "[1, 2, 3, 4]", "[0.97, 0.01, 0.01, 0.01]", "[1e-300, 0.4, 0.3, 0.3]", "[nan, 1, 1, 1]",
    '["sort"]', '["a", 1]', "[true, 0.1, 0.1, 0.1]", "{}", "{a = 1}", "{tick = 1}", "1979-05-27",
    "07:32:00", "1979-05-27T07:32:00Z",
]  # fmt: skip


def keys(kind: type[BaseModel], below: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield every key of the settings, sections included."""
    for name, field in kind.model_fields.items():
        yield (*below, name)
        section = next((k for k in (field.annotation, *get_args(field.annotation)) if _is(k)), None)
        if section is not None and section is not SymbolRules:
            yield from keys(section, (*below, name))


def _is(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


SYMBOLS = [
    ("symbols", name, *rule)
    for name in ("BTC/USDT", "btc-usdt", "x", "\x00")
    for rule in ((), *((rule,) for rule in SymbolRules.model_fields), ("x",))
]
KEYS = [*keys(Settings), *SYMBOLS, ("x",), ("strategy", "exits", "x")]
key_texts = st.sampled_from([".".join(map(json.dumps, key)) for key in KEYS])
lines = st.builds("{} = {}".format, key_texts, st.sampled_from(VALUES))


def test_every_setting_is_among_the_keys() -> None:
    assert ("strategy", "exits", "take_profit") in KEYS
    assert {key[0] for key in KEYS} >= {*Settings.model_fields}
    assert len(KEYS) > 80


@often(200)
def test_any_text_is_read_or_refused(examples: int, child: Child, folder: Path) -> None:
    path = folder / "tandem.toml"

    @settings(max_examples=examples)
    @given(st.one_of(damaged(DEFAULTS, anywhere), st.binary(max_size=200), st.text().map(_bytes)))
    def holds(data: bytes) -> None:
        path.write_bytes(data)
        child.ask("settings", path)

    path.write_bytes(DEFAULTS)
    assert child.ask("settings", path) == "sound"
    holds()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


@often(200)
def test_any_value_of_any_key_is_read_or_refused(examples: int, child: Child, folder: Path) -> None:
    path = folder / "tandem.toml"

    @settings(max_examples=examples)
    @given(st.lists(lines, min_size=1, max_size=3))
    def holds(chosen: list[str]) -> None:
        path.write_text("\n".join(chosen))
        child.ask("settings", path)

    holds()


@often(25)
def test_what_is_read_can_be_run(examples: int, child: Child, room: Room) -> None:
    config = room.path / "tandem.toml"
    words = [*BACKTEST.on(room, room.bars), "--config", config]

    @settings(max_examples=examples)
    @given(st.lists(lines, min_size=1, max_size=2))
    def holds(chosen: list[str]) -> None:
        config.write_text("\n".join(chosen))
        child.ask("command", "run_backtest", *words)

    config.write_bytes(DEFAULTS)
    assert child.ask("command", "run_backtest", *words) == "sound"
    holds()
