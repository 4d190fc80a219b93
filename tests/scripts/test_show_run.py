"""Kept runs shown: in short, and one decision in full; what is no run."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import run_backtest
from engine.jobs.showing.folder import open_run
from engine.jobs.showing.why import why
from feeds.moments import parse_utc
from ml.bundle import load_bundle
from show_run import main
from tests.makers import make_bars
from tests.scripts.showing import answer, made, read, refusal, rewrite, text, truncate
from tests.wrong_input.rooms import Room

# In short


def test_the_summary_says_what_the_command_said_and_how_it_was_made(
    furnished: tuple[Room, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    room, kept = furnished
    found, metrics = answer(capsys, kept), read(kept / "metrics.json")
    assert found["runs"] == metrics["runs"]
    assert found["result_hash"] == metrics["result_hash"]
    assert found["verdict"] == metrics["comparison"]["verdict"]
    request = found["request"]
    assert (request["command"], request["ml"]) == ("backtest", "compare")
    assert request["bars"]["paths"] == [str(room.bars.resolve())]
    assert request["model"]["digest"] == load_bundle(room.bundle).digest
    said = text(capsys, kept)
    for word in (found["result_hash"], request["model"]["version"], "What flatters", "Win rate"):
        assert word in said


def test_last_is_the_run_that_was_written_last(
    furnished: tuple[Room, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    room, kept = furnished
    shutil.copytree(kept, tmp_path / kept.name)
    words = ["--data", room.bars, "--ml", "off", "--fee", "0.0003", "--out", tmp_path]
    later = made(run_backtest, *words)
    (tmp_path / ".29990101T000000Z-00000000.part").mkdir()
    found = answer(capsys, "last", "--out", tmp_path)
    assert found["run_dir"] == str(later)


# One decision


def test_every_candidate_is_explained_by_its_points(kept: Path) -> None:
    run = open_run(str(kept), kept.parent)
    outcomes = set()
    for label in run.labels:
        decisions = run.table(label, "decisions.parquet")
        trades = run.table(label, "trades.csv").set_index("decided_at")
        for row in decisions.to_dict("records"):
            moment = np.datetime64(row["decided_at"].tz_localize(None), "ms")
            shown = why(run, row["symbol"], moment).to_json()["runs"][label]
            assert shown["outcome"] == row["outcome"]
            assert sum(rule["points"] for rule in shown["rules"]) == row["technical_points"]
            assert row["technical_points"] + shown["ml"]["points"] == shown["score"] == row["score"]
            assert {r["rule"] for r in shown["rules"] if not r["points"]} == set(shown["failed"])
            assert (shown["trade"] is not None) == (row["outcome"] == "entered")
            if shown["trade"]:
                assert shown["trade"]["pnl"] == trades.loc[shown["trade"]["decided_at"], "pnl"]
            outcomes.add(row["outcome"])
    assert {"entered", "score_below", "in_position"} <= outcomes


def moments(kept: Path, label: str, outcome: str) -> list[str]:
    decisions = pd.read_parquet(kept / label / "decisions.parquet")
    found = decisions.loc[decisions["outcome"] == outcome, "decided_at"]
    return [f"{moment:%Y-%m-%dT%H:%M}" for moment in found]


def test_an_entry_is_told_with_votes_thresholds_and_its_end(
    kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moment = moments(kept, "on", "entered")[0]
    said = text(capsys, kept, "--why", "BTC-USDT", moment)
    on = said.split("ML-on")[1]
    for word in ("below 30, mandatory", "votes: plain", "entered: score", "bought", "6 or more"):
        assert word in on
    assert max(map(len, said.splitlines())) <= 100


def test_a_position_that_was_held_says_since_when(
    kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moment = moments(kept, "off", "in_position")[0]
    run = answer(capsys, kept, "--why", "BTC/USDT", moment)["runs"]["off"]
    assert "a position was held, or an entry waited, entered 2024-" in run["why"]


@pytest.mark.parametrize("later", ["00:01", "04:59"])
def test_a_moment_between_two_closes_falls_to_the_last_of_them(
    later: str, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moment = moments(kept, "off", "entered")[0]
    minutes, seconds = later.split(":")
    at = parse_utc(moment) + np.timedelta64(int(minutes) * 60 + int(seconds), "s")
    found = answer(capsys, kept, "--why", "BTC/USDT", at)
    assert found["decided_at"] == f"{moment}:00Z"
    assert found["opened_at"] == str(parse_utc(moment) - np.timedelta64(5, "m"))[:19] + "Z"
    assert "this is the last one before" in text(capsys, kept, "--why", "BTC/USDT", at)


def test_a_day_alone_lists_its_candidate_bars(
    kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = moments(kept, "off", "entered")[0]
    day = first[:10]
    found = answer(capsys, kept, "--why", "BTC/USDT", day)
    assert (found["symbol"], found["day"]) == ("BTC/USDT", day)
    decisions = pd.read_parquet(kept / "off" / "decisions.parquet")
    times = decisions["decided_at"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    own = times[times.str.startswith(day)].tolist()
    assert [row["decided_at"] for row in found["runs"]["off"]] == own
    said = text(capsys, kept, "--why", "BTC/USDT", day)
    assert said.count("BTC/USDT, the candidate bars") == 1
    assert f"{first.replace('T', ' ')}Z" in said
    assert said.splitlines()[-1] == f"one in full: --why BTC/USDT {own[0]}"


def quiet_moment(kept: Path) -> str:
    """Return a moment of the run that was no candidate."""
    taken = set(pd.read_parquet(kept / "off" / "decisions.parquet")["decided_at"])
    closes = pd.read_parquet(kept / "off" / "equity.parquet")["time"]
    return next(f"{t:%Y-%m-%dT%H:%M}" for t in closes[len(closes) // 2 :] if t not in taken)


def test_a_bar_that_was_no_candidate_says_its_rsi_and_the_candidates_around(
    kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moment = quiet_moment(kept)
    run = answer(capsys, kept, "--why", "BTC/USDT", moment)["runs"]["on"]
    assert not run["candidate"]
    rsi = float(run["why"].split("RSI(14) is ")[1].split(",")[0])
    assert 30.0 <= rsi < 100.0
    assert run["around"]["before"]["decided_at"] < moment < run["around"]["after"]["decided_at"]
    assert "candidate before: 2024-" in text(capsys, kept, "--why", "BTC/USDT", moment)


def test_without_the_bars_nobody_can_tell_and_says_so(
    moved: tuple[Room, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    room, kept = moved
    room.bars.unlink()
    run = answer(capsys, kept, "--why", "BTC/USDT", quiet_moment(kept))["runs"]["off"]
    assert "nobody can tell any more" in run["why"]
    assert room.bars.name in run["why"]
    assert run["around"]["before"]


def test_holes_missing_bars_and_warm_up_are_no_candidates_for_their_own_reasons(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bars = make_bars(1500)
    rows = np.r_[0:600, 602:700, 720:1500]  # two bars are filled, twenty are a hole
    file = tmp_path / "BTC-USDT_5m.csv"
    bars.frame().take(rows).to_csv(file, index=False)
    kept = made(run_backtest, "--data", file, "--ml", "off", "--out", tmp_path / "runs")

    def reason(row: int) -> str:
        moment = bars.closed_at[row]
        return str(answer(capsys, kept, "--why", "BTC/USDT", moment)["runs"]["off"]["why"])

    assert "stands in for it" in reason(600)
    assert "a hole in the bars" in reason(705)
    assert "warm-up: 399 bars of its segment before it, needs 400" in reason(399)
    assert "warm-up: 0 bars" in reason(720)


ASKED: Mapping[str, tuple[list[str], int, str]] = {
    "a symbol that was not traded": (
        ["ETH/USDT", "2024-01-05T12:00"],
        1,
        "the run traded BTC/USDT",
    ),
    "a moment before the run": (
        ["BTC/USDT", "2024-01-04T00:00"],
        1,
        "decided from 2024-01-04 00:05Z",
    ),
    "a moment after the run": (
        ["BTC/USDT", "2030-01-01T00:00"],
        1,
        "ask for a moment or a day inside",
    ),
    "a day before the run": (["BTC/USDT", "2024-01-03"], 1, "found 2024-01-03;"),
    "a day after the run": (["BTC/USDT", "20300101"], 1, "found 2030-01-01;"),
    "a symbol that was not traded, on a day": (["ETH/USDT", "2024-01-05"], 1, "traded BTC/USDT"),
    "no symbol": (["bitcoin", "2024-01-05"], 2, "must look like BTC/USDT"),
    "no moment": (["BTC/USDT", "soon"], 2, "a moment must be like 2024-01-31"),
}


@pytest.mark.parametrize(("words", "code", "about"), ASKED.values(), ids=ASKED)
def test_what_was_never_decided_is_refused(
    words: list[str], code: int, about: str, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert about in refusal(capsys, kept, "--why", *words, code=code)


# What is no run


Spoil = Callable[[Path], object]


def cut(name: str) -> Spoil:
    return lambda run: truncate(run / name)


def without(name: str) -> Spoil:
    return lambda run: (run / name).unlink()


def saying(data: bytes) -> Spoil:
    return lambda run: (run / "manifest.json").write_bytes(data)


def stating(change: Callable[[Any], object]) -> Spoil:
    return lambda run: rewrite(run / "manifest.json", change)


DAMAGE: Mapping[str, tuple[Spoil, str]] = {
    "a file cut short": (cut("on/equity.parquet"), "equity.parquet: the run is damaged"),
    "a file that is missing": (without("config.json"), "config.json: the run is damaged: it is"),
    "a manifest cut short": (
        lambda run: (run / "manifest.json").write_text("{"), "manifest.json: the run is damaged"
    ),
    "a manifest that is a list": (saying(b"[1]"), "it holds no keys"),
    "a manifest that is no text": (saying(b"\xff\xfe"), "manifest.json: the run is damaged"),
    "no request": (stating(lambda m: m.pop("request")), "did not say what was asked"),
    "no run": (stating(lambda m: m["runs"].clear()), "damaged: runs"),
    "bars of no kind": (
        stating(lambda m: m["request"].update(bars={"kind": "dream"})), "damaged: request.bars"
    ),
    "a file outside": (
        stating(lambda m: m["files"].update({"../x": "0"})), "not those of a run: ../x"
    ),
    "a table that nobody vouches for": (
        stating(lambda m: m["files"].pop("on/trades.csv")), "not those of a run: on/trades.csv"
    ),
    "a folder of something else": (without("manifest.json"), "found no manifest.json"),
    "nothing": (shutil.rmtree, "a run is a folder"),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "about"), DAMAGE.values(), ids=DAMAGE)
def test_what_is_no_sound_run_is_refused_in_a_line(
    damage: Spoil, about: str, kept: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    copy = tmp_path / kept.name
    shutil.copytree(kept, copy)
    damage(copy)
    line = refusal(capsys, copy, "--why", "BTC/USDT", "2024-01-05")
    assert about in line
    assert len(line) < 1000


def test_without_a_run_there_is_no_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "must hold runs, found none" in refusal(capsys, "last", "--out", tmp_path)


def test_only_one_thing_is_asked_at_a_time(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([str(kept), "--rerun", "--diff", "last"])
    assert stopped.value.code == 2
    assert "not allowed with" in capsys.readouterr().err
