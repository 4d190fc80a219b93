"""Tests of reading the configuration: layers, and errors that teach."""

from pathlib import Path

import pytest

from engine.config import to_toml
from engine.errors import ConfigError
from engine.jobs.settings import Settings, load_settings


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "tandem.toml"
    path.write_text(text)
    return path


def test_flags_override_the_file_and_the_file_the_defaults(tmp_path: Path) -> None:
    path = written(tmp_path, "[broker]\ncash = 500.0\nfee = 0.002\n")
    settings = load_settings(path, {"broker": {"fee": 0.0005, "cash": None}})
    assert settings.broker.cash == 500.0
    assert settings.broker.fee == 0.0005
    assert settings.strategy.min_entry_score == 6.0


def test_what_is_shown_can_be_read_back(tmp_path: Path) -> None:
    settings = load_settings(None, {"symbols": {"btc-usdt": {"tick": 0.01}}, "seed": 3})
    assert load_settings(written(tmp_path, to_toml(settings))) == settings
    assert list(settings.symbols) == ["BTC/USDT"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[strategy]\nmin_entry_scor = 5\n", "strategy.min_entry_scor.*did you mean min_entry_sc"),
        ("[strategy.points]\nrsl = 5\n", "strategy.points.rsl.*did you mean rsi"),
        ("[borker]\ncash = 5\n", "borker is not a known key; did you mean broker"),
        ("[broker]\nfee = 0.1\n", "broker.fee.*0.02.*found 0.1"),
        ("[broker]\ncash = -1\n", "broker.cash.*greater than 0, found -1"),
        ("[broker\n", "must be TOML"),
        ("seed = 'x'\n", "seed: must be a whole number, found 'x'"),
        ("[broker]\ncash = true\n", "broker.cash: must be a number, found True"),
        ("[training]\nfractions = [0.7, 0.1, 0.1, '0.1']\n", "training.fractions: must be a numb"),
        ("[strategy]\nuse_ml_ensemble = 'off'\n", "use_ml_ensemble: must be true or false"),
        ('[strategy]\nml_model_path = "a\\u0000b"\n', "ml_model_path: must be a path"),
        ("[symbols.bitcoin]\ntick = 1\n", "symbols: a symbol must look like BTC/USDT, found 'bit"),
        ("[symbols.BTC-USD]\n[symbols.'BTC/USD']\n", "symbols: each symbol has one set of rules"),
        ("symbols.BTC-USD.tick = 1e-300\n", r"symbols.BTC-USD.tick: must be 0 or at least 1e-18"),
        ("a = " + "[" * 990, "must be TOML"),
        ("a." * 500 + "a = 1", "at most 200000 characters, in lines of at most 1000; found more"),
        ("a = 1\n" * 40_000, "at most 200000 characters, in lines of at most 1000; found more"),
        ("seed = 0x" + "f" * 900 + "\n", "seed.*found "),
        ("seed = '" + "x" * 900 + "'\n", r"found 'x{199}…$"),
    ],
)
def test_wrong_input_gets_one_line_that_teaches(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_settings(written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"found none at .*absent\.toml"):
        load_settings(tmp_path / "absent.toml")


def test_defaults_are_whole() -> None:
    assert load_settings() == Settings()
