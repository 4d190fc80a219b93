"""Every block of code in the documents is run, or is said to be nothing that runs."""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import backtrader as bt
import pytest
from _pytest.mark import ParameterSet
from sklearn.base import ClassifierMixin

import run_backtest
from engine.jobs.members import check_configured
from engine.jobs.settings import load_settings
from ml.member_check import check_members
from ml.models.member_config import MemberConfig
from strategies.hybrid import HybridStrategy
from tests.documents.pages import PAGES, Block, blocks, blocks_of, defines, name_of, page_of
from tests.documents.test_commands import FOREIGN, steps
from tests.scripts.showing import made, read
from tests.test_layout import ROOT
from tests.world import World

# What becomes of a block. A language that is not here is run by no test.
RUN_BY = {
    "sh": "tests/documents/test_commands.py",
    "toml": "test_settings_on_a_page_are_in_force",
    "python": "test_a_class_on_a_page_does_its_work, or tests/documents/test_commands.py",
    "text": "nothing: what is said or drawn",
}
UNTIL = "2022-02-15"  # the bundle of the world has seen what was before


def cited(found: Iterable[tuple[str, Block]]) -> list[ParameterSet]:
    """Return blocks, to be named by page and line."""
    return [pytest.param(page, block, id=f"{page}:{block.line}") for page, block in found]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_is_of_a_kind_that_a_test_runs(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    fences = [line for line in lines if line.lstrip("> \t").startswith(("```", "~~~"))]
    found = blocks(page)
    assert len(fences) == 2 * len(found), "a fence is indented, or is left open"
    assert {
        (block.language, block.line) for block in found if block.language not in RUN_BY
    } == set()


@pytest.mark.parametrize(("page", "block"), cited(blocks_of("text")))
def test_what_is_only_said_hides_no_command(page: str, block: Block) -> None:
    commands = [line for line in block.text.splitlines() if ".py" in line.split("#")[0]]
    usages = [line for line in commands if line.endswith("[flags]")]
    assert commands == (usages if page == "docs/commands.md" else []), "give it the language sh"


def module_of(block: Block, folder: Path) -> ModuleType:
    """Write a program to a file of its own and load it."""
    file = folder / "page.py"
    file.write_text(block.text, encoding="utf-8")
    spec = spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def leaves(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[Any, Any]]:
    """Yield path and value of everything that is no table."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value


def hybrid_above(page: str, line: int, folder: Path) -> str | None:
    """Return the hybrid strategy that a page tells of before a line, as `--strategy` takes it."""
    for block in reversed(blocks(page_of(page))):
        if block.language == "python" and block.line < line and defines(block):
            module = module_of(block, folder)
            (name,) = defines(block)
            if issubclass(getattr(module, name), HybridStrategy):
                return f"{module.__file__}:{name}"
    return None


@pytest.mark.parametrize(("page", "block"), cited(blocks_of("toml")))
def test_settings_on_a_page_are_in_force(
    page: str,
    block: Block,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(ROOT)  # the pages name files below it
    file = tmp_path / "my.toml"
    file.write_text(block.text, encoding="utf-8")
    strategy = hybrid_above(page, block.line, tmp_path)
    named = [] if strategy is None else ["--strategy", strategy]
    assert run_backtest.main(["--config", str(file), "--show-config", "--json", *named]) == 0
    in_force = dict(leaves(json.loads(capsys.readouterr().out)))
    asked = dict(leaves(tomllib.loads(block.text)))
    assert asked
    assert {key: in_force.get(key) for key in asked} == asked
    settings = load_settings(file, {"strategy": {"file": strategy}})
    check_configured(settings)  # members join, if there are any


CLASSES = [(page, block) for page, block in blocks_of("python") if defines(block)]


@pytest.mark.parametrize(("page", "block"), cited(CLASSES))
def test_a_class_on_a_page_does_its_work(
    page: str, block: Block, world: World, tmp_path: Path
) -> None:
    module = module_of(block, tmp_path)
    for name in defines(block):
        own, named = getattr(module, name), f"{module.__file__}:{name}"
        if issubclass(own, ClassifierMixin):
            check_members({"own": MemberConfig(estimator=named)}, seed=0)
            continue
        assert issubclass(own, bt.Strategy), f"no test knows what {page} does with {name}"
        # The ensemble of the world learned from the built-in candidates, which no hybrid
        # strategy but the built-in one takes; a plain one takes any.
        words = ["--data", world.files[0], "--start-date", UNTIL, "--strategy", named]
        words += ["--ml", "off"] if issubclass(own, HybridStrategy) else ["--model", world.bundle]
        folder = made(run_backtest, *words, "--out", tmp_path / "runs")
        (run,) = read(folder / "metrics.json")["runs"]
        assert run["trades"] > 0
        assert (run["ml_asked"] > 0) == (run["ml"] == "on") == (not issubclass(own, HybridStrategy))


def test_every_program_is_given_to_a_test() -> None:
    """One without a class is run where its page is followed, or by a test that it names there."""
    programs = [(page, block) for page, block in blocks_of("python") if not defines(block)]
    assert programs
    followed = [block for page, _ in programs for block in steps(page_of(page))]
    assert [
        block for _, block in programs if block not in followed and FOREIGN not in block.text
    ] == []
