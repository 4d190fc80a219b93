"""All kept runs in a list: newest first, fast, and no damaged folder stops it."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import run_backtest
from engine.jobs.showing.folder import open_run
from engine.tables import WIDTH
from tests.scripts.showing import answer, made, read, refusal, rewrite, text, truncate
from tests.wrong_input.rooms import Room

EARLIER, LATER = "20240101T000000Z-00000000", "20990101T000000Z-ffffffff"


def small(kept: Path, out: Path, name: str) -> Path:
    """Keep the run under another name, without its tables: what the list may need."""
    folder = out / name
    folder.mkdir(parents=True)
    for file in ("manifest.json", "metrics.json"):
        shutil.copy(kept / file, folder)
    return folder


def test_a_comparison_is_listed_with_what_its_command_printed(
    furnished: tuple[Room, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    room, kept = furnished
    (run,) = answer(capsys, "--list", "--out", room.path / "kept")["runs"]
    printed = read(kept / "metrics.json")
    facts = printed["data"]["symbols"]["BTC/USDT"]
    assert (run["id"], run["path"], run["damaged"]) == (kept.name, str(kept), None)
    assert (run["command"], run["ml"]) == ("backtest", "compare")
    assert (run["symbols"], run["timeframe"]) == (["BTC/USDT"], "5m")
    assert (run["start"], run["end"]) == (facts["start"], facts["end"])
    assert run["verdict"] == printed["comparison"]["verdict"]
    for figures in printed["runs"]:
        assert run["trades"][figures["ml"]] == figures["trades"]
        assert run["total_return"][figures["ml"]] == figures["metrics"]["total_return"]
    said = text(capsys, "--list", "--out", room.path / "kept")
    for word in (kept.name, "BTC/USDT 5m", facts["start"][:10], "ML-off", "ML-on", "no evidence"):
        assert word in said


def test_a_single_run_says_its_mode_and_has_no_verdict(
    furnished: tuple[Room, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made(run_backtest, "--data", furnished[0].bars, "--ml", "off", "--out", tmp_path)
    (run,) = answer(capsys, "--list", "--out", tmp_path)["runs"]
    assert (run["ml"], run["verdict"], list(run["trades"])) == ("off", None, ["off"])
    assert "backtest, --ml off" in text(capsys, "--list", "--out", tmp_path)


def test_the_newest_comes_first_and_is_what_last_means(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (EARLIER, LATER, "20500101T000000Z-00000000"):
        shutil.copytree(kept, tmp_path / name)
    listed = [run["id"] for run in answer(capsys, "--list", "--out", tmp_path)["runs"]]
    assert listed == [LATER, "20500101T000000Z-00000000", EARLIER]
    assert open_run("last", tmp_path).path.name == listed[0]


def test_stamps_are_in_the_list(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = small(kept, tmp_path, LATER)
    stamps = ["IN-SAMPLE", "SYNTHETIC"]
    rewrite(folder / "manifest.json", lambda found: found.update(stamps=stamps))
    assert answer(capsys, "--list", "--out", tmp_path)["runs"][0]["stamps"] == stamps
    said = text(capsys, "--list", "--out", tmp_path)
    assert all(stamp in said for stamp in stamps)


def unlink_metrics(folder: Path) -> None:
    (folder / "metrics.json").unlink()


def truncate_metrics(folder: Path) -> None:
    truncate(folder / "metrics.json")


def halve_manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def unlink_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def forget_the_request(folder: Path) -> None:
    rewrite(folder / "manifest.json", lambda found: found.pop("request"))


def replace_metrics(folder: Path) -> None:
    """Put a list in their place, with a digest that fits."""
    (folder / "metrics.json").write_text("[]")
    digest = hashlib.sha256(b"[]").hexdigest()
    rewrite(folder / "manifest.json", lambda m: m["files"].update({"metrics.json": digest}))


@pytest.mark.parametrize(
    "spoil",
    [
        unlink_metrics,
        truncate_metrics,
        halve_manifest,
        unlink_manifest,
        forget_the_request,
        replace_metrics,
    ],
)
def test_a_damaged_folder_is_a_line_and_the_others_are_listed(
    spoil: Callable[[Path], None], kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small(kept, tmp_path, EARLIER)
    folder = small(kept, tmp_path, LATER)
    spoil(folder)
    damaged, sound = answer(capsys, "--list", "--out", tmp_path)["runs"]
    assert damaged["id"] == LATER
    assert str(folder) in damaged["damaged"]
    assert (sound["id"], sound["damaged"]) == (EARLIER, None)
    said = text(capsys, "--list", "--out", tmp_path)
    assert damaged["damaged"] in said
    assert EARLIER in said


def test_what_is_no_run_is_not_listed(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small(kept, tmp_path, EARLIER)
    (tmp_path / f".{LATER}.part").mkdir()
    (tmp_path / "default_ensemble").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    assert [r["id"] for r in answer(capsys, "--list", "--out", tmp_path)["runs"]] == [EARLIER]


def test_an_empty_folder_and_a_missing_one_say_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no runs below" in text(capsys, "--list", "--out", tmp_path)
    assert answer(capsys, "--list", "--out", tmp_path)["runs"] == []
    assert "must be a folder of runs" in refusal(capsys, "--list", "--out", tmp_path / "none")


@pytest.mark.parametrize("words", [[], ["last", "--list"]])
def test_a_run_or_the_list_must_be_asked_for_and_not_both(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--list" in refusal(capsys, *words, code=2)


@pytest.mark.parametrize("count", [2, 4, 9])
def test_no_line_is_wider_than_a_page(
    count: int, kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = small(kept, tmp_path, f"{LATER}-12")

    def more_symbols(manifest: dict[str, dict[str, dict[str, object]]]) -> None:
        facts = manifest["data"]["symbols"].pop("BTC/USDT")
        manifest["data"]["symbols"] = {f"COIN{place}/USDT": facts for place in range(count)}

    rewrite(folder / "manifest.json", more_symbols)
    rewrite(folder / "manifest.json", lambda m: m.update(stamps=["IN-SAMPLE", "SYNTHETIC"]))
    said = text(capsys, "--list", "--out", tmp_path)
    assert f"COIN0/USDT +{count - 1} 5m" in said
    assert f"{LATER}-12" in said
    assert max(map(len, said.splitlines())) <= WIDTH


def test_a_thousand_runs_are_listed_in_seconds_without_a_look_at_their_tables(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = small(kept, tmp_path, "20240101T000000Z-00000000")
    for number in range(1, 1000):
        folder = tmp_path / f"20240101T{number // 60:02d}{number % 60:02d}00Z-{number:08x}"
        folder.mkdir()
        for file in first.iterdir():
            os.link(file, folder / file.name)
    began = time.process_time()
    runs = answer(capsys, "--list", "--out", tmp_path)["runs"]
    assert len(runs) == 1000
    assert not any(run["damaged"] for run in runs)
    assert time.process_time() - began < 5.0  # measured: 0.4 s on two slow cores


def test_the_list_is_json_of_finite_numbers(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small(kept, tmp_path, EARLIER)
    found = answer(capsys, "--list", "--out", tmp_path)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
