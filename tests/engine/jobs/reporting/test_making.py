"""The command that is told asks for what was asked; secrets and what needs no saying stay out."""

import shlex
import tomllib
from pathlib import Path

import pytest
from pydantic import SecretStr

import evaluate_ml_ensemble
import generate_training_data
import run_backtest
from engine.jobs.default_market import default_markets
from engine.jobs.markets import AskedBars, BarFiles, ExchangeBars
from engine.jobs.reporting.making import commands, importance_commands, settings_file, settings_of
from engine.jobs.request_record import (
    DefaultRecord,
    LiveRecord,
    OtherRecord,
    RequestRecord,
    StrategyRecord,
)
from engine.jobs.run_request import RunRequest, run_request
from engine.jobs.serving import MLMode
from engine.jobs.settings import Settings, load_settings
from engine.jobs.settings_meaning import MEANINGS
from feeds.moments import parse_utc
from feeds.timeframe import Timeframe
from tests.test_layout import ROOT

FIVE = Timeframe.parse("5m")
FOLDER = Path("runs/20240131T180000Z-41103555")


FILES = BarFiles((Path("/bars/my bars/BTC.csv"), Path("/bars/ETH.csv")), "BTC/USDT", FIVE)
EXCHANGE = ExchangeBars(
    ("BTC/USDT", "ETH/USDT"), FIVE, parse_utc("2024-01-01"), parse_utc("2024-02-01"), before=400
)


