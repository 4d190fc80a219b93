"""What stands in the documents: blocks of code, and the commands in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.test_layout import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SCRIPTS = (
    "evaluate_ml_ensemble",
    "generate_training_data",
    "run_backtest",
    "run_paper",
    "show_run",
    "train_ml_ensemble",
)
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """Code on a page; commands stand in blocks without a language."""

    language: str
    text: str

    def commands(self) -> Iterator[str]:
        """Yield its lines, without comments, continued ones as one."""
        for line in self.text.replace("\\\n", " ").splitlines():
            command = line.split(" #")[0].strip()
            if command and not command.startswith("#"):
                yield command


def name_of(page: Path) -> str:
    """Return the path of a page within the repository."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page, in their order."""
    return [Block(*found) for found in _BLOCK.findall(page.read_text(encoding="utf-8"))]


def commands(page: Path) -> list[str]:
    """Return the commands of a page, in their order."""
    return [command for block in blocks(page) if not block.language for command in block.commands()]


def script_call(command: str) -> tuple[str, list[str]] | None:
    """Return script and arguments of a command; None if it calls none of ours.

    >>> script_call(".venv/bin/python show_run.py last --rerun")
    ('show_run', ['last', '--rerun'])
    """
    words = [word for word in shlex.split(command) if not word.endswith("bin/python")]
    script = words[0].removesuffix(".py") if words else ""
    return (script, words[1:]) if script in SCRIPTS else None
