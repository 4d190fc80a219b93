"""The promise of the mark `real_data`, on a small copy of the project's layout."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

@pytest.mark.real_data
def test_that_needs_real_bars(real_bars_dir):
    assert real_bars_dir.is_dir()

def test_that_needs_nothing():
    pass
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "tests").mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("conftest.py"), root / "tests")
    (root / "tests" / "test_it.py").write_text(TESTS)
    (root / "pytest.ini").write_text("[pytest]\nmarkers = real_data: needs real bars\n")
    return root


def outcome(project: Path) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    return subprocess.run(  # noqa: S603  our own interpreter
        command, cwd=project, capture_output=True, text=True, check=True
    ).stdout


def test_without_real_bars_their_tests_are_deselected_with_one_line_that_says_so(
    project: Path,
) -> None:
    printed = outcome(project)
    assert "1 passed, 1 deselected" in printed
    assert printed.count("real_data: 1 tests need real bars") == 1


def test_with_real_bars_beside_the_project_their_tests_run(project: Path) -> None:
    (project.parent / "shared" / "data").mkdir(parents=True)
    printed = outcome(project)
    assert "2 passed" in printed
    assert "real_data:" not in printed