@pytest.mark.parametrize("mode", list(MLMode))
@pytest.mark.parametrize(
    "bars",
    [
        None,
        AskedBars(FILES, parse_utc("2024-01-05T10:05"), None),
        AskedBars(FILES, None, parse_utc("2024-03-01")),
        AskedBars(EXCHANGE, EXCHANGE.start, EXCHANGE.end),
    ],
    ids=["default", "files from a moment on", "files until a day", "exchange"],
)
def test_the_command_asks_for_what_was_asked(
    bars: AskedBars | None, mode: MLMode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings(
        overrides={
            "broker": {"cash": 500.0, "maker_fee": 0.0005},
            "data": {"exchange": "kraken", "base_url": "http://127.0.0.1:1/", "repair": ("sort",)},
            "strategy": {"exits": {"trailing_stop": 0.4}},
            "symbols": {"1INCH/USDT": {"tick": 0.01}},
        }
    )
    request = RunRequest(settings=settings, bars=bars, ml=mode, in_sample=bars is not None)
    asked = request.record("backtest", mode, None)
    settings_text = settings_file(settings.model_dump(mode="json"), asked)
    Path("settings.toml").write_text(settings_text)
    script, *words = shlex.split(commands(FOLDER, asked, settings_text)[-1].line)
    assert script == "run_backtest.py"
    args = run_backtest.make_parser().parse_args(words)
    again = load_settings(args.config, run_backtest._overrides(args))
    assert again.model_copy(update={"data": settings.data}) == settings
    assert run_request(args, again).record("backtest", mode, None) == asked


@pytest.mark.parametrize("own", ["my_strategy.py:MyStrategy", "stock_strategy.py:StockStrategy"])
def test_a_strategy_of_ones_own_is_named(own: str) -> None:
    path, name = own.split(":")
    file = ROOT / "examples" / path
    strategy = StrategyRecord(path=file, name=name, digest="ab" * 32)
    asked = RequestRecord(
        command="backtest", bars=DefaultRecord(), ml=MLMode.OFF, strategy=strategy
    )
    _, *words = shlex.split(commands(FOLDER, asked, "")[-1].line)
    assert run_backtest.make_parser().parse_args(words).strategy == f"{file}:{name}"


def test_a_walk_forward_is_asked_for_with_its_windows() -> None:
    asked = RunRequest(settings=Settings(), bars=AskedBars(FILES)).record(
        "walk-forward", MLMode.COMPARE, None, windows="train=30d,test=10d,mode=rolling"
    )
    _, *words = shlex.split(commands(FOLDER, asked, "")[-1].line)
    args = run_backtest.make_parser().parse_args(words)
    assert str(args.walk_forward) == "train=30d,test=10d,mode=rolling"
    assert args.config is None


@pytest.mark.parametrize(
    "bars",
    [LiveRecord(exchange="binance", symbols=("BTC/USDT",), timeframe="5m"), OtherRecord()],
    ids=lambda bars: bars.kind,
)
def test_what_nobody_can_ask_for_again_is_only_shown(bars: LiveRecord | OtherRecord) -> None:
    asked = RequestRecord(command="paper", bars=bars, ml=MLMode.AUTO)
    assert [each.line for each in commands(FOLDER, asked, "")] == [f"show_run.py {FOLDER}"]


def test_a_rehearsal_is_made_again_by_rerun() -> None:
    asked = RunRequest(settings=Settings(), bars=AskedBars(FILES)).record("paper", MLMode.OFF, None)
    assert commands(FOLDER, asked, "")[-1].line == f"show_run.py {FOLDER} --rerun"


def test_importance_of_the_embedded_default_is_asked_of_its_own_bars(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The commands make the market as files, to the last bit, and ask about these."""
    monkeypatch.chdir(tmp_path)
    asked = RunRequest(settings=Settings()).record("backtest", MLMode.COMPARE, None)
    *made, last = importance_commands(asked, "", Path("runs/default_ensemble"), seed=3)
    for line in made:
        script, *words = shlex.split(line)
        assert script == "generate_training_data.py"
        assert generate_training_data.main(words) == 0
    capsys.readouterr()
    script, *words = shlex.split(last)
    assert script == "evaluate_ml_ensemble.py"
    args = evaluate_ml_ensemble.make_parser().parse_args(words)
    assert args.feature_importance
    _, markets = default_markets(load_settings(overrides={"seed": 3}), tmp_path)
    settings = Settings()
    files = AskedBars(BarFiles(tuple(args.data))).read(settings.data, 0)
    assert [bars.digest() for bars in files] == [bars.digest() for bars in markets]


@pytest.mark.parametrize(
    ("bars", "words"),
    [
        (OtherRecord(), "--data FILE"),
        (LiveRecord(exchange="binance", symbols=("BTC/USDT",), timeframe="5m"), "--symbols"),
    ],
    ids=["a program's", "live"],
)
def test_importance_is_asked_of_bars_that_can_be_had(
    bars: LiveRecord | OtherRecord, words: str
) -> None:
    asked = RequestRecord(command="paper", bars=bars, ml=MLMode.AUTO)
    (line,) = importance_commands(asked, "seed = 4", Path("models/mine"), seed=4)
    assert words in line
    args = evaluate_ml_ensemble.make_parser().parse_args(shlex.split(line)[1:])
    assert str(args.config) == "settings.toml"


def test_secrets_are_not_told() -> None:
    paper = {"webhook": SecretStr("https://x/hush"), "dashboard_token": SecretStr("token-token")}
    config = load_settings(overrides={"paper": {**paper, "confirm": "always"}})
    told = config.model_dump(mode="json")
    asked = RequestRecord(command="backtest", bars=OtherRecord(), ml=MLMode.OFF)
    assert settings_file(told, asked) == ""
    text = str(settings_of(told))
    assert "hush" not in text
    assert "token-token" not in text


def test_the_embedded_default_says_its_own_by_itself() -> None:
    changed = {"strategy": {"ml_model_path": "/x"}, "training": {"preset": "small"}, "seed": 4}
    told = load_settings(overrides=changed).model_dump(mode="json")
    asked = RunRequest(settings=Settings()).record("backtest", MLMode.COMPARE, None)
    assert tomllib.loads(settings_file(told, asked)) == {"seed": 4}


def test_every_setting_comes_with_its_default_and_its_meaning() -> None:
    told = settings_of(load_settings(overrides={"broker": {"fee": 0.002}}).model_dump(mode="json"))
    assert [each.name for each in told if not each.is_default] == ["broker.fee"]
    (fee,) = (each for each in told if each.name == "broker.fee")
    assert (fee.value, fee.default) == (0.002, 0.001)
    assert fee.meaning == f"{MEANINGS['broker.fee'].text}; fraction"
    without = {each.name for each in told if not each.meaning}
    assert without <= {"members", "symbols"}  # of which there is none
