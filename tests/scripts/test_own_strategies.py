"""Strategies of one's own from the command line: trained, compared, shown, repeated, rehearsed."""

import json
import re
import shlex
import shutil
from html import unescape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import evaluate_ml_ensemble
import generate_training_data
import run_backtest
import run_paper
import show_run
import train_ml_ensemble
from engine.paper.reading import StateReader
from ml.bundle import load_bundle
from strategies.own_file import digest_of
from strategies.rule_books import own_class
from tests.scripts.own_room import RUN, UNTIL, Own
from tests.scripts.showing import answer, made, marking, plant, read, refusal, text
from tests.strategies.own import EXAMPLES, MINE
from tests.world import World

HOURS = ("--start-date", "2022-02-17T06:00", "--end-date", "2022-02-17T12:00")
FEW_GATES = "[statistics]\ngate_seeds = 3\n"


def refused(capsys: pytest.CaptureFixture[str], main: Any, *words: object, code: int = 1) -> str:
    """Ask for what is refused and return the one line."""
    capsys.readouterr()
    assert main([*map(str, words)]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1, said.err
    return said.err


@pytest.fixture(scope="module")
def own(world: World, tmp_path_factory: pytest.TempPathFactory) -> Own:
    room = Own(tmp_path_factory.mktemp("own"), world.files[0])
    shutil.copy(EXAMPLES / "my_strategy.py", room.file)
    room.config.write_text(FEW_GATES)
    words = ["--data", room.bars, "--end-date", UNTIL, "--output", room.bundle]
    words += ["--strategy", room.strategy, "--preset", "small", "--quiet"]
    assert train_ml_ensemble.main([*map(str, words)]) == 0
    return room


@pytest.fixture(scope="module")
def compared(own: Own) -> Path:
    """The folder of a comparison."""
    words = own.words("--model", own.bundle, "--ml", "compare", "--out", own.path / "kept")
    return made(run_backtest, *words)


@pytest.fixture
def changed(own: Own) -> Any:
    """The file with another line at its end, as long as the test lasts."""
    before = own.file.read_text()
    own.file.write_text(before + "# another state\n")
    own_class.cache_clear()  # as in another process
    yield own.file
    own.file.write_text(before)


# ------------------------------------------------------------------------------- hybrid


def test_the_example_is_short() -> None:
    assert len((EXAMPLES / "my_strategy.py").read_text().splitlines()) < 60


def test_a_bundle_records_whose_candidates_it_learned_from(own: Own) -> None:
    manifest = load_bundle(own.bundle).manifest
    assert manifest.strategy == {"name": "MyStrategy", "digest": digest_of(own.file)}
    assert manifest.exits["unit"] == "atr"


def test_a_comparison_is_kept_with_the_strategy(own: Own, compared: Path) -> None:
    config, manifest = read(compared / "config.json"), read(compared / "manifest.json")
    strategy = {"path": str(own.file), "name": "MyStrategy", "digest": digest_of(own.file)}
    assert manifest["request"]["strategy"] == strategy
    for run in config.values():
        assert run["strategy"]["file"] == own.strategy
        assert run["strategy"]["digest"] == strategy["digest"]
        assert run["strategy"]["points"]["dip"] == 2.0
    found = read(compared / "metrics.json")
    assert {run["ml"] for run in found["runs"]} == {"off", "on"}
    assert found["comparison"]["verdict"]
    assert found["runs"][1]["ml_asked"] > 50
    journal = pd.read_parquet(compared / "on" / "decisions.parquet")
    assert (journal["points_dip"] == 2.0).all()
    assert (journal["found_dip"] < 30.0).all()
    assert {"answered", "not_asked"} >= set(journal["ml"])


def test_a_decision_is_told_with_its_own_rules(
    compared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = pd.read_parquet(compared / "on" / "decisions.parquet")
    row = journal[journal["ml"] == "answered"].iloc[0]
    moment = row["decided_at"].strftime("%Y-%m-%dT%H:%M")
    (seen,) = [
        run for label, run in answer(capsys, compared, "--why", "BTC/USDT", moment)["runs"].items()
        if label == "on"
    ]  # fmt: skip
    assert [rule["rule"] for rule in seen["rules"]] == ["dip", "uptrend", "busy", "hammer"]
    assert seen["rules"][0]["asked"] == "mandatory"
    assert seen["rules"][0]["value"] == f"{row['found_dip']:.6g}"
    assert seen["ml"]["points"] == row["ml_points"]


def test_why_there_was_no_candidate_names_the_rule(
    compared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = pd.read_parquet(compared / "off" / "decisions.parquet")
    taken = set(journal["decided_at"].dt.tz_localize(None))
    every = pd.date_range("2022-02-12", periods=50, freq="5min")
    moment = next(at for at in every if at not in taken)
    said = text(capsys, compared, "--why", "BTC/USDT", moment.strftime("%Y-%m-%dT%H:%M"))
    assert "the mandatory filter does not hold: dip does not speak for an entry" in said


def test_a_run_is_made_again_and_a_changed_file_is_named(
    own: Own, compared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(capsys, compared, "--rerun")["identical"]
    assert "strategy MyStrategy of" in text(capsys, compared)


def test_the_command_for_importance_on_the_page_is_answered(
    own: Own,
    compared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for each in (own.bars, own.bundle, own.file):  # a page tells paths from the working folder
        (tmp_path / each.name).symlink_to(each)
    monkeypatch.chdir(tmp_path)
    page = (compared / "report.html").read_text()
    (line,) = re.findall(r"<code>(evaluate_ml_ensemble\.py .*?)</code>", page)
    words = shlex.split(unescape(line))[1:]
    (settings,) = re.findall(r'<pre id="settings-file".*?><code>(.*?)</code>', page, re.DOTALL)
    (tmp_path / "settings.toml").write_text(unescape(settings))
    assert {"--strategy", "--config"} < set(words)
    capsys.readouterr()
    assert evaluate_ml_ensemble.main([*words, "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["feature_importance"]


def test_a_run_of_a_changed_file_is_not_made_again(
    compared: Path, changed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refusal(capsys, compared, "--rerun")
    assert f"{changed}: must have the digest" in line
    assert "the strategy was changed since" in line
    assert "verdict" in text(capsys, compared)  # a look at what was kept needs no file


@pytest.mark.parametrize("keeps_name", [True, False])
def test_planted_settings_do_not_run_another_file(
    own: Own, compared: Path, keeps_name: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(compared, tmp_path / compared.name))
    path, mark = marking(tmp_path, own.file.read_text())
    honest = read(folder / "config.json")["on"]["strategy"]["digest"]
    digest = honest if keeps_name else digest_of(path)
    named = {"file": f"{path}:MyStrategy", "digest": digest}
    plant(folder, lambda run: run["strategy"].update(named))
    for words in (["--rerun"], ["--why", "BTC/USDT", "2022-02-12T00:05"], []):
        line = refusal(capsys, folder, *words)
        assert "must name the strategy of manifest.json, by file and digest" in line
        assert str(path) in line
    assert not mark.exists()


def test_the_same_file_in_another_state_is_not_run_by_planted_settings(
    compared: Path, changed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(compared, tmp_path / compared.name))
    mark = tmp_path / "was run"
    changed.write_text(f"open({str(mark)!r}, 'w').close()\n{changed.read_text()}")
    why = ["--why", "BTC/USDT", "2022-02-12T00:05"]
    assert "the strategy was changed since, and is not run" in text(capsys, folder, *why)
    plant(folder, lambda run: run["strategy"].update(digest=digest_of(changed)))
    for words in (["--rerun"], why):
        assert "must name the strategy of manifest.json" in refusal(capsys, folder, *words)
    assert not mark.exists()


def test_a_bundle_of_another_state_of_the_file_is_refused(
    own: Own, changed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = own.words("--model", own.bundle, "--ml", "compare", "--out", own.path / "none")
    line = refused(capsys, run_backtest.main, *words)
    assert "learned from candidate bars of 'MyStrategy' when its file had the digest" in line
    assert digest_of(changed)[:16] in line


@pytest.mark.parametrize("mode", ["on", "compare"])
def test_a_bundle_of_other_candidates_is_refused(
    own: Own, world: World, mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ("--ml", mode, "--out", own.path / "none", "--config", own.config)
    line = refused(capsys, run_backtest.main, "--data", own.bars, *RUN, "--model", own.bundle, *out)
    assert "'MyStrategy', this command is about 'CryptoScalpingStrategy': name its own" in line
    line = refused(capsys, run_backtest.main, *own.words("--model", world.bundle, *out))
    assert "'CryptoScalpingStrategy', this command is about 'MyStrategy'" in line
    trains = (
        f"train_ml_ensemble.py --data FILE --strategy {own.strategy} --output models/MyStrategy"
    )
    assert f"what makes one for this: {trains.replace(f'{Path.cwd()}/', '')}" in line
    assert not (own.path / "none").exists() or not list((own.path / "none").iterdir())


def test_auto_goes_on_without_such_a_bundle_loudly(
    own: Own, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    out = own.path / "auto"
    assert run_backtest.main(own.words("--model", world.bundle, "--out", out)) == 0
    assert (
        "TRADING WITHOUT ML: the bundle learned from candidate bars of" in capsys.readouterr().err
    )
    (folder,) = out.iterdir()
    assert list(read(folder / "manifest.json")["runs"]) == ["off"]


def test_the_bundle_is_judged_with_its_strategy_alone(
    own: Own, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--model", own.bundle, "--data", own.bars, "--start-date", UNTIL]
    line = refused(capsys, evaluate_ml_ensemble.main, *words)
    assert "about 'CryptoScalpingStrategy': name its own by --strategy" in line
    told = [*map(str, words), "--strategy", own.strategy, "--json"]
    assert evaluate_ml_ensemble.main(told) == 0
    assert json.loads(capsys.readouterr().out)["fresh"]


def test_the_bundle_is_extended_with_its_strategy_alone(
    own: Own, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = shutil.copytree(own.bundle, tmp_path / "mine", symlinks=True)
    words = ["--update", "--data", own.bars, "--end-date", "2022-02-20", "--output", bundle]
    words += ["--promote", "unless-worse"]
    line = refused(capsys, train_ml_ensemble.main, *words)
    assert "about 'CryptoScalpingStrategy': name its own by --strategy" in line
    told = [*map(str, words), "--strategy", own.strategy, "--quiet"]
    assert train_ml_ensemble.main(told) == 0
    assert load_bundle(bundle).manifest.strategy == load_bundle(own.bundle).manifest.strategy
    assert load_bundle(bundle).manifest.seen_until > load_bundle(own.bundle).manifest.seen_until


def test_candidates_are_counted_where_data_are_made(
    own: Own, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--synthetic", "--days", "20", "--output", str(tmp_path / "bars.parquet"), "--json"]
    assert generate_training_data.main([*words, "--strategy", own.strategy]) == 0
    found = json.loads(capsys.readouterr().out)["candidates"]
    assert found["strategy"] == "MyStrategy"
    assert found["bars"] >= found["asked"] > 100


def test_an_audit_names_a_rule_that_looks_ahead(
    own: Own, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    peeks = own.file.read_text().replace("mean(bars.close, 200)", "bars.close.mean()")
    assert peeks != own.file.read_text()
    (tmp_path / "peeks.py").write_text(peeks)
    words = ["--data", own.bars, "--end-date", "2022-01-20", "--json", "--quiet"]
    words += ["--audit", "--strategy", f"{tmp_path / 'peeks.py'}:MyStrategy"]
    assert run_backtest.main([*map(str, words)]) == 1
    leaks = json.loads(capsys.readouterr().out)["audit"]["leaks"]
    assert "rule uptrend" in {leak["what"] for leak in leaks}


def test_a_rehearsal_is_the_backtest_of_its_recording_and_proves_itself(
    own: Own, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(own.bars), *HOURS, "--strategy", own.strategy, "--model", str(own.bundle)]
    eager = "[strategy]\nmin_entry_score = 1.0\n"
    config = tmp_path / "rules.toml"
    config.write_text(eager)
    words += ["--config", str(config)]
    state = tmp_path / "own.sqlite"
    live = [*words, "--state", str(state), "--out", str(tmp_path / "live"), "--ml", "on"]
    assert run_paper.main(["--rehearse", *live, "--speed", "1500", "--json", "--quiet"]) == 0
    session = json.loads(capsys.readouterr().out)
    with StateReader.open(state) as reader:
        assert reader.facts().settings["strategy"]["digest"] == digest_of(own.file)
        rules = reader.facts().rules["BTC/USDT"]
    told = "\n".join(f"{key} = {value:.12f}" for key, value in rules.items())
    config.write_text(f'{eager}[symbols."BTC/USDT"]\n{told}\n')
    again = ["--data", *words, "--ml", "on", "--out", str(tmp_path / "b")]
    assert run_backtest.main([*again, "--json", "--quiet"]) == 0
    backtest = json.loads(capsys.readouterr().out)
    assert session["runs"][0]["trades"] > 1
    assert session["runs"][0]["ml_asked"] == backtest["runs"][0]["ml_asked"] > 0
    for name in ("trades", "rejections", "ml_unavailable"):
        assert session["runs"][0][name] == backtest["runs"][0][name]
    figures = [each["runs"][0]["metrics"]["total_return"] for each in (session, backtest)]
    assert figures[0] == pytest.approx(figures[1], rel=1e-9)
    assert run_paper.main(["--parity", str(state), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["opinions"]["asked_again"] > 0


def test_a_session_does_not_go_on_with_a_changed_file(
    own: Own, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "my_strategy.py"
    shutil.copy(own.file, file)
    words = ["--rehearse", own.bars, *HOURS, "--strategy", f"{file}:MyStrategy", "--ml", "off"]
    words += ["--state", tmp_path / "own.sqlite", "--out", tmp_path / "runs", "--speed", "1500"]
    assert run_paper.main([*map(str, words), "--quiet"]) == 0
    file.write_text(file.read_text() + "# another state\n")
    own_class.cache_clear()  # as in another process
    line = refused(capsys, run_paper.main, *words)
    assert "must go on with the strategy.digest it was begun with" in line
    line = refused(capsys, run_paper.main, "--parity", tmp_path / "own.sqlite")
    assert "the strategy was changed since" in line


@pytest.mark.parametrize(
    "main",
    [run_backtest.main, run_paper.main, train_ml_ensemble.main, evaluate_ml_ensemble.main,
     generate_training_data.main],
)  # fmt: skip
def test_every_command_refuses_what_is_no_strategy(
    main: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "none.py"
    assert "must be readable" in refused(capsys, main, "--strategy", f"{file}:Own")
    file.write_text("import numpy as np\n1 / 0\n")
    assert "line 2: ZeroDivisionError" in refused(capsys, main, "--strategy", f"{file}:Own")
    file.write_text("class Other:\n    pass\n")
    assert "must hold a class Own, found Other" in refused(
        capsys, main, "--strategy", f"{file}:Own"
    )
    assert "PATH.py:ClassName" in refused(capsys, main, "--strategy", "own.py")


def test_a_walk_forward_trains_on_its_own_candidates(
    own: Own, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "small.toml"
    config.write_text(FEW_GATES + '[training]\npreset = "small"\n')
    words = ["--data", own.bars, "--end-date", "2022-02-12", "--walk-forward", "train=36d,test=4d"]
    words += ["--strategy", own.strategy, "--config", config, "--out", tmp_path / "runs"]
    assert run_backtest.main([*map(str, words), "--json", "--quiet"]) == 0
    capsys.readouterr()
    bundles = sorted((tmp_path / "runs" / "walk_forward").glob("*/window-*/bundle"))
    assert bundles
    for bundle in bundles:
        assert load_bundle(bundle).manifest.strategy["digest"] == digest_of(own.file)


def test_settings_are_shown_with_the_defaults_of_the_class(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run_backtest.main(["--strategy", MINE, "--show-config"]) == 0
    shown = capsys.readouterr().out
    assert "dip = 2.0" in shown
    file = tmp_path / "shown.toml"
    file.write_text(shown)
    assert run_backtest.main(["--config", str(file), "--show-config"]) == 0
    assert capsys.readouterr().out == shown


def test_showing_a_list_of_runs_does_not_need_the_file(own: Own, compared: Path) -> None:
    assert show_run.main([str(compared), "--quiet"]) == 0
