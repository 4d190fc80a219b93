"""Every command in the documents does what a reader expects: it ends well."""

from pathlib import Path

import pytest

from tests.documents.pages import PAGES, commands, name_of, script_call
from tests.documents.room import furnished

# These make an environment, measure for minutes or need other engines; tests of their own run them.
APART = ("make", "python3", "python -m benchmarks", ".venv/bin/python -m", "pip")
# What a command may end with, where 0 is not what a reader expects.
ENDS = {"run_paper.py --status": {0, 3}, "show_run.py last --rerun": {0}}

PAGES_WITH_COMMANDS = [
    page for page in PAGES if any(script_call(command) for command in commands(page))
]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES_WITH_COMMANDS, ids=name_of)
def test_every_command_of_a_page_ends_well(page: Path, tmp_path: Path) -> None:
    with furnished(tmp_path) as room:
        for command in commands(page):
            if script_call(command) is None:
                assert command.startswith(APART), f"no test gives the command {command!r}"
                continue
            ended = room.give(command)
            allowed = next(
                (codes for start, codes in ENDS.items() if command.startswith(start)), {0}
            )
            assert ended.returncode in allowed, f"{command}\n{ended.stdout}\n{ended.stderr}"
            assert "Traceback" not in ended.stderr, f"{command}\n{ended.stderr}"
