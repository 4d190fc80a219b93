"""Backtests from the command line, on a simulated market with a trained bundle."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from feeds.bars import Bars, FloatArray
from feeds.files import write_bars
from ml.features.base import Feature
from ml.features.price import log_return
from ml.models.catalog import MEMBER_NAMES
from run_backtest import main
from tests.ml.trained import quick_model
from tests.world import World

CLEAN = "2022-02-15"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def answer(capsys: pytest.CaptureFixture[str], *words: object) -> Any:
    """Run the command and return the one JSON object on stdout."""
    assert main([*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refusal(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """Run the command and return its one line of refusal."""
    assert main([*map(str, words)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err


def test_compare_runs_both_on_the_same_bars_and_adds_up(
    world: World, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(
        capsys, "--data", *world.files, "--start-date", CLEAN, "--ml", "compare",
        "--model", world.bundle, "--out", out,
    )  # fmt: skip
    off, on = found["runs"]
    count = {name: group["trades"] for name, group in found["comparison"]["groups"].items()}
    assert (off["ml"], on["ml"]) == ("off", "on")
    assert off["ml_asked"] == 0 < on["ml_asked"]
    assert on["ml_unavailable"] == 0
    assert count["kept"] + count["added"] + count["moved_in"] == on["trades"]
    assert count["kept"] + count["removed"] + count["moved_out"] == off["trades"]
    assert count["added"] > 0 < count["removed"]
    difference = on["metrics"]["total_return"] - off["metrics"]["total_return"]
    assert found["comparison"]["difference"]["total_return"] == pytest.approx(difference)
    assert not on["in_sample"]
    assert found["data"]["synthetic"]


def test_the_run_folder_tells_the_same_as_the_command(
    world: World, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(
        capsys, "--data", world.files[0], "--start-date", CLEAN, "--ml", "on", "--model",
        world.bundle, "--out", out,
    )  # fmt: skip
    folder = Path(found["run_dir"])
    assert json.loads((folder / "metrics.json").read_text()) == found
    trades = pd.read_csv(folder / "on" / "trades.csv")
    decisions = pd.read_parquet(folder / "on" / "decisions.parquet")
    assert len(trades) == found["runs"][0]["trades"]
    assert (decisions["outcome"] == "entered").sum() == len(trades)
    assert (decisions["ml"] == "answered").sum() == found["runs"][0]["ml_asked"]
    entered = decisions[decisions["outcome"] == "entered"]
    assert entered["pnl"].sum() == pytest.approx(trades["pnl"].sum())
    assert (entered["score"] >= 6).all()
    assert (decisions["rsi"] < 30).all()


def test_the_log_of_the_command_is_kept_with_the_run(
    world: World, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(
        capsys, "--data", world.files[0], "--start-date", CLEAN, "--ml", "auto", "--model",
        out / "none", "--out", out,
    )  # fmt: skip
    log = (Path(found["run_dir"]) / "run.log").read_text()
    (run,) = found["runs"]
    assert log.count("ENTRY BTC/USDT") >= run["trades"] > 0
    assert "WARNING tandem.ml: TRADING WITHOUT ML" in log


def test_a_comparison_on_seen_bars_is_refused_and_names_the_first_clean_date(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--data", world.files[0], "--model", world.bundle, "--ml")
    assert f"--start-date {CLEAN}" in refusal(capsys, *words, "compare")
    assert "in-sample" in refusal(capsys, *words, "compare", "--in-sample")
    assert "--in-sample" in refusal(capsys, *words, "auto")


def test_seen_bars_are_stamped_when_they_are_allowed(
    world: World, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--data", world.files[0], "--model", world.bundle, "--in-sample", "--out", out)
    assert answer(capsys, *words)["runs"][0]["in_sample"]
    assert main([*map(str, words)]) == 0
    assert "IN-SAMPLE" in capsys.readouterr().out


def test_without_a_bundle_auto_trades_on_loudly_and_counts(
    world: World, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--data", str(world.files[0]), "--model", str(tmp_path / "none"), "--out", str(out)]
    assert main([*words, "--json"]) == 0
    said = capsys.readouterr()
    run = json.loads(said.out)["runs"][0]
    assert run["ml"] == "off"
    assert run["ml_asked"] == run["ml_unavailable"] > 0
    assert "TRADING WITHOUT ML" in said.err


@pytest.mark.parametrize("mode", ["on", "compare"])
def test_without_a_bundle_on_and_compare_stop(
    mode: str, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--data", world.files[0], "--model", tmp_path / "none", "--ml", mode)
    assert "none" in refusal(capsys, *words)


def test_a_damaged_bundle_stops_a_comparison(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(world.bundle, copy)
    (victim,) = copy.rglob("xgboost*")
    victim.write_bytes(victim.read_bytes()[:-1])
    words = ("--data", world.files[0], "--start-date", CLEAN, "--model", copy, "--ml", "compare")
    assert victim.name in refusal(capsys, *words)


@pytest.mark.parametrize(
    ("section", "named"),
    [("[strategy.exits]\ntake_profit = 0.7\n", "take_profit"), ("[strategy]\nrsi_oversold = 25\n",
     "rsi_below")],
)  # fmt: skip
def test_a_bundle_for_other_exits_or_another_filter_is_refused_by_name(
    section: str, named: str, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "tandem.toml"
    config.write_text(section)
    words = ("--data", world.files[0], "--model", world.bundle, "--ml", "on", "--config", config)
    assert named in refusal(capsys, *words)


def test_dates_outside_the_bars_are_refused_with_the_span(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--data", world.files[0], "--ml", "off", "--start-date", "2030-01-01")
    assert "2022-01-01" in refusal(capsys, *words)


def test_the_warm_up_is_taken_before_the_start(
    world: World, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(
        capsys, "--data", world.files[0], "--ml", "off", "--start-date", "2022-01-10",
        "--end-date", "2022-01-12", "--out", out,
    )  # fmt: skip
    facts = found["data"]["symbols"]["BTC/USDT"]
    assert facts["bars"] == 2 * 288
    assert facts["warmup_bars"] == 400
    assert facts["start"].startswith("2022-01-10T00:00")
    assert facts["end"].startswith("2022-01-12T00:00")


def test_a_fee_above_two_percent_is_refused(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "0.02" in refusal(capsys, "--data", world.files[0], "--fee", "0.1")


def test_the_same_symbol_twice_is_refused(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert "BTC/USDT" in refusal(capsys, "--data", world.files[0], world.files[0], "--ml", "off")


def test_the_same_run_twice_gives_the_same_figures(
    world: World, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--data", *world.files, "--ml", "off", "--start-date", CLEAN, "--out", out)
    first, second = answer(capsys, *words), answer(capsys, *words)
    assert first["runs"] == second["runs"]
    assert first["run_dir"] != second["run_dir"]


def test_the_settings_are_shown_and_nothing_is_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--show-config", "--fee", "0.0005"]) == 0
    assert "fee = 0.0005" in capsys.readouterr().out


def next_return(bars: Bars) -> FloatArray:
    return np.append(log_return(bars, period=1)[1:], np.nan)


@pytest.fixture
def audit_words(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ask for an audit of some weeks, with an ensemble that learns in a blink."""
    one = {"logistic": (1.0, quick_model("logistic"))}
    monkeypatch.setattr("engine.jobs.audit.default_models", lambda *_, **__: one)
    return ["--audit", "--data", str(world.files[0]), "--start-date", "2022-02-01"]


