"""docs/commands.md is what the parsers say, and no command is missing in it."""

import re
from importlib import import_module

import pytest

from engine.jobs.flags_table import COMMANDS, as_markdown, entries
from engine.jobs.settings_meaning import FLAGS, Flag
from tests.test_layout import ROOT, SCRIPTS

PAGE = ROOT / "docs" / "commands.md"


def flags_of(module: str) -> set[str]:
    return {name for entry in entries(module) for name in entry.names if name.startswith("-")}


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == as_markdown(), (
        "run: python -m engine.jobs.flags_table > docs/commands.md"
    )


def test_every_script_and_the_doctor_are_in_it() -> None:
    assert {path.stem for path in SCRIPTS} | {"engine.jobs.doctor"} == set(COMMANDS)


@pytest.mark.parametrize("module", COMMANDS)
def test_every_flag_of_the_help_is_in_the_table_and_no_other(
    module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        import_module(module).main(["--help"])
    said = capsys.readouterr().out.partition("examples:")[0]
    # The names that begin a line of the help; prose names flags, too, further in.
    found = {
        name
        for line in said.splitlines()
        if line.startswith("  -")
        for name in re.findall(r"(?<![\w-])--?[a-z][\w-]*", re.split(r" {2,}", line.strip())[0])
    }
    assert found - {"-h", "--help"} == flags_of(module)


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.name)
def test_a_flag_names_the_setting_that_it_overrides(flag: Flag) -> None:
    for module in flag.scripts:
        (entry,) = [each for each in entries(module) if flag.name in each.names]
        assert entry.key == flag.path


def test_no_flag_is_without_a_meaning() -> None:
    silent = [(m, each.names) for m in COMMANDS for each in entries(m) if not each.meaning]
    assert silent == []


def test_walls_of_the_table_inside_of_a_cell_are_escaped() -> None:
    rows = [line for line in as_markdown().splitlines() if line.startswith("|")]
    assert any("rolling\\|expanding" in row for row in rows)
    sections = as_markdown().split("\n## ")[2:]
    for row in (r for s in sections for r in s.splitlines() if r.startswith("|")):
        assert len(re.findall(r"(?<!\\)\|", row)) == 5, row
