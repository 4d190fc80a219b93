"""What the documents name in passing is there: scripts, their flags, modules, targets of make."""

import re
from importlib.util import find_spec

import pytest

from engine.jobs.flags_table import entries
from tests.documents.pages import PAGES, name_of, script_call
from tests.test_layout import ROOT

_BLOCKS = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def mentions(start: str) -> list[object]:
    """Return what the documents name in a line of text that begins like this."""
    found = {
        (name_of(page), " ".join(words.split()))
        for page in PAGES
        for words in re.findall(
            rf"`((?:\.venv/bin/)?{start}[^`]*)`", _BLOCKS.sub("", page.read_text(encoding="utf-8"))
        )
    }
    assert found
    return [pytest.param(words, id=f"{page}: {words}") for page, words in sorted(found)]


@pytest.mark.parametrize("words", mentions(r"python -m "))
def test_a_module_in_the_text_is_there(words: str) -> None:
    assert find_spec(words.split()[2]) is not None


@pytest.mark.parametrize("words", mentions("make "))
def test_a_target_in_the_text_is_there(words: str) -> None:
    assert re.search(rf"^{words.split()[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("words", mentions(r"(?:python )?\w+\.py "))
def test_a_flag_in_the_text_is_one_of_its_script(words: str) -> None:
    call = script_call(words)
    assert call is not None, "name a script of ours"
    script, arguments = call
    known = {name for entry in entries(script) for name in entry.names}
    flags = {word for word in arguments if word.startswith("-")}
    assert flags - known == set()
