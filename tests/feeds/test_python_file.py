"""Tests of Python files of the user's own: run once, by digest; errors name a line."""

import dataclasses
import hashlib
import sys
from pathlib import Path

import pytest

from feeds.errors import PythonFileError
from feeds.python_file import read_python

COUNTS = """\
from pathlib import Path
mark = Path(__file__).with_name("runs")
mark.write_text(mark.read_text() + "x" if mark.exists() else "x")
"""


def test_reading_a_file_runs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(COUNTS)
    found = read_python(path)
    assert found.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert not (tmp_path / "runs").exists()


def test_a_state_of_a_file_is_run_once_and_what_was_read_is_what_runs(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(f"{COUNTS}state = 1\n")
    first = read_python(path)
    path.write_text(f"{COUNTS}state = 2\n")
    assert first.module("own_states").state == 1
    assert read_python(path).module("own_states").state == 2
    assert first.module("own_states").state == 1
    assert sys.modules["own_states"].state == 1
    assert (tmp_path / "runs").read_text() == "xx"


def test_a_module_is_found_by_its_name_while_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Own:\n    size: int = 3\n"
    )
    module = read_python(path).module("own_found")
    assert dataclasses.asdict(module.Own()) == {"size": 3}
    assert module.Own.__module__ == "own_found"
    assert module.__file__ == str(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\nif x\n", "^line 2: SyntaxError: expected ':'$"),
        ("x = 1\n\n1 / 0\n", "^line 3: ZeroDivisionError: division by zero$"),
        ("def f():\n    raise KeyError\nf()\n", "^line 2: KeyError$"),
        ("raise SystemExit(3)\n", "^line 1: SystemExit: 3$"),
        ("import json\njson.loads('{')\n", "^line 2: JSONDecodeError: Expecting"),
        ("compile('(', 'other.py', 'exec')\n", "^line 1: SyntaxError: '\\(' was never closed$"),
        ("x = '\0'\n", "null bytes"),
    ],
)
def test_a_file_that_stops_names_its_line_once(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "own.py"
    path.write_text(text)
    with pytest.raises(PythonFileError, match=message):
        read_python(path).module("own_stops")
    assert "own_stops" not in sys.modules


@pytest.mark.parametrize("name", ["none.py", ".", "a\0b.py"])
def test_what_cannot_be_read_says_why(tmp_path: Path, name: str) -> None:
    with pytest.raises(PythonFileError, match=r"No such file|Is a directory|null byte"):
        read_python(f"{tmp_path}/{name}")
