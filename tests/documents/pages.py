"""What stands in the documents: blocks of code, and the commands in them."""

import ast
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
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """Code on a page.

    Attributes
    ----------
    language : as the fence names it: `sh` for commands, `toml` for settings, `python`; `text` for
        what nobody runs
    line : of the page, where its fence stands; 1 is the first
    """

    language: str
    text: str
    line: int

    def commands(self) -> Iterator[str]:
        """Yield its lines, without comments, continued ones as one."""
        for line in self.text.replace("\\\n", " ").splitlines():
            command = " ".join(line.split(" #")[0].split())
            if command and not command.startswith("#"):
                yield command


def name_of(page: Path) -> str:
    """Return the path of a page within the repository."""
    return page.relative_to(ROOT).as_posix()


def page_of(name: str) -> Path:
    """Return the page of a name; a test of one that is gone is to fail.

    >>> page_of("docs/quick-start.md").is_file()
    True
    """
    (page,) = [page for page in PAGES if name_of(page) == name]
    return page


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(found[1], found[2], text.count("\n", 0, found.start()) + 1)
        for found in _BLOCK.finditer(text)
    ]


def blocks_of(language: str) -> list[tuple[str, Block]]:
    """Return all blocks of a language, each with the name of its page."""
    found = [(name_of(page), block) for page in PAGES for block in blocks(page)]
    return [(name, block) for name, block in found if block.language == language]


def commands(page: Path) -> list[str]:
    """Return the commands of a page, in their order."""
    found = [block for block in blocks(page) if block.language == "sh"]
    return [command for block in found for command in block.commands()]


def script_call(command: str) -> tuple[str, list[str]] | None:
    """Return script and arguments of a command; None if it calls none of ours.

    >>> script_call(".venv/bin/python show_run.py last --rerun")
    ('show_run', ['last', '--rerun'])
    """
    words = [word for word in shlex.split(command) if not word.endswith("bin/python")]
    script = words[0].removesuffix(".py") if words else ""
    return (script, words[1:]) if script in SCRIPTS else None


def defines(block: Block) -> list[str]:
    """Return the names of the classes that a program defines.

    >>> defines(Block("python", "class Mine(Base):\\n    pass\\n", 1))
    ['Mine']
    """
    found = ast.parse(block.text).body
    return [node.name for node in found if isinstance(node, ast.ClassDef)]
