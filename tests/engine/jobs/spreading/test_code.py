"""The digest of the code: of just the named modules, as they were when first asked for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.jobs.searching import record
from engine.jobs.spreading import code
from engine.jobs.spreading.code import code_digest, digest_of_code


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of two modules beside each other and one in a folder."""
    for name in ("one.py", "two.py", "inner/three.py"):
        file = tmp_path / "program" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"NAME = {name!r}\n", encoding="utf-8")
    monkeypatch.setattr(code, "_ROOT", tmp_path)
    return tmp_path / "program"


@pytest.fixture(autouse=True)
def _nothing_known() -> Iterator[None]:
    """Forget what was read before, and what these tests read."""
    digest_of_code.cache_clear()
    yield
    digest_of_code.cache_clear()


def test_a_folder_is_all_below_it_and_a_pattern_what_lies_beside(sources: Path) -> None:
    names = ("program", "program/*.py", "program/one.py")
    before = [digest_of_code((name,)) for name in names]
    assert len(set(before)) == 3
    (sources / "inner" / "three.py").write_text("NAME = None\n", encoding="utf-8")
    digest_of_code.cache_clear()
    after = [digest_of_code((name,)) for name in names]
    assert [one == two for one, two in zip(before, after, strict=True)] == [False, True, True]


def test_a_process_is_known_by_the_code_that_it_began_with(sources: Path) -> None:
    before = digest_of_code(("program",))
    (sources / "one.py").write_text("NAME = None\n", encoding="utf-8")
    assert digest_of_code(("program",)) == before
    digest_of_code.cache_clear()
    assert digest_of_code(("program",)) != before


@pytest.mark.usefixtures("sources")
@pytest.mark.parametrize("name", ["program/four.py", "four", "four/*.py"])
def test_a_name_that_stands_for_nothing_is_an_error(name: str) -> None:
    with pytest.raises(FileNotFoundError, match="must be a module or a folder"):
        digest_of_code(("program", name))


def test_each_part_of_the_code_that_decides_a_trial_is_there_to_be_read() -> None:
    parts = [digest_of_code((name,)) for name in record._CODE]
    assert len({*parts, code_digest()}) == len(parts) + 1
