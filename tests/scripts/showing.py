"""Making runs, showing them, and spoiling them."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from show_run import main


def read(path: Path) -> Any:
    """Return what a JSON file holds."""
    return json.loads(path.read_text(encoding="utf-8"))


def answer(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> Any:
    """Show a run and return the one JSON object on stdout."""
    capsys.readouterr()
    assert main([*map(str, words), "--json", "--quiet"]) == code
    return json.loads(capsys.readouterr().out)


def text(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> str:
    """Show a run and return what a person reads."""
    capsys.readouterr()
    assert main([*map(str, words), "--quiet"]) == code
    return capsys.readouterr().out


def refusal(capsys: pytest.CaptureFixture[str], *words: object, code: int = 1) -> str:
    """Ask for what cannot be shown and return the one line of refusal."""
    capsys.readouterr()
    assert main([*map(str, words)]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("show_run: ")
    return said.err


def made(command: Any, *words: object) -> Path:
    """Make a run and return its folder; nothing else may be in its `--out`."""
    out = Path(str(words[-1]))
    before = set(out.glob("*"))
    assert command.main([*map(str, words), "--quiet"]) == 0
    (folder,) = set(out.glob("*")) - before
    return folder


def plant(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the settings of each run of a folder, and its manifest to fit."""
    path = folder / "config.json"
    rewrite(path, lambda config: [change(run) for run in config.values()])
    digest = sha256(path.read_bytes()).hexdigest()
    rewrite(folder / "manifest.json", lambda found: found["files"].update({"config.json": digest}))


def marking(folder: Path, text: str) -> tuple[Path, Path]:
    """Write a Python file that leaves a mark when it is run; return it, and where the mark is."""
    path, mark = folder / "planted.py", folder / "was run"
    path.write_text(f"open({str(mark)!r}, 'w').close()\n{text}")
    return path, mark


def truncate(path: Path) -> None:
    """Cut the last byte off."""
    path.write_bytes(path.read_bytes()[:-1])


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what a JSON file holds."""
    found = read(path)
    change(found)
    path.write_text(json.dumps(found))
