"""Training and evaluating from the command line, on a simulated market."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluate_ml_ensemble import main as evaluate
from feeds.bars import Bars
from feeds.files import write_bars
from feeds.synthetic import synthetic_bars
from feeds.timeframe import Timeframe
from ml.bundle import load_bundle
from ml.features.catalog import FEATURE_NAMES
from ml.models.catalog import MEMBER_NAMES
from train_ml_ensemble import main as train

MEMBERS = set(MEMBER_NAMES)
UNTIL = "2022-02-10"


@pytest.fixture(scope="module")
def market() -> Bars:
    return synthetic_bars("BTC/USDT", Timeframe.parse("5m"), days=60, seed=1)


@pytest.fixture(scope="module")
def files(market: Bars, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two files, the first repeatable flag's worth: BTC until March, ETH until the middle."""
    folder = tmp_path_factory.mktemp("bars")
    other = synthetic_bars("ETH/USDT", Timeframe.parse("5m"), days=30, seed=1)
    paths = folder / "BTC-USDT_5m.parquet", folder / "ETH-USDT_5m.csv"
    for bars, path in zip((market, other), paths, strict=True):
        write_bars(bars, path)
    return paths


@pytest.fixture(scope="module")
def bundle(files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle trained from the command line until UNTIL."""
    path = tmp_path_factory.mktemp("models") / "ensemble"
    asked = ["--preset", "small", "--seed", "3", "--end-date", UNTIL, "--output", str(path)]
    data = [word for file in files for word in ("--data", str(file))]
    assert train([*data, *asked, "--profit-threshold", "0.3", "--lookahead", "8"]) == 0
    return path


def answer(capsys: pytest.CaptureFixture[str]) -> Any:
    """Return the one JSON object on stdout."""
    return json.loads(capsys.readouterr().out)


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the last line on stderr; nothing else is said."""
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    return said.err.strip().splitlines()[-1]


def test_the_manifest_says_what_was_learned_from_what(bundle: Path, market: Bars) -> None:
    manifest = load_bundle(bundle).manifest
    assert manifest.label == {"kind": "horizon", "lookahead": 8, "profit_threshold": 0.003}
    assert manifest.population == "candidates"
    assert manifest.symbols == ("BTC/USDT", "ETH/USDT")
    assert (manifest.timeframe, manifest.seed, manifest.synthetic) == ("5m", 3, True)
    assert manifest.feature_names == FEATURE_NAMES
    assert manifest.mandatory == {"rsi_period": 14.0, "rsi_below": 30.0}
    assert manifest.exits["take_profit"] == 0.5
    assert manifest.costs == {
        "fee": 0.001,
        "maker_fee": None,
        "half_spread": 0.0001,
        "slippage": 0.0001,
        "range_slippage": 0.02,
    }


def test_a_bundle_has_seen_the_last_bar_that_closed_by_the_date_and_no_later_one(
    bundle: Path, market: Bars
) -> None:
    manifest = load_bundle(bundle).manifest
    assert f"{manifest.seen_until:%Y-%m-%d %H:%M}" == f"{UNTIL} 00:00"
    known = market.known_at(np.datetime64(UNTIL, "ms"))
    assert manifest.data_digests["BTC/USDT"] == known.digest() != market.digest()


def test_the_figures_of_the_training_are_stored_and_stamped(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(["--model", str(bundle), "--json"]) == 0
    found = answer(capsys)
    assert found["synthetic"] is True
    assert found["fresh"] is False
    scores = found["scores"]
    assert scores == load_bundle(bundle).manifest.metrics["test"]
    assert scores["members"].keys() == MEMBERS
    assert 0 < scores["volatility_roc_auc"] < 1
    assert 0 < sum(band["rows"] for band in scores["bands"]) < scores["rows"]
    assert evaluate(["--model", str(bundle)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("*** SYNTHETIC")
    assert all(word in text for word in (*MEMBERS, "ENSEMBLE", "volatility alone", ">= 0.70"))


def test_parts_hold_that_no_label_is_known_after_the_next_part_starts(bundle: Path) -> None:
    parts: Any = load_bundle(bundle).manifest.metrics["training"]
    moments = [part[key] for part in parts["parts"].values() for key in ("first", "last")]
    assert moments == sorted(moments)
    assert moments[-1] < UNTIL


def test_training_answers_with_one_json_object(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--preset", "small", "--label", "barrier", "--json", "-v"]
    asked += ["--output", str(tmp_path / "b")]
    assert train(["--data", *map(str, files), *asked]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert found["bundle"] == str(tmp_path / "b")
    assert found["label"] == {"kind": "barrier"}
    assert found["metrics"]["training"]["members"].keys() == MEMBERS
    assert "logistic learned from" in said.err
    (log,) = (tmp_path / "b").rglob("training.log")
    assert "INFO tandem.ml: logistic learned from" in log.read_text()


def test_rows_that_the_bundle_has_seen_are_left_out_of_a_fresh_evaluation(
    bundle: Path, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(["--model", str(bundle), "--data", str(files[0]), "--json"]) == 0
    found = answer(capsys)
    assert found["fresh"] is True
    assert found["left_out_in_sample"] > found["scores"]["rows"] > 0
    assert evaluate(["--model", str(bundle), "--data", str(files[0])]) == 0
    assert "rows decided before 2022-02-10 00:00Z are in-sample" in capsys.readouterr().out


def test_bars_that_the_bundle_has_seen_are_refused_with_the_first_clean_moment(
    bundle: Path, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(["--model", str(bundle), "--data", str(files[1])]) == 1
    line = one_line(capsys)
    assert line.startswith("evaluate_ml_ensemble: ")
    assert "2022-02-10 00:00Z, the first clean moment" in line


def test_a_backtest_trades_clean_bars_with_and_without_the_ensemble(
    bundle: Path, files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--data", str(files[0]), "--backtest", "--json", "--out", str(tmp_path)]
    assert evaluate(["--model", str(bundle), *asked]) == 0
    runs = answer(capsys)["backtest"]["runs"]
    assert [run["ml"] for run in runs] == ["off", "on"]
    assert not any(run["in_sample"] for run in runs)


def test_a_backtest_needs_bars(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(["--model", str(bundle), "--backtest"]) == 2
    assert "add --data FILE" in one_line(capsys)


def test_a_pickle_path_is_refused_before_any_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert train(["--data", "missing.csv", "--output", "models/old.pkl"]) == 1
    line = one_line(capsys)
    assert line.startswith("train_ml_ensemble: models/old.pkl: ")
    assert "a bundle is a folder" in line


def test_too_few_bars_are_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "BTC-USDT_5m.csv"
    write_bars(synthetic_bars("BTC/USDT", Timeframe.parse("5m"), days=1, seed=0), file)
    assert train(["--data", str(file), "--output", str(tmp_path / "b")]) == 1
    assert "needs 400 bars of its segment before it" in one_line(capsys)
    assert train(["--data", str(file), "--end-date", "2021-01-01"]) == 1
    assert "must hold bars" in one_line(capsys)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (["--lookahead", "0"], "training.lookahead"),
        (["--profit-threshold", "-1"], "training.profit_threshold"),
        (["--config", "none.toml"], "none.toml"),
    ],
)
def test_what_is_not_possible_is_a_named_error(
    wrong: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(["--data", "missing.csv", *wrong]) == 1
    assert hint in one_line(capsys)


@pytest.mark.parametrize(
    "wrong", [["--data"], ["--data", "a.csv", "--label", "x"], ["--no-such-flag"]]
)
def test_wrong_usage_exits_with_2(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        train(wrong)
    assert stopped.value.code == 2


def test_a_training_without_bars_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert train([]) == 2
    assert "--data FILE, or --symbols" in one_line(capsys)


@pytest.mark.parametrize("command", [train, evaluate])
def test_help_shows_examples(command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        command(["--help"])
    assert stopped.value.code == 0
    assert "examples:" in capsys.readouterr().out


def test_a_folder_of_other_things_is_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "letter.txt").write_text("x")
    assert train(["--data", "missing.csv", "--output", str(tmp_path)]) == 1
    assert "holds other things than a bundle" in one_line(capsys)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--label", "barrier"], "--label is the bundle's own"),
        (["--preset", "small"], "--preset is the bundle's own"),
        (["--data", "x.csv", "--start-date", "2022-01-01"], "begins where the bundle ends"),
        (["--start-date", "2022-01-01"], "begins where the bundle ends"),
        (["--days", "5"], "begins where the bundle ends"),
        (["--timeframe", "5m"], "begins where the bundle ends"),
    ],
)
def test_an_update_refuses_flags_that_it_would_not_obey(
    words: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(["--update", *words]) == 2
    assert named in one_line(capsys)


def test_a_backtest_of_an_evaluation_is_made_on_the_dates_that_were_asked_for(
    bundle: Path, files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--model", str(bundle), "--data", str(files[0]), "--start-date", "2022-02-20"]
    assert evaluate([*asked, "--backtest", "--out", str(tmp_path), "--json"]) == 0
    (facts,) = answer(capsys)["backtest"]["data"]["symbols"].values()
    assert facts["start"].startswith("2022-02-20T00:00")
    assert facts["warmup_bars"] == 400
