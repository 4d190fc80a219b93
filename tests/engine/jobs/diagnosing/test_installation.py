"""The doctor on Python and its packages: what is there, what is missing, what does not load."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from engine.jobs.diagnosing.finding import ROOT, Asked, State
from engine.jobs.diagnosing.installation import (
    OLDEST,
    broken_modules,
    compilation,
    interpreter,
    libraries,
    locked,
    needed_by,
    packages,
    python,
)
from tests import test_layout


def asked(root: Path = ROOT) -> Asked:
    return Asked("binance", None, Path("data"), None, Path("runs"), root)


def root_with(tmp_path: Path, lock: str, *dependencies: str) -> Asked:
    """Return a question about a repository that needs these packages."""
    (tmp_path / "requirements.lock").write_text(f"# pins\n{lock}\n")
    names = ", ".join(f'"{name}"' for name in dependencies)
    (tmp_path / "pyproject.toml").write_text(f"[project]\ndependencies = [{names}]\n")
    return asked(tmp_path)


def test_this_environment_is_well() -> None:
    for check in (python, packages, compilation):
        assert {each.state for each in check(asked())} == {State.OK}, check


@pytest.mark.parametrize(
    ("version", "own", "state"),
    [
        ((3, 11, 0), True, State.OK),
        ((3, 14, 1), True, State.OK),
        ((3, 11, 9), False, State.WARN),
        ((3, 10, 14), True, State.FAIL),
        ((3, 9, 2), False, State.FAIL),
    ],
)
def test_python_must_be_new_enough_and_should_be_an_environment(
    version: tuple[int, int, int], own: bool, state: State
) -> None:
    found = interpreter(version, Path("/somewhere"), own=own)
    assert found.state is state
    assert ".".join(map(str, version)) in found.found
    assert bool(found.remedy) == (state is not State.OK)


def test_the_oldest_python_is_that_of_the_project() -> None:
    oldest = ".".join(map(str, OLDEST))
    assert f'requires-python = ">={oldest}"' in (ROOT / "pyproject.toml").read_text()


def test_pins_and_closure_are_those_that_the_layout_is_tested_with() -> None:
    assert locked(ROOT / "requirements.lock") == test_layout.locked()
    direct = test_layout.direct_dependencies()
    assert needed_by(direct) >= test_layout.needed_by(direct)


def test_a_missing_package_fails_if_a_run_needs_it_and_warns_if_only_tests_do(
    tmp_path: Path,
) -> None:
    where = root_with(tmp_path, "no-such-thing==1.0\nnever_heard_of==2.0", "no_such.thing")
    to_run, to_develop = packages(where)
    assert (to_run.state, to_run.found) == (State.FAIL, "missing: no-such-thing")
    assert to_develop.state is State.WARN
    assert "never-heard-of" in to_develop.found
    assert "pip install --requirement requirements.lock" in to_run.remedy


def test_another_version_is_named_with_the_pinned_one(tmp_path: Path) -> None:
    (found,) = packages(root_with(tmp_path, "numpy==1.0.0", "numpy"))
    assert found.state is State.WARN
    assert "instead of 1.0.0" in found.found


def test_pins_of_other_systems_do_not_count(tmp_path: Path) -> None:
    other = 'no-such-thing==1.0 ; sys_platform == "amiga"\nnumpy==1.0 ; sys_platform != "amiga"'
    where = root_with(tmp_path, other, "numpy")
    assert list(locked(where.root / "requirements.lock")) == ["numpy"]


def test_many_missing_ones_are_counted(tmp_path: Path) -> None:
    names = [f"no-such-thing-{number}" for number in range(9)]
    lock = "\n".join(f"{name}==1" for name in names)
    (found,) = packages(root_with(tmp_path, lock, *names))
    assert "and 4 more" in found.found


def test_libraries_that_load_are_named(tmp_path: Path) -> None:
    (found,) = libraries(root_with(tmp_path, "", "tomli-w", "scikit-learn"))
    assert (found.state, found.found) == (State.OK, "all 2 load: sklearn, tomli_w")


def test_a_module_that_raises_or_kills_its_process_is_named_and_the_others_are_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killing = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"
    texts = {"sound": "", "raising": "raise OSError('no such library')", "killing": killing}
    texts |= {"printing": "print('load json')", "later": ""}
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    broken = broken_modules(list(texts))
    assert broken["raising"] == "OSError no such library"
    assert "-9" in broken["killing"]
    assert set(broken) == {"raising", "killing"}


def test_a_bare_python_gets_a_line_for_everything_and_no_traceback(tmp_path: Path) -> None:
    program = "import sys; from engine.jobs.doctor import main; sys.exit(main(sys.argv[1:]))"
    bare = subprocess.run(  # noqa: S603  our own interpreter, without its packages
        [sys.executable, "-S", "-c", program, "--out", str(tmp_path / "runs")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert bare.returncode == 1, bare.stderr
    assert "Traceback" not in bare.stdout + bare.stderr
    for line in (
        "fail  packages",
        "fail  compilation",
        "fail  bundle",
        "fail  exchange",
        "ok    disk",
    ):
        assert line in bare.stdout, line
    assert "No module named" in bare.stdout


def compiled_in(root: Path, **environment: str) -> str:
    """Return the line of a process of its own whose code lies below `root`."""
    program = textwrap.dedent(
        """
        from pathlib import Path
        from engine.jobs.diagnosing.finding import Asked
        from engine.jobs.diagnosing.installation import compilation
        for found in compilation(Asked("binance", None, Path("data"), None, Path("runs"))):
            print(found.state.value, found.found, found.remedy)
        """
    )
    return subprocess.run(  # noqa: S603  our own interpreter
        [sys.executable, "-c", program],
        cwd=root,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_a_compiler_that_is_switched_off_is_a_warning() -> None:
    said = compiled_in(ROOT, NUMBA_DISABLE_JIT="1")
    assert said.startswith("warn numba's compiler is switched off")


def test_code_that_can_be_kept_nowhere_is_a_failure_with_a_remedy(tmp_path: Path) -> None:
    for package in ("engine", "feeds"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    (tmp_path / "feeds" / "__pycache__").write_text("in the way")
    nowhere = {"PYTHONDONTWRITEBYTECODE": "1", "XDG_CACHE_HOME": "/dev/null", "HOME": "/dev/null"}
    said = compiled_in(tmp_path, **nowhere)
    assert said.startswith("fail cannot be kept: ")
    assert "NUMBA_CACHE_DIR" in said
    elsewhere = tmp_path / "compiled"
    assert f"kept in {elsewhere}" in compiled_in(
        tmp_path, **nowhere, NUMBA_CACHE_DIR=str(elsewhere)
    )