def test_an_audit_of_the_product_finds_no_leak(
    audit_words: list[str], out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(capsys, *audit_words, "--out", out)["audit"]
    assert found["clean"]
    assert found["leaks"] == []
    assert found["serving"]["moments"] > 20
    assert found["serving"]["orders"]["fills"] > 0
    assert not out.exists()


def test_an_audit_that_finds_a_leak_prints_its_name_and_exits_with_1(
    audit_words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cheat = Feature("cheat", "price", 1, next_return)
    monkeypatch.setattr("engine.jobs.audit.FEATURES", (cheat,))
    assert main([*audit_words, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["audit"]
    assert not found["clean"]
    assert {leak["what"] for leak in found["leaks"]} == {"cheat"}
    assert {leak["kind"] for leak in found["leaks"]} == {"altered", "cut"}


@pytest.mark.slow
def test_an_audit_of_the_embedded_default_finds_no_leak(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "--audit")["audit"]
    assert found["clean"]
    assert found["synthetic"]
    assert found["training"]["members"] == list(MEMBER_NAMES)


@pytest.mark.slow
def test_without_arguments_it_trains_and_compares_on_a_simulated_market(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(capsys, "--out", out)
    assert [run["ml"] for run in found["runs"]] == ["off", "on"]
    assert found["data"]["synthetic"]
    assert list(found["data"]["symbols"]) == ["BTC/USDT", "ETH/USDT"]
    assert found["runs"][1]["ml_asked"] > found["runs"][1]["ml_unavailable"] == 0
    assert not found["runs"][1]["in_sample"]


def test_the_default_market_can_be_run_without_ml_and_without_training(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run,) = answer(capsys, "--ml", "off", "--out", out)["runs"]
    assert run["ml"] == "off"
    assert run["trades"] > 100
    assert not (out / "default_ensemble").exists()


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--symbol", "BTC/USDT"], "--symbols"),
        (["--model", "models/mine"], "--data FILE or --symbols"),
        (["--in-sample"], "--data FILE or --symbols"),
        (["--data", "x.csv", "--symbols", "BTC/USDT"], "files were named"),
        (["--data", "x.csv", "--days", "5"], "files were named"),
        (["--days", "5", "--start-date", "2024-01-01"], "give one of them"),
        (["--audit", "--ml", "on"], "--ml and --in-sample do not go with it"),
        (["--audit", "--walk-forward", "train=30d,test=10d"], "run them apart"),
    ],
)
def test_flags_that_do_not_go_together_are_wrong_usage(
    words: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    said = capsys.readouterr().err
    assert hint in said
    assert said.count("\n") == 1


def test_too_few_bars_for_a_single_decision_are_refused(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = tmp_path / "BTC-USDT_5m.csv"
    write_bars(world.bars[0][:300], few)
    assert "a decision needs 400 bars" in refusal(capsys, "--data", few, "--ml", "off")


def test_two_quote_currencies_do_not_share_a_wallet(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.parquet"
    write_bars(replace(world.bars[1], symbol="ETH/EUR"), other)
    line = refusal(capsys, "--data", world.files[0], other, "--ml", "off")
    assert "EUR, USDT" in line


def test_entries_too_small_for_the_exchange_are_counted(
    world: World, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "tandem.toml"
    config.write_text('[symbols."BTC-USDT"]\nmin_notional = 1e9\n')
    words = ("--data", world.files[0], "--ml", "off", "--config", config, "--out", out)
    (run,) = answer(capsys, *words)["runs"]
    assert run["trades"] == 0 < run["rejections"]["min_notional"]


def test_results_that_cannot_be_kept_are_refused_before_the_work(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = tmp_path / "runs"
    taken.write_text("not a folder")
    line = refusal(capsys, "--data", tmp_path / "never-read.csv", "--ml", "off", "--out", taken)
    assert "--out must be a folder" in line
