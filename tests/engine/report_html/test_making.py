"""How a run was made: every setting and file is told, and the commands do what they say."""

import json
import shlex
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, Keys

import run_backtest
import show_run
from engine.jobs.request_record import RequestRecord
from engine.jobs.run_request import run_request
from engine.jobs.serving import MLMode
from engine.jobs.settings import load_settings
from engine.report_html.making import FILES, FILES_OF_A_RUN
from tests.browsing import run, said, text, texts, until
from tests.engine.report_html.reading import read
from tests.world import UNTIL, World


def json_of(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return found


def lines_of(browser: Chrome) -> list[str]:
    return texts(browser, "#making .copied > code")


@pytest.fixture(scope="module")
def other(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run whose settings are not the defaults."""
    out = tmp_path_factory.mktemp("other place")
    settings = out / "my settings.toml"
    settings.write_text(
        'seed = 3\n[broker]\ncash = 5000.0\n[symbols."BTC/USDT"]\ntick = 0.01\n'
        "[protections]\ncooldown_bars = 200\n"
    )
    words = ["--data", *map(str, world.files), "--end-date", str(UNTIL), "--ml", "off"]
    runs = out / "runs"
    assert run_backtest.main([*words, "--config", str(settings), "--out", str(runs)]) == 0
    (folder,) = runs.iterdir()
    return folder


def test_the_files_told_are_those_beside_the_page(browser: Chrome, compared: Path) -> None:
    read(browser, compared / "report.html")
    links = run(browser, "return [...document.querySelectorAll('#making a')].map((a) => a.href)")
    told = {link.removeprefix(f"{compared.as_uri()}/") for link in links}
    written = {path.relative_to(compared).as_posix() for path in compared.rglob("*")}
    assert told == {each for each in written if "." in each} - {"report.html"}
    assert len(told) == len(FILES) + 2 * len(FILES_OF_A_RUN)


def test_every_setting_is_told_and_those_that_are_other_first(browser: Chrome, other: Path) -> None:
    read(browser, other / "report.html")
    run(browser, "document.querySelectorAll('#making details').forEach((d) => (d.open = true))")
    changed = dict(row.split("\t")[:2] for row in texts(browser, "[data-table=other] tbody tr"))
    assert changed == {
        "seed": "3",
        "broker.cash": "5000.0",
        "symbols.BTC/USDT.tick": "0.01",
        "symbols.BTC/USDT.amount_step": "0.0",
        "symbols.BTC/USDT.min_notional": "0.0",
        "protections.cooldown_bars": "200",
    }
    config = json_of(other, "config")["off"]
    rows = dict(row.split("\t")[:2] for row in texts(browser, "[data-table=settings] tbody tr"))
    assert rows["strategy.exits.max_bars"] == str(config["strategy"]["exits"]["max_bars"])
    assert rows["broker.cash"] == "5000.0"
    assert {name.split(".")[0] for name in rows} == set(config)


def test_what_went_in_is_what_the_manifest_says(browser: Chrome, compared: Path) -> None:
    manifest = json_of(compared, "manifest")
    read(browser, compared / "report.html")
    run(browser, "document.querySelectorAll('#making details').forEach((d) => (d.open = true))")
    said_here = texts(browser, "#making .facts dd")
    runs = manifest["runs"]
    for told in (
        manifest["result_hash"],
        *(each["result_hash"] for each in runs.values()),
        runs["on"]["digests"]["bundle"],
        *runs["on"]["versions"].values(),
    ):
        assert told in said_here


def test_the_settings_file_and_the_command_ask_for_the_same(
    browser: Chrome, other: Path, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(browser, other / "report.html")
    monkeypatch.chdir(tmp_path)
    settings = text(browser, "#settings-file")
    Path("settings.toml").write_text(settings)
    assert tomllib.loads(settings)["protections"] == {"cooldown_bars": 200}
    words = [placed(word, world.files) for word in shlex.split(lines_of(browser)[-1])]
    assert words.pop(0) == "run_backtest.py"
    parsed = run_backtest.make_parser().parse_args(words)
    loaded = load_settings(parsed.config)
    assert loaded.model_dump(mode="json") == json_of(other, "config")["off"]
    request = run_request(parsed, loaded)
    asked = request.record("backtest", request.ml or MLMode.AUTO, None)
    assert asked == RequestRecord.model_validate(json_of(other, "manifest")["request"])


def placed(word: str, files: Sequence[Path]) -> str:
    """Return a word of a command; the name of one of the files with its place before it."""
    places = {path.name: str(path) for path in files}
    return places.get(word, word)


def test_the_rerun_that_is_told_finds_no_difference(
    browser: Chrome, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(browser, other / "report.html")
    monkeypatch.chdir(other.parent)
    script, *words = shlex.split(lines_of(browser)[1])
    assert script == "show_run.py"
    assert show_run.main(words) == 0


def test_commands_are_copied_by_keyboard(browser: Chrome, compared: Path) -> None:
    read(browser, compared / "report.html")
    run(browser, "document.querySelector('[data-copy=command-2]').focus()")
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    until(browser, lambda: text(browser, "#copy-said"))
    if text(browser, "#copy-said") != "Copied.":
        assert run(browser, "return getSelection().toString()") == lines_of(browser)[1]
    assert said(browser) == []


def test_protections_and_clock_are_told(browser: Chrome, other: Path) -> None:
    read(browser, other / "report.html")
    (off,) = json_of(other, "metrics")["runs"]
    words = text(browser, "#making")
    assert "On: cooldown_bars 200." in words
    assert f"entries vetoed by cooldown {off['vetoes']['cooldown']:,}" in words
    clock = off["clock"]
    assert f"sparse clock, {clock['run']:,} of {clock['moments']:,} closes" in words
