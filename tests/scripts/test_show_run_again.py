"""Kept runs made again, and beside one another; what their hash says."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import run_backtest
import run_paper
from engine.jobs.members import named_again
from feeds.files import write_bars
from feeds.standin.server import StandIn
from ml.bundle import load_bundle, save_bundle
from ml.models.member_config import MemberConfig
from tests.makers import make_bars
from tests.scripts.showing import answer, made, marking, plant, read, refusal, rewrite, text
from tests.world import World
from tests.wrong_input.rooms import BARS, CLEAN, LAST_BARS, Room

DATES = ["--start-date", CLEAN]


def test_a_comparison_made_again_is_the_same(
    kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in kept.parent.rglob("*")}
    found = answer(capsys, kept, "--rerun")
    assert found["identical"]
    assert set(found["result_hash"]) == {"off", "on"}
    assert found["tables"] == []
    assert {path: path.stat().st_mtime_ns for path in kept.parent.rglob("*")} == before


def test_the_version_of_the_run_is_asked_though_another_is_in_force(
    moved: tuple[Room, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    room, kept = moved
    old = load_bundle(room.bundle)
    newer = old.manifest.model_copy(update={"seed": 9})
    flipped = replace(old.ensemble, base_rate=1.0 - old.ensemble.base_rate)
    bars = old.kept.read(fill_limit=old.manifest.fill_limit)
    save_bundle(flipped, newer, room.bundle, bars=bars)
    assert load_bundle(room.bundle).digest != old.digest
    assert answer(capsys, kept, "--rerun")["identical"]


def test_a_run_without_a_bundle_is_made_again(
    furnished: tuple[Room, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    room, _ = furnished
    alone = made(
        run_backtest, "--data", room.bars, *DATES, "--end-date", "2024-01-05", "--model",
        tmp_path / "none", "--out", tmp_path / "alone",
    )  # fmt: skip
    assert answer(capsys, alone, "--rerun")["identical"]


def test_a_session_on_paper_is_not_made_again_but_proved(
    furnished: tuple[Room, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    room, _ = furnished
    paper = made(
        run_paper, "--rehearse", room.bars, "--start-date", LAST_BARS, "--speed", "1500", "--ml",
        "off", "--out", tmp_path / "paper",
    )  # fmt: skip
    assert read(paper / "manifest.json")["request"]["command"] == "paper"
    assert "run_paper.py --parity" in refusal(capsys, paper, "--rerun")


def test_bars_of_an_exchange_are_taken_from_the_store_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with StandIn([make_bars(BARS)]) as exchange:
        kept = made(
            run_backtest, "--symbols", "BTC/USDT", "--start-date", "2024-01-03", "--end-date",
            "2024-01-05", "--base-url", exchange.url, "--store", tmp_path / "store", "--ml", "off",
            "--out", tmp_path / "runs",
        )  # fmt: skip
    assert read(kept / "manifest.json")["request"]["bars"]["kind"] == "exchange"
    assert answer(capsys, kept, "--rerun")["identical"]


def test_a_planted_strategy_is_not_run_for_the_built_in_one(
    moved: tuple[Room, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, kept = moved
    path, mark = marking(tmp_path, "")
    plant(kept, lambda run: run.update(strategy={"file": f"{path}:Own", "digest": "0" * 64}))
    assert "must name the strategy of manifest.json" in refusal(capsys, kept, "--rerun")
    plant(kept, lambda run: run.update(strategy={"file": 5, "digest": "0" * 64}))
    assert "the run is damaged" in refusal(capsys, kept, "--rerun")
    assert not mark.exists()


def test_a_member_is_run_only_if_the_command_names_its_code(
    moved: tuple[Room, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, kept = moved
    path, mark = marking(tmp_path, "")
    member = {"estimator": f"{path}:Planted", "trust": ["os.system"]}
    plant(kept, lambda run: run["members"].update(mine=member))
    # The embedded default is trained again: its members come from the settings alone.
    anew = {"bars": {"kind": "default"}, "model": None}
    rewrite(kept / "manifest.json", lambda found: found["request"].update(anew))
    config = tmp_path / "mine.toml"
    config.write_text('members.mine = { estimator = "sklearn.naive_bayes:GaussianNB" }\n')
    for words in ([], ["--config", config]):
        line = refusal(capsys, kept, "--rerun", *words)
        assert "of code only what the settings name is run" in line
        assert f"{path}:Planted" in line
    assert not mark.exists()


def test_what_a_members_file_may_hold_is_for_todays_settings_to_say() -> None:
    mine = MemberConfig(estimator="mine.py:Mine", trust=("os.system",))
    today = MemberConfig(estimator="mine.py:Mine", trust=("numpy.dtype",))
    assert named_again({"mine": mine}, {"mine": today})["mine"].trust == ("numpy.dtype",)
    assert named_again({"svm": MemberConfig(weight=0.5)}, {})["svm"].weight == 0.5


def test_settings_are_for_a_run_that_is_made_again(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refusal(capsys, kept, "--config", tmp_path / "mine.toml", code=2)
    assert "--config names whose code --rerun may run" in line


def test_changed_bars_are_refused_by_their_digest(
    moved: tuple[Room, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    room, kept = moved
    bars = make_bars(BARS)
    volume = bars.volume.copy()
    volume[-1] += 1.0
    write_bars(replace(bars, volume=volume), room.bars)
    line = refusal(capsys, kept, "--rerun")
    assert "must have the digest" in line
    assert "changed since" in line


def test_bars_and_versions_that_are_gone_are_refused(
    moved: tuple[Room, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    room, kept = moved
    version = room.bundle / (room.bundle / "current").read_text()
    (version / "manifest.json").write_text("{}")
    assert "the bundle was changed since" in refusal(capsys, kept, "--rerun")
    shutil.rmtree(version)
    assert "no longer there" in refusal(capsys, kept, "--rerun")
    room.bars.unlink()
    assert "cannot be read again" in refusal(capsys, kept, "--rerun")


def forge(folder: Path, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Let a table of a run be another, as if another version of Tandem had made it."""
    path = folder / name
    change(pd.read_csv(path)).to_csv(path, index=False)
    manifest = read(folder / "manifest.json")
    manifest["files"][name] = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest["runs"]["on"]["result_hash"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(manifest))


