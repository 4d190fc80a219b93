"""A session on paper ends with a page that tells of its ensemble, from the journal alone."""

from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from run_paper import main as paper
from tests.browsing import run, said, text
from tests.engine.report_html.reading import read
from tests.scripts.test_run_paper import SPEED, around_a_question
from tests.world import World


def test_the_page_of_a_session_tells_of_what_was_asked(
    browser: Chrome, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(world.files[0]), *around_a_question(world), *SPEED, "--ml", "on"]
    words += ["--model", str(world.bundle), "--out", str(tmp_path), "--quiet"]
    assert paper(["--rehearse", *words, "--state", str(tmp_path / "state.sqlite")]) == 0
    (page,) = tmp_path.glob("*/report.html")
    assert str(page) in capsys.readouterr().out
    read(browser, page)
    told = text(browser, "#model p")
    assert "ML-on asked the ensemble on" in told
    assert "This is a rehearsal" in text(browser, "#data")
    assert "judged bars of" in told or "No answer can be judged yet." in told
    assert said(browser) == []
    assert run(browser, "return document.getElementById('trouble').hidden")
