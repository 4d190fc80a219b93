"""--open: the page of a run in a browser, and what is said where there is none."""

import json
import os
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import run_backtest
import run_paper
import show_run
from engine.run_folder import PAGE
from tests.scripts.showing import rewrite
from tests.wrong_input.rooms import Room

ROOT = Path(run_backtest.__file__).parent
SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")


@pytest.fixture
def no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SCREENS:
        monkeypatch.delenv(name, raising=False)


def test_the_page_is_handed_to_the_browser(kept: Path, tmp_path: Path) -> None:
    seen, browser = tmp_path / "seen", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {seen}\n')
    browser.chmod(browser.stat().st_mode | stat.S_IXUSR)
    done = shown_with(kept, browser)
    assert seen.read_text().strip() == (kept / PAGE).absolute().as_uri()
    assert done.stderr == ""


def test_a_browser_that_fails_loses_nothing(kept: Path, tmp_path: Path) -> None:
    done = shown_with(kept, tmp_path / "nowhere")
    assert done.stderr == ""
    *summary, last = done.stdout.splitlines()
    assert last == f"no browser was found: open {(kept / PAGE).absolute()} in one"
    assert any("verdict" in line for line in summary)


def shown_with(kept: Path, browser: Path) -> subprocess.CompletedProcess[str]:
    """Show the run in a process of its own: `webbrowser` looks at the environment once."""
    return subprocess.run(  # noqa: S603  our own command
        [sys.executable, "show_run.py", str(kept), "--open"],
        cwd=ROOT,
        env={**os.environ, "BROWSER": str(browser)},
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.usefixtures("no_screen")
@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="they always have a screen")
def test_without_a_screen_the_path_is_said_and_json_stays_json(
    furnished: tuple[Room, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    room, _ = furnished
    words = ["--data", str(room.bars), "--ml", "off", "--out", str(tmp_path), "--json", "--quiet"]
    assert run_backtest.main([*words, "--open"]) == 0
    said = capsys.readouterr()
    page = Path(json.loads(said.out)["run_dir"]) / PAGE
    assert said.err == f"no screen to show it on: open {page} in a browser\n"


def test_a_run_ends_with_the_path_of_its_page(
    furnished: tuple[Room, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    room, _ = furnished
    words = ["--data", str(room.bars), "--ml", "off", "--out", str(tmp_path), "--quiet"]
    assert run_backtest.main(words) == 0
    (page,) = tmp_path.glob(f"*/{PAGE}")
    last = capsys.readouterr().out.splitlines()[-1]
    assert str(page) in last
    command, *words = shlex.split(last.partition("(or ")[2].removesuffix(")"))
    assert (command, words) == ("show_run.py", [str(page.parent), "--open"])


def test_a_run_where_show_run_looks_is_called_the_last(
    furnished: tuple[Room, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room, _ = furnished
    monkeypatch.chdir(tmp_path)
    assert run_backtest.main(["--data", str(room.bars), "--ml", "off", "--quiet"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("(or show_run.py last --open)")


@pytest.mark.usefixtures("no_screen")
def test_a_run_from_before_there_were_pages_says_what_to_do(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / kept.name
    shutil.copytree(kept, old)
    (old / PAGE).unlink()
    rewrite(old / "manifest.json", lambda manifest: manifest["files"].pop(PAGE))
    assert show_run.main([str(old), "--open"]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith(f"{old / PAGE}: there is no such page")
    assert "give the command of the run again" in line


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (run_backtest, ["--audit", "--open"]),
        (run_paper, ["--status", "paper.sqlite", "--open"]),
        (show_run, ["--list", "--open"]),
    ],
)
def test_what_keeps_no_run_opens_no_page(
    command: object, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main = command.main  # type: ignore[attr-defined]  # one of our scripts
    try:
        code = main(words)
    except SystemExit as found:  # argparse's
        code = found.code
    assert code == 2
    assert "--open" in capsys.readouterr().err
