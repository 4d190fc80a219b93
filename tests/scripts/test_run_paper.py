"""Sessions from the command line: rehearsed, interrupted, gone on with, looked at, proved."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.paper.reading import StateReader
from ml.bundle import load_bundle
from run_backtest import main as backtest
from run_paper import main as paper
from strategies.evidence import evidence_table
from strategies.views import NoEnsemble, ask
from tests.world import UNTIL, World

# Two days and a few hours behind what the bundle has seen; one bar takes 0.2 s.
BEGINS = ("--start-date", "2022-02-17T06:00")
RANGE = (*BEGINS, "--end-date", "2022-02-17T12:00")
SPEED = ("--speed", "1500")
EAGER = """
[strategy]
rsi_oversold = 45.0
min_entry_score = 3.0
"""


@pytest.fixture
def eager(tmp_path: Path) -> Path:
    path = tmp_path / "eager.toml"
    path.write_text(EAGER)
    return path


def said(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_rehearsal_is_the_backtest_of_its_recording(
    world: World, eager: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*map(str, world.files), *RANGE, "--ml", "off", "--out", str(tmp_path / "runs")]
    assert paper(["--rehearse", *words, *SPEED, "--json", "--config", str(eager)]) == 0
    live = said(capsys)
    rules = tmp_path / "rules.toml"
    with StateReader.open(Path(live["state"])) as reader:
        told = reader.facts().rules
    rows = [
        f'[symbols."{symbol}"]\n'
        + "\n".join(f"{key} = {value:.12f}" for key, value in rule.items())
        for symbol, rule in told.items()
    ]
    rules.write_text("\n".join([EAGER, *rows]))
    assert backtest(["--data", *words, "--json", "--config", str(rules)]) == 0
    at_once = said(capsys)
    assert at_once["runs"][0]["trades"] > 3
    assert live["session"]["moments"] == 72
    for each in (live, at_once):
        del each["runs"][0]["clock"], each["runs"][0]["result_hash"], each["runs"][0]["flattery"]
    assert live["runs"] == at_once["runs"]
    assert live["data"] == at_once["data"]
    kept = Path(live["run_dir"])
    assert Path(live["state"]) == kept / "session.sqlite"
    assert paper(["--parity", live["state"], "--json"]) == 0
    proved = said(capsys)
    assert (proved["bars"], proved["unexplained"]) == (144, 0)
    assert proved["fills"] == 2 * at_once["runs"][0]["trades"]
    assert paper(["--status", live["state"]]) == 3  # it has stopped
    assert [file.name for file in (tmp_path / "runs").iterdir() if file.is_file()] == []


def test_a_rehearsal_with_the_ensemble_asks_it(world: World, tmp_path: Path) -> None:
    state = tmp_path / "state.sqlite"
    words = [str(world.files[0]), *around_a_question(world), *SPEED, "--ml", "on"]
    words += ["--model", str(world.bundle), "--state", str(state), "--out", str(tmp_path)]
    assert paper(["--rehearse", *words]) == 0
    with StateReader.open(state) as reader:
        asked = [row for row in reader.decisions() if row["ml"] == "answered"]
        digests = {moment.ml for moment in reader.moments()}
    assert len(asked) == 1
    assert len([name for name in asked[0] if name.startswith("vote_")]) > 1
    assert digests == {load_bundle(world.bundle).digest}


def around_a_question(world: World) -> list[str]:
    """Return the dates of a few bars, on one of which the ensemble is asked."""
    settings, bars = world.settings(), world.bars[0]
    tables = {bars.symbol: evidence_table(bars, settings.strategy)}
    asked = ask(tables, settings.strategy, NoEnsemble("only counted"))[bars.symbol].bars
    clean = bars.index_from(UNTIL) + settings.strategy.warmup_bars
    row = next(b for a, b, c in zip(asked, asked[1:], asked[2:], strict=False)
               if b > clean and b - a > 5 and c - b > 5)  # fmt: skip
    return ["--start-date", str(bars.time[row - 3]), "--end-date", str(bars.time[row + 3])]


def test_a_session_must_go_on_with_what_it_was_begun_with(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state.sqlite"
    words = ["--rehearse", str(world.files[0]), *BEGINS, "--end-date", "2022-02-17T06:15", *SPEED]
    words += ["--state", str(state), "--out", str(tmp_path)]
    assert paper([*words, "--ml", "off"]) == 0
    assert paper([*words, "--ml", "off", "--fee", "0.002"]) == 1
    assert "with the broker.fee it was begun with, 0.001, found 0.002" in capsys.readouterr().err
    assert paper([*words, "--ml", "off"]) == 0  # it is over, and says so again
    with StateReader.open(state) as reader:
        assert len(reader.moments()) == 3


def test_a_longer_recording_is_another_one(
    world: World, eager: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state.sqlite"
    words = [str(world.files[0]), *BEGINS, *SPEED, "--ml", "off", "--state", str(state)]
    words += ["--out", str(tmp_path), "--json", "--config", str(eager)]
    assert paper(["--rehearse", *words, "--end-date", "2022-02-17T07:00"]) == 0
    # The same file with a later end is another recording, which no session may go on with.
    assert paper(["--rehearse", *words, "--end-date", "2022-02-17T09:00"]) == 1
    assert "recording" in capsys.readouterr().err


def test_a_rehearsal_over_seen_bars_is_refused(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert paper(["--rehearse", str(world.files[0]), "--model", str(world.bundle)]) == 1
    assert "--in-sample" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "about"),
    [
        (["--ml", "off"], "name --symbols, or a recording by --rehearse"),
        (["--symbols", "BTC/USDT", "--speed", "10"], "--speed goes with --rehearse"),
        (["--rehearse", "x.csv", "--symbols", "BTC/USDT"], "--symbols goes with a live market"),
        (["--status", "s.sqlite", "--symbols", "BTC/USDT"], "--status looks at one"),
        (["--parity", "s.sqlite", "--rehearse", "x.csv"], "--parity looks at one"),
    ],
)
def test_flags_that_do_not_go_together_are_wrong_usage(
    words: list[str], about: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert paper(words) == 2
    assert about in capsys.readouterr().err


def test_a_speed_at_which_nobody_keeps_up_is_refused(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--rehearse", str(world.files[0]), *BEGINS, "--ml", "off", "--out", str(tmp_path)]
    assert paper([*words, "--speed", "5000"]) == 2
    assert "--speed must be above 0 and at most 3000" in capsys.readouterr().err


def test_the_settings_in_force_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert paper(["--show-config", "--json", "--confirm", "doubt"]) == 0
    shown = said(capsys)
    assert shown["strategy"]["min_entry_score"] == 6.0
    assert shown["paper"]["confirm"] == "doubt"


def test_secrets_are_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "my.toml"
    config.write_text('[paper]\nwebhook = "https://example.org/k3y"\ndashboard_token = "t0ken"\n')
    for words in (["--json"], []):
        assert paper(["--show-config", "--config", str(config), *words]) == 0
        shown = capsys.readouterr().out
        assert "webhook" in shown
        assert "k3y" not in shown
        assert "t0ken" not in shown