def _with_another_profit(trades: pd.DataFrame) -> pd.DataFrame:
    return trades.assign(pnl=trades["pnl"].where(trades.index != 2, 7.5))


def test_what_came_out_otherwise_is_said_table_by_table(
    moved: tuple[Room, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    _, kept = moved
    forge(kept, "on/trades.csv", _with_another_profit)
    found = answer(capsys, kept, "--rerun", code=1)
    (table,) = found["tables"]
    assert (table["run"], table["table"], table["first"]) == ("on", "trades.csv", 2)
    assert table["columns"]["pnl"][0] == 7.5
    assert found["result_hash"]["off"][0] == found["result_hash"]["off"][1]
    forge(kept, "on/fills.csv", lambda frame: frame.iloc[:-1])
    said = text(capsys, kept, "--rerun", code=1)
    assert "NOT the same" in said
    assert "on/trades.csv" in said
    assert f"the first that differs is row {len(pd.read_csv(kept / 'on' / 'fills.csv'))}" in said


# Beside another


def test_another_fee_gives_the_same_entries_with_other_ends(
    furnished: tuple[Room, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    room, kept = furnished
    words = ["--data", room.bars, *DATES, "--ml", "off", "--fee", "0.0004"]
    cheap = made(run_backtest, *words, "--out", tmp_path)
    found = answer(capsys, kept, "--diff", cheap)
    (pair,) = found["runs"]
    assert pair["labels"] == ["off", "off"]
    assert pair["config"]["broker.fee"] == [0.001, 0.0004]
    assert found["request"]["ml"] == ["compare", "off"]
    assert pair["only_first"] == pair["only_second"] == []
    trades = pd.read_csv(cheap / "off" / "trades.csv")
    assert len(pair["changed"]) == len(trades) > 0
    assert all(set(each["changes"]) >= {"pnl", "return"} for each in pair["changed"])
    assert pair["metrics"]["fees_paid"][0] > pair["metrics"]["fees_paid"][1]
    said = text(capsys, kept, "--diff", cheap)
    assert "setting: broker.fee 0.001 -> 0.0004" in said
    assert f"same entries with another end: {len(trades)}" in said


def test_runs_of_one_kind_each_stand_beside_one_another(
    furnished: tuple[Room, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    room, _ = furnished
    words = ["--data", room.bars, *DATES, "--model", room.bundle, "--out", tmp_path]
    off = made(run_backtest, *words[:-2], "--ml", "off", *words[-2:])
    on = made(run_backtest, *words[:-2], "--ml", "on", *words[-2:])
    found = answer(capsys, off, "--diff", on)
    (pair,) = found["runs"]
    trades = [len(pd.read_csv(each)) for each in (off / "off/trades.csv", on / "on/trades.csv")]
    assert pair["labels"] == ["off", "on"]
    assert len(pair["only_second"]) - len(pair["only_first"]) == trades[1] - trades[0]
    assert found["made_of"]["bundle"][0] is None


def test_a_run_beside_itself_has_nothing_other(
    kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(capsys, kept, "--diff", kept)
    assert found["request"] == found["made_of"] == {}
    for pair in found["runs"]:
        assert pair["config"] == {}
        assert pair["only_first"] == pair["only_second"] == pair["changed"] == []
    assert "their results are the same" in text(capsys, kept, "--diff", kept)


# The hash


def test_the_hash_follows_the_inputs(furnished: tuple[Room, Path], tmp_path: Path) -> None:
    room, _ = furnished
    other = tmp_path / "BTC-USDT_5m.csv"
    bars = make_bars(BARS)
    close = bars.close.copy()
    close[-1] = bars.low[-1]
    write_bars(replace(bars, close=close), other)

    def hash_of(*words: object, data: Path = room.bars) -> str:
        folder = made(run_backtest, "--data", data, "--ml", "off", *words, "--out", tmp_path / "o")
        return str(read(folder / "metrics.json")["result_hash"])

    same = {hash_of(), hash_of()}
    assert len(same) == 1
    others = [hash_of("--fee", "0.0009"), hash_of("--seed", "1"), hash_of(data=other)]
    assert len({*same, *others}) == 4


def test_a_run_of_a_kind_that_this_version_lacks_is_not_made_again(
    moved: tuple[Room, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    _, kept = moved
    rewrite(kept / "manifest.json", lambda m: m["request"].update(command="dream"))
    assert "no run of the kind 'dream'" in refusal(capsys, kept, "--rerun")
    other = {"command": "backtest", "bars": {"kind": "other"}}
    rewrite(kept / "manifest.json", lambda m: m["request"].update(other))
    assert "made by a program" in refusal(capsys, kept, "--rerun")


@pytest.mark.slow
def test_the_embedded_default_is_trained_and_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_backtest.main(["--out", str(tmp_path / "runs"), "--quiet"]) == 0
    kept = list((tmp_path / "runs").glob("2*"))
    assert len(kept) == 1
    assert answer(capsys, kept[0], "--rerun")["identical"]


@pytest.mark.slow
def test_a_walk_forward_is_trained_and_made_again(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "tandem.toml"
    config.write_text(
        '[training]\npreset = "small"\nlookahead = 8\nprofit_threshold = 0.003\n'
        "fractions = [0.5, 0.2, 0.2, 0.1]\n"
    )
    words = ["--config", config, "--data", *world.files, "--walk-forward", "train=36d,test=24d"]
    out = tmp_path / "runs"
    assert run_backtest.main([*map(str, [*words, "--out", out]), "--quiet"]) == 0
    (kept,) = out.glob("2*")
    request = read(kept / "manifest.json")["request"]
    assert (request["command"], request["model"]) == ("walk-forward", None)
    assert answer(capsys, kept, "--rerun")["identical"]
