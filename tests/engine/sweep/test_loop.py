"""Compiled code that is kept is that of the sources as they are."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import engine.sweep
from engine.sweep.loop import compiled, digest_of_sources

ROOT = Path(engine.sweep.__file__).parents[2]
FOLDER = sorted(path.name for path in Path(engine.sweep.__file__).parent.glob("*.py"))
OTHERS = ("feeds/ticks.py", "feeds/order_kernels.py", "feeds/exit_reasons.py")
CONSTANTS = ("engine/plans.py", "engine/sizing.py", "engine/protections.py")


@pytest.mark.parametrize(
    "changed", [*(f"engine/sweep/{name}" for name in FOLDER), *OTHERS, *CONSTANTS]
)
def test_a_change_of_any_source_is_another_loop(
    changed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, read = digest_of_sources(), Path.read_bytes
    assert digest_of_sources() == before

    def read_changed(path: Path) -> bytes:
        return read(path) + (b"\n" if path == ROOT / changed else b"")

    monkeypatch.setattr(Path, "read_bytes", read_changed)
    assert digest_of_sources() != before


def test_the_loop_is_kept_by_that_digest() -> None:
    closed_over = [cell.cell_contents for cell in inspect.unwrap(compiled()).__closure__ or ()]
    assert closed_over == [digest_of_sources()]


def test_all_that_is_imported_into_the_loop_is_a_source() -> None:
    """A part that came from elsewhere would be kept although it had changed."""
    for path in (ROOT / "engine" / "sweep").glob("*.py"):
        for line in path.read_text().splitlines():
            if "import part" in line or not line.startswith("from "):
                continue
            home = line.split()[1].replace(".", "/") + ".py"
            compiled = (ROOT / home).exists() and "njit" in (ROOT / home).read_text()
            assert not compiled or home.startswith("engine/sweep/") or home in OTHERS


def test_the_compiler_is_loaded_when_a_set_is_run_and_not_before() -> None:
    said = "import sys, engine.sweep.sweep; sys.exit('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", said], cwd=ROOT, check=False)  # noqa: S603  our own
    assert done.returncode == 0
