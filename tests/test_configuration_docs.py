"""docs/configuration.md says of every setting what the code says."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from engine.config import load_config
from engine.errors import ConfigError
from engine.jobs import flags
from engine.jobs.settings import Settings, load_settings
from engine.jobs.settings_meaning import FLAGS, MEANINGS, MEMBER, NOTES, SYMBOL
from engine.jobs.settings_table import as_markdown, example, keys
from tests.documents.pages import SCRIPTS
from tests.test_layout import ROOT

PAGE = ROOT / "docs" / "configuration.md"
# For each flag a value that is not the default; None for one that takes none.
GIVEN: dict[str, str | None] = {
    "--seed": "5",
    "--cash": "500",
    "--fee": "0.002",
    "--repair": "sort,dedupe",
    "--store": "elsewhere",
    "--exchange": "kraken",
    "--base-url": "http://127.0.0.1:8080/api/v3",
    "--confirm": "doubt",
    "--strategy": f"{ROOT / 'examples' / 'my_strategy.py'}:MyStrategy",
    "--model": "models/mine",
    "--output": "models/mine",
    "--label": "barrier",
    "--lookahead": "7",
    "--profit-threshold": "0.7",
    "--population": "all",
    "--preset": "small",
    "--jobs": "1",
    "--device": "cpu",
    "--fit-thresholds": None,
    "--optimize": None,
    "--trials": "3",
}


def leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield path and value of everything that is no section."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{prefix}{name}.")
        elif not isinstance(value, Mapping):
            yield prefix + name, value


def dumped(settings: Settings) -> dict[str, Any]:
    return dict(leaves(settings.model_dump(mode="json")))


def nested(path: str, value: object) -> dict[str, Any]:
    for name in reversed(path.split(".")):
        value = {name: value}
    assert isinstance(value, dict)
    return value


def test_the_page_is_what_the_settings_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == as_markdown(), (
        "run: python -m engine.jobs.settings_table > docs/configuration.md"
    )


def test_every_key_has_a_meaning_and_every_meaning_a_key() -> None:
    found = [key.path for key in keys()]
    assert sorted(MEANINGS) == sorted(found)
    assert set(NOTES) <= {key.section for key in keys()}


def test_the_walk_finds_every_key_of_the_settings() -> None:
    there = {
        path.replace("BTC/USDT", SYMBOL)
        .replace("members.extra_trees", f"members.{MEMBER}")
        .removesuffix(".n_estimators")  # the keys of `params` are the class's
        for path in dumped(example())
    }
    assert {key.path for key in keys()} == there


def test_the_example_loads_and_shows_every_key(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    file = tmp_path / "settings.toml"
    file.write_text(text, encoding="utf-8")
    loaded = load_config(Settings, file, {})
    assert loaded == example()
    assert loaded.strategy.exits.trailing_stop is not None
    assert set(loaded.symbols) == {"BTC/USDT"}
    assert set(loaded.members) == {"extra_trees"}


def test_only_what_is_optional_differs_from_the_default_in_the_example() -> None:
    default, shown = dumped(Settings()), dumped(example())
    different = {path for path, value in shown.items() if default.get(path, None) != value}
    whole = ("symbols.", "members.", "protections.")
    assert {path for path in different if not path.startswith(whole)} == {
        "broker.maker_fee",
        "strategy.exits.trailing_stop",
        "data.exchange",
        "data.base_url",
    }


def test_every_protection_is_absent_by_default() -> None:
    found = {path: value for path, value in dumped(Settings()).items() if "protections" in path}
    assert found
    assert set(found.values()) == {None}


def test_what_is_in_percent_says_so_in_its_name_or_goes_by_the_unit_of_the_exits() -> None:
    for path, meaning in MEANINGS.items():
        assert (meaning.unit == "percent") == path.endswith("_percent")
        assert meaning.unit != "`unit`" or path.startswith("strategy.exits.")


@pytest.mark.parametrize(
    ("path", "largest", "refused"),
    [
        ("broker.fee", 0.02, 0.021),
        ("broker.maker_fee", 0.02, 0.021),
        ("broker.half_spread", 0.02, 0.021),
        ("broker.slippage", 0.02, 0.021),
        ("strategy.ml_strong_threshold", 1.0, 0.59),
        ("strategy.exits.stop_loss", 99.9, 100.0),
        ("strategy.exits.trailing_stop", 99.9, 100.0),
        ("training.fractions", [0.4, 0.2, 0.2, 0.2], [0.4, 0.2, 0.2, 0.1]),
        ("data.repair", ["sort"], "sort"),
    ],
)
def test_ranges_that_validators_hold_are_as_written(
    path: str, largest: object, refused: object
) -> None:
    assert MEANINGS[path].allowed
    load_settings(overrides=nested(path, largest))
    with pytest.raises(ConfigError):
        load_settings(overrides=nested(path, refused))


def in_force(script: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the settings that a command says are in force."""
    assert import_module(script).main([*words, "--show-config", "--json"]) == 0
    return dict(leaves(json.loads(capsys.readouterr().out)))


@pytest.mark.parametrize(
    ("script", "flag", "path"),
    [(script, flag.name, flag.path) for flag in FLAGS for script in flag.scripts],
)
def test_a_flag_overrides_its_key_and_no_other(
    script: str, flag: str, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = dumped(Settings())
    words = [word for word in (flag, GIVEN[flag]) if word is not None]
    after = in_force(script, words, capsys)
    changed = {key for key, value in after.items() if before.get(key) != value}
    if flag == "--strategy":  # it has defaults of its own
        changed = {key for key in changed if not key.startswith("strategy.")} | {"strategy.file"}
        assert after["strategy.file"] == str(ROOT / str(GIVEN[flag]))
    assert changed == {path}


def test_the_threshold_is_in_percent_at_the_flag_only(capsys: pytest.CaptureFixture[str]) -> None:
    (words,) = [shlex.split(note) for *_, note in FLAGS if "0.005" in note]
    found = in_force("train_ml_ensemble", ["--profit-threshold", "0.5"], capsys)
    assert {"0.5", "0.005"} <= set(words)
    assert found["training.profit_threshold"] == pytest.approx(0.005)


# `show_run` takes its settings from the folder of the run.
CONFIGURED = [script for script in SCRIPTS if script != "show_run"]


@pytest.mark.parametrize("script", CONFIGURED)
def test_every_key_that_a_command_overrides_is_in_the_table_of_flags(script: str) -> None:
    with mock.patch.object(flags, "load_any_settings", side_effect=ConfigError("stop")) as loading:
        import_module(script).main(["--show-config"])
    overrides = loading.call_args.args[1]
    assert {path for path, _ in leaves(overrides)} == {
        flag.path for flag in FLAGS if script in flag.scripts
    }
