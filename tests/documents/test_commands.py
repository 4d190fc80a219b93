"""Every command in the documents does what a reader expects: it ends well."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from tests.documents.pages import (
    PAGES,
    Block,
    blocks,
    blocks_of,
    commands,
    defines,
    name_of,
    page_of,
    script_call,
)
from tests.documents.room import Room, bare_room, furnish
from tests.test_layout import ROOT

# What no room is for, with who gives it. CI begins with `make test` on a fresh clone, which makes
# the environment as `make setup` does.
APART = {
    "make setup": "CI",
    "make test": "CI",
    "make check": "CI",
    "make run": "test_the_readme_shows_what_the_default_run_says",
    "make test-slow": "whoever runs the test that asks",
    "make fix": "a contributor: it changes the files",
    "make bench": "tests/benchmarks: as a whole it takes minutes",
    "make bench-peers PEERS=FOLDER": "tests/benchmarks: it needs the scripts of the other engines",
    "python -m benchmarks training": "tests/benchmarks: as a whole it takes an hour",
    "python -m benchmarks scale": "tests/benchmarks: as a whole it takes minutes",
    "python3 -m venv .venv": "CI, by the Makefile",
    "pip install dask distributed": "the environment of the tests has both",
    "dask scheduler": "tests/engine/jobs/spreading: it runs until it is ended",
    "dask worker tcp://192.168.0.7:8786 --nthreads 1": "tests/engine/jobs/spreading: so does this",
    "run_backtest.py --walk-forward train=90d,test=60d --backend dask --address "
    "tcp://192.168.0.7:8786": "tests/engine/jobs/test_walk_forward_cluster.py",
    ".venv/bin/python -m pip install --requirement requirements.lock": "CI, by the Makefile",
    '.venv/bin/python -m pytest -m "not slow"': "CI, by the Makefile",
}
EXAMINES = "make doctor"
# What a command may end with, where 0 alone is not what its page says.
ENDS = {"run_paper.py --status": {0, 3}, "train_ml_ensemble.py --update": {0, 3}}

# Pages that take bars, a bundle or a run of another page; on the others the reader makes them.
LEANING = {
    "docs/edge.md",
    "docs/exports.md",
    "docs/paper.md",
    "docs/results.md",
    "docs/run-folder.md",
}
# Programs of a page that need a package which is none of ours; a test of their own has it.
FOREIGN = "freqtrade"


def steps(page: Path) -> list[str | Block]:
    """Return what a reader does on a page: commands, and programs that are no class of theirs."""
    return [step for block in blocks(page) for step in _steps_of(block)]


def _steps_of(block: Block) -> Iterator[str | Block]:
    if block.language == "sh":
        yield from block.commands()
    elif block.language == "python" and not defines(block) and FOREIGN not in block.text:
        yield block


def take(step: str | Block, room: Room) -> None:
    """Do what a page says and see that it ends well."""
    if isinstance(step, Block):
        ended, allowed = room.run(step.text), {0}
    elif step == EXAMINES:
        ended, allowed = room.examine(), {0}
    else:
        ended = room.give(step)
        allowed = next((codes for start, codes in ENDS.items() if step.startswith(start)), {0})
    assert ended.returncode in allowed, f"{step}\n{ended.stdout}\n{ended.stderr}"
    assert "Traceback" not in ended.stderr, f"{step}\n{ended.stderr}"


def follow(page: Path, room: Room) -> None:
    """Do all that a page says, in its order."""
    for step in steps(page):
        if step not in APART:
            take(step, room)


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Room]:
    with bare_room(tmp_path) as room:
        yield room


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """A room with the work of earlier days in it; to be left as it is."""
    with bare_room(tmp_path_factory.mktemp("room")) as room:
        furnish(room)
        yield room


@pytest.fixture
def used(earlier: Room, tmp_path: Path) -> Room:
    """Another room with the same work in it."""
    shutil.copytree(earlier.folder, tmp_path, symlinks=True, dirs_exist_ok=True)
    return replace(earlier, folder=tmp_path)


def pages(*, leaning: bool) -> list[ParameterSet]:
    """Return the pages with steps to take."""
    chosen = [page for page in PAGES if (name_of(page) in LEANING) == leaning]
    return [
        pytest.param(page, id=name_of(page))
        for page in chosen
        if any(step not in APART for step in steps(page))
    ]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("show_run.py last", "show_run: "),
        (Block("python", "import pandas\npandas.read_csv('none.csv')\n", 1), "FileNotFoundError"),
    ],
)
def test_a_step_that_ends_badly_is_noticed(step: str | Block, said: str, bare: Room) -> None:
    with pytest.raises(AssertionError, match=said):
        take(step, bare)


def test_the_first_steps_of_a_newcomer_are_taken(bare: Room) -> None:
    """Those of half a minute: no session, and of the README the looks at a run."""
    start, readme = (commands(page_of(name)) for name in ("docs/quick-start.md", "README.md"))
    first = [each for each in start if script_call(each) and not each.startswith("run_paper.py")]
    looks = [each for each in readme if each.startswith("show_run.py") and "--why" not in each]
    assert len(first) >= 6
    assert len(looks) >= 6
    for step in [*first, *looks]:
        take(step, bare)


@pytest.mark.slow
@pytest.mark.parametrize("page", pages(leaning=False))
def test_what_a_page_says_is_done_from_the_beginning(page: Path, bare: Room) -> None:
    follow(page, bare)


@pytest.mark.slow
@pytest.mark.parametrize("page", pages(leaning=True))
def test_what_a_page_says_is_done_with_the_work_of_earlier_days(page: Path, used: Room) -> None:
    follow(page, used)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_command_that_is_given_in_no_room_has_its_reason(page: Path) -> None:
    strange = [each for each in commands(page) if script_call(each) is None]
    assert [each for each in strange if each not in APART and each != EXAMINES] == []


def test_every_command_apart_is_on_a_page() -> None:
    assert APART.keys() <= {each for page in PAGES for each in commands(page)}
    assert {name_of(page) for page in PAGES} >= LEANING


@pytest.mark.slow
def test_the_readme_shows_what_the_default_run_says(tmp_path: Path) -> None:
    (shown,) = [block for block in blocks(page_of("README.md")) if block.language == "text"]
    said = subprocess.run(  # noqa: S603  what `make run` does
        [sys.executable, str(ROOT / "run_backtest.py")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    whole = " ".join(said.split())  # the README breaks lines that are long here
    lines = [" ".join(line.split()) for line in shown.text.splitlines()]
    assert [line for line in lines if line not in whole] == []


@pytest.mark.slow
def test_freqtrade_reads_what_the_page_has_exported_for_it(used: Room) -> None:
    ((page, program),) = [
        found for found in blocks_of("python") if FOREIGN in found[1].text
    ]  # fmt: skip
    (version,) = re.findall(r"tried with (20[\d.]+\d)", page_of(page).read_text())
    python = used.folder / "environment" / "bin" / "python"
    made: list[str | Path] = [sys.executable, "-m", "venv", python.parents[1]]
    installed: list[str | Path] = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        f"{FOREIGN}=={version}",
    ]
    for command in (made, installed):
        ended = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  pip
        if ended.returncode:
            pytest.skip(f"freqtrade could not be installed: {ended.stderr.splitlines()[-1:]}")
    take("show_run.py last --export-trades trades.json", used)
    subprocess.run(  # noqa: S603  the program of our page
        [python, "-c", program.text + "assert len(trades) > 0 and 'profit_abs' in trades"],
        cwd=used.folder,
        check=True,
    )
