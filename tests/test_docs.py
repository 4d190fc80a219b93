"""What the documents name exists: links, make targets, commands and their flags."""

import argparse
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from packaging.utils import canonicalize_name

from tests.documents.pages import PAGES, SCRIPTS, commands, name_of, script_call
from tests.test_layout import ROOT, direct_dependencies

LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
COMMANDS = [(name_of(page), command) for page in PAGES for command in commands(page)]
CALLS = [call for _, command in COMMANDS if (call := script_call(command)) is not None]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_local_links_lead_somewhere(page: Path) -> None:
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_pages_name_no_address_of_a_package_index_or_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [word for word in ("pypi.org", "/work/", "/root/") if word in text] == []


def test_make_targets_that_the_documents_name_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = {c.split()[1] for _, c in COMMANDS if c.startswith("make ") and len(c.split()) > 1}
    assert named
    assert named - targets == set()


@pytest.mark.parametrize("target", ["setup", "run", "test", "check", "test-slow", "bench"])
def test_every_target_makes_the_environment_that_it_needs(target: str) -> None:
    planned = subprocess.run(  # noqa: S603  make only prints what it would do
        ["make", "--dry-run", "--always-make", target],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "-m venv .venv" in planned
    assert "pip install --requirement requirements.lock" in planned


def test_an_activated_environment_has_the_scripts_as_commands(tmp_path: Path) -> None:
    scripts = sorted(ROOT.glob("*.py"))
    planned = subprocess.run(
        ["make", "--dry-run", "--always-make", "setup"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (words,) = [line.split() for line in planned.splitlines() if line.startswith("ln ")]
    links = tmp_path / ".venv" / "bin"
    assert words[2:] == [*(f"../../{script.name}" for script in scripts), ".venv/bin/"]
    links.mkdir(parents=True)
    for script in scripts:
        assert os.access(script, os.X_OK)
        (links / script.name).symlink_to(script)
    found = subprocess.run(  # noqa: S603  our own script
        [links / "show_run.py", "--help"],
        env={"PATH": str(Path(sys.executable).parent)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.startswith("usage: show_run.py RUN")


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_python_without_the_packages_is_told_in_one_line(script: str) -> None:
    ended = subprocess.run(  # noqa: S603  -S: without what was installed
        [sys.executable, "-S", ROOT / f"{script}.py", "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "must be installed for" in ended.stderr
    assert "make setup" in ended.stderr


def test_ci_runs_the_test_command_of_the_readme() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert lines[-2:] == ["make test", "make check"]
    assert ("README.md", "make test") in COMMANDS


def test_every_direct_dependency_has_a_reason() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text()
    reasons = dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", text, re.MULTILINE))
    documented = {canonicalize_name(name) for name in reasons}
    assert documented == {canonicalize_name(name) for name in direct_dependencies()}


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_shows_examples_and_exits_with_0(
    script: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        importlib.import_module(script).main(["--help"])
    assert exit_.value.code == 0
    assert "examples:" in capsys.readouterr().out


class _Parsed(Exception):  # noqa: N818  not an error: the parser has read all it was given
    pass


@pytest.mark.parametrize(("script", "arguments"), CALLS)
def test_commands_in_the_documents_are_understood(script: str, arguments: list[str]) -> None:
    parse = argparse.ArgumentParser.parse_args

    def parse_and_stop(self: argparse.ArgumentParser, args: list[str]) -> None:
        parse(self, args)
        raise _Parsed

    module = importlib.import_module(script)
    with (
        mock.patch.object(argparse.ArgumentParser, "parse_args", parse_and_stop),
        pytest.raises(_Parsed),
    ):
        module.main(arguments)


def test_a_run_without_ml_starts_without_the_learning_libraries() -> None:
    program = (
        "import sys, run_backtest, run_paper\n"
        "print(*{'torch', 'xgboost', 'imblearn', 'optuna', 'ccxt', 'skops'} & set(sys.modules))"
    )
    started = subprocess.run(  # noqa: S603  our own interpreter
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert started.stdout.split() == []
