"""Files of settings that are none, or hold what is no setting: for every command."""

from collections.abc import Mapping

import pytest

from tests.wrong_input.rooms import EVERY, Command, Desk

# What the file holds (None: there is none), and what the refusal must say.
CASES: Mapping[str, tuple[bytes | None, tuple[str, ...]]] = {
    "a file that is not there": (None, ("--config must name a file",)),
    "a key that is misspelt": (
        b"[strategy]\nmin_entry_scor = 5\n",
        ("strategy.min_entry_scor is not a known key", "did you mean min_entry_score"),
    ),
    "a section that is misspelt": (b"[borker]\ncash = 5\n", ("borker", "did you mean broker")),
    "a key in no section": (b"cash = 5\n", ("cash is not a known key",)),
    "text for a number": (b"[broker]\ncash = 'much'\n", ("broker.cash: must be a number", "much")),
    "a number in quotes": (b"[broker]\ncash = '10000'\n", ("broker.cash: must be a number",)),
    "a truth for a number": (b"[broker]\ncash = true\n", ("broker.cash: must be a number", "True")),
    "a number for a truth": (
        b"[strategy]\nuse_ml_ensemble = 1\n",
        ("strategy.use_ml_ensemble: must be true or false", "found 1"),
    ),
    "a table for a number": (b"[broker.cash]\nx = 1\n", ("broker.cash:", "valid number")),
    "a number for a table": (b"broker = 1\n", ("broker:", "found 1")),
    "half a bar": (b"[strategy.exits]\nmax_bars = 2.5\n", ("strategy.exits.max_bars:", "integer")),
    "a negative": (b"[broker]\ncash = -1\n", ("broker.cash:", "greater than 0", "found -1")),
    "not a number": (b"[broker]\ncash = nan\n", ("broker.cash:", "finite number")),
    "infinity": (b"[strategy.exits]\nstop_loss = inf\n", ("exits.stop_loss:", "finite number")),
    "percent for a fraction": (b"[broker]\nfee = 0.1\n", ("broker.fee:", "0.001 is 0.1 %")),
    "a word for another": (b"[training]\nlabel = 'up'\n", ("training.label:", "or 'payoff'")),
    "shares that do not add up": (
        b"[training]\nfractions = [0.5, 0.1, 0.1, 0.1]\n",
        ("training:", "add up to 1"),
    ),
    "thresholds out of order": (
        b"[strategy]\nml_weak_threshold = 0.9\n",
        ("strategy:", "thresholds must fall"),
    ),
    "a number without end": (b"seed = " + b"9" * 900 + b"\n", ("seed:", "less than 4294967296")),
    "a symbol that is none": (b"[symbols.bitcoin]\ntick = 1\n", ("symbols:", "like BTC/USDT")),
    "what is no TOML": (b"[broker\n", ("must be TOML",)),
    "a key twice": (b"seed = 1\nseed = 2\n", ("must be TOML", "overwrite")),
    "noise": (bytes(range(256)), ("must be TOML",)),
    "a tale without end": (b"a." * 150_000 + b"a = 1", ("must hold settings", "right file")),
    "brackets without end": (b"a = " + b"[" * 950, ("must be TOML",)),
}


@pytest.mark.parametrize("command", EVERY.values(), ids=EVERY)
@pytest.mark.parametrize(("content", "about"), CASES.values(), ids=CASES)
def test_it_is_refused_with_file_and_key(
    content: bytes | None, about: tuple[str, ...], command: Command, desk: Desk
) -> None:
    config = desk.room.path / "tandem.toml"
    if content is not None:
        config.write_bytes(content)
    words = [*command.on(desk.room, desk.room.bars), "--config", config]
    desk.refuses(command, words, ["tandem.toml", *about])


@pytest.mark.parametrize("command", EVERY.values(), ids=EVERY)
def test_a_folder_is_no_file_of_settings(command: Command, desk: Desk) -> None:
    words = [*command.on(desk.room, desk.room.bars), "--config", desk.room.runs]
    desk.refuses(command, words, ["--config must name a file, found the folder"])


@pytest.mark.parametrize("command", EVERY.values(), ids=EVERY)
def test_a_flag_out_of_range_is_said_to_come_from_the_command_line(
    command: Command, desk: Desk
) -> None:
    words = [*command.on(desk.room, desk.room.bars), "--seed", str(2**32)]
    desk.refuses(command, words, ["command line: seed:", "4294967296"])
