"""The section of the ensemble: its figures, its words, and its charts in Debian's Chromium."""

import shlex
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, Keys

import evaluate_ml_ensemble
import run_backtest
from engine.jobs.walking.report import WalkForwardReport
from engine.report_html.model import model
from engine.report_html.model_words import asked_words, between, left_out, skill
from engine.report_html.page import page
from engine.report_html.report import Report
from engine.report_html.words import number
from tests.browsing import DESKTOP, PHONE, run, said, text, texts
from tests.engine.jobs.walk_forward_makers import QUICK, market, settings_for, walked
from tests.engine.report_html.reading import read
from tests.world import UNTIL, World

CHARTS = ["reliability", "roc", "outcomes", "contribution"]
LAST = "followed"
DRAWN = "#model .js-plotly-plot"
MOST_POINTS = 3_000


@pytest.fixture(scope="module")
def report(world: World, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """What a comparison of ML-off and ML-on hands to its page."""
    found: list[Report] = []

    def seen(given: Report) -> str:
        found.append(given)
        return page(given)

    out = tmp_path_factory.mktemp("seen")
    bars = ["--data", *map(str, world.files), "--start-date", str(UNTIL.astype("datetime64[D]"))]
    words = [*bars, "--model", str(world.bundle), "--ml", "compare", "--out", str(out)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.jobs.reporting.page.page", seen)
        assert run_backtest.main([*words, "--quiet"]) == 0
    return found[0]


def section_of(report: Report, **told: Any) -> str:
    """Return the section, the ensemble being told of otherwise."""
    assert report.model is not None
    made = model(replace(report, model={**report.model, **told}))
    assert made is not None
    return made.html


def of_each(browser: Chrome, selector: str, what: str) -> list[Any]:
    """Return what an expression says of each element, which it calls `it`."""
    script = f"return [...document.querySelectorAll({selector!r})].map((it) => {what})"
    found: list[Any] = run(browser, script)
    return found


def read_page(browser: Chrome, report: Report, folder: Path, size: tuple[int, int]) -> None:
    (folder / "report.html").write_text(page(report), encoding="utf-8")
    read(browser, folder / "report.html", size)


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_every_chart_is_drawn_and_described(
    browser: Chrome, report: Report, tmp_path: Path, size: tuple[int, int]
) -> None:
    read_page(browser, report, tmp_path, size)
    assert of_each(browser, DRAWN, "it.dataset.chart") == [*CHARTS, LAST]
    counts = of_each(browser, DRAWN, "it.data.reduce((sum, trace) => sum + trace.x.length, 0)")
    assert all(0 < count <= MOST_POINTS for count in counts)
    words = "it.closest('figure')?.querySelector('figcaption')?.innerText"
    assert all(of_each(browser, "#model .chart", words))
    assert all(of_each(browser, "#model th", "it.scope"))
    assert said(browser) == []
    assert run(browser, "return document.getElementById('trouble').hidden")
    assert run(browser, "return document.documentElement.scrollWidth") <= size[0]


def test_the_table_shows_what_is_told(browser: Chrome, report: Report, tmp_path: Path) -> None:
    read_page(browser, report, tmp_path, DESKTOP)
    assert report.model is not None
    for each in report.model["predictors"]:
        row = f"[data-table=predictors] tr[data-name='{each['name']}'] td"
        cells = texts(browser, row)
        assert cells[1] == f"{each['rows']:,}"
        assert cells[2] == between(each["roc_auc"])
        assert cells[3] == number(each.get("brier"), 4)
    assert skill(report.model)[0] in text(browser, "#model p")


def test_whose_answers_are_drawn_is_chosen_by_keyboard(
    browser: Chrome, report: Report, tmp_path: Path
) -> None:
    read_page(browser, report, tmp_path, DESKTOP)
    assert report.model is not None
    bins = {each["name"]: each.get("reliability") for each in report.model["predictors"]}
    run(browser, "document.querySelector('[data-predictor=svm]').focus()")
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert texts(browser, "[data-predictor][aria-pressed=true]") == ["svm"]
    points = "it.data.slice(1).flatMap((trace) => Array.from(trace.x))"
    (drawn,) = of_each(browser, "[data-chart=reliability]", points)
    assert sorted(drawn) == pytest.approx(sorted(bin_["said"] for bin_ in bins["svm"]))


def test_what_the_ensemble_has_seen_is_said_in_red(report: Report) -> None:
    assert report.model is not None
    assert "IN-SAMPLE" not in section_of(report)
    seen = section_of(report, rows={**report.model["rows"], "seen": 1234})
    assert '<p class="warning">IN-SAMPLE: the ensemble has learned from 1,234 of' in seen


def test_any_number_of_members_fits(browser: Chrome, report: Report, tmp_path: Path) -> None:
    assert report.model is not None
    ensemble, *members, baseline = report.model["predictors"]
    many = [{**members[i % len(members)], "name": f"member_of_ones_own_{i}"} for i in range(12)]
    told = {**report.model, "predictors": [ensemble, *many, baseline]}
    read_page(browser, replace(report, model=told), tmp_path, PHONE)
    assert len(texts(browser, "[data-predictor]")) == 13
    assert run(browser, "return document.documentElement.scrollWidth") <= PHONE[0]
    assert said(browser) == []


def test_nothing_judged_is_a_sentence_without_charts(
    browser: Chrome, report: Report, tmp_path: Path
) -> None:
    assert report.model is not None
    rows = {**report.model["rows"], "judged": 0, "first": None, "last": None}
    told = {**report.model, "rows": rows, "predictors": [], "bands": [], "followed": None}
    read_page(browser, replace(report, model=told), tmp_path, DESKTOP)
    assert "No answer can be judged yet." in text(browser, "#model p")
    assert said(browser) == []


def test_a_manifest_that_remembers_nothing_still_has_a_table(report: Report) -> None:
    assert report.model is not None
    forgotten = dict.fromkeys(("rows", "seconds", "roc_auc", "brier"))
    bare = [{**member, **forgotten} for member in report.model["trained"]]
    html = section_of(report, trained=bare, drift={"unknown": "its manifest is old"})
    assert "Drift was not watched: its manifest is old." in html
    assert 'data-table="trained"' in html
    assert 'data-chart="drift"' not in html


def test_a_run_whose_bundle_is_missing_says_why(
    browser: Chrome, world: World, tmp_path: Path
) -> None:
    bars = ["--data", str(world.files[0]), "--start-date", str(UNTIL.astype("datetime64[D]"))]
    words = [*bars, "--model", str(tmp_path / "nowhere"), "--ml", "auto", "--quiet"]
    assert run_backtest.main([*words, "--out", str(tmp_path / "runs")]) == 0
    (made,) = (tmp_path / "runs").glob("*/report.html")
    read(browser, made)
    assert str(tmp_path / "nowhere") in text(browser, "#model p")
    assert said(browser) == []


def test_a_run_of_which_nothing_was_gathered_says_so(report: Report) -> None:
    made = model(replace(report, model=None))
    assert made is not None
    assert "Nothing was gathered" in made.html


def test_a_run_without_ml_has_no_such_section(single: Path) -> None:
    assert 'id="model"' not in (single / "report.html").read_text()


def test_the_command_for_importance_is_one_that_the_command_takes(
    report: Report, world: World
) -> None:
    (command,) = report.importance
    words = shlex.split(command)
    assert words[0] == "evaluate_ml_ensemble.py"
    args = evaluate_ml_ensemble.make_parser().parse_args(words[1:])
    assert args.feature_importance
    assert [path.name for path in args.data] == [path.name for path in world.files]
    assert args.model.name == world.bundle.name
    assert command in unescape(section_of(report))


def test_what_was_asked_and_what_is_judged_are_two_counts(report: Report) -> None:
    """The first is that of metrics.json; a session asks about nothing else than it needs."""
    assert report.model is not None
    rows = report.model["rows"]
    (_, on) = report.document["runs"]
    assert 0 < on["ml_asked"] < rows["asked"]
    told = section_of(report)
    assert f"ML-on asked the ensemble on {on['ml_asked']:,} bars." in told
    assert f"its answers on all {rows['asked']:,} decisive bars" in told
    alone = section_of(report, rows={**rows, "asked": on["ml_asked"]})
    assert "decisive bars" not in alone[: alone.index("judged bars")]
    assert asked_words({"asked": 1}, 1, "ML-on") == ["ML-on asked the ensemble on 1 bar."]
    assert asked_words({"asked": 0}, 0, "ML-on") == ["ML-on asked the ensemble on no bar."]


@pytest.mark.parametrize(
    ("area", "words"),
    [
        ((0.6, 0.55, 0.65), "better than chance"),
        ((0.52, 0.45, 0.59), "not shown to be better"),
        ((0.4, 0.3, 0.45), "the wrong way round"),
        ((0.6, None, None), "too few days"),
        ((None, None, None), "all came out alike"),
    ],
)
def test_a_rank_is_called_what_its_interval_allows(
    report: Report, area: tuple[float | None, ...], words: str
) -> None:
    assert report.model is not None
    ensemble, *others = report.model["predictors"]
    interval = dict(zip(("value", "low", "high"), area, strict=True))
    told = {**report.model, "predictors": [{**ensemble, "roc_auc": interval}, *others]}
    assert words in skill(told)[0]


def test_what_is_left_out_is_counted_with_its_reason() -> None:
    lines = left_out(
        {"reasons": {"no bars before it": 7}, "unsettled": 3, "silent": {"svm": "gone"}}
    )
    assert lines[0] == "7 bars got no answer: no bars before it"
    assert lines[1].startswith("3 answers cannot be judged")
    assert lines[2] == "svm never answered: gone"


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WalkForwardReport]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.jobs.train.default_models", lambda *_, **__: QUICK)
        yield walked([market()], tmp_path_factory.mktemp("walked"), settings_for())


def test_a_walk_forward_is_told_window_by_window(
    browser: Chrome, windows: WalkForwardReport
) -> None:
    read(browser, windows.page)
    facts = windows.facts()["windows"]
    rows = texts(browser, "[data-table=windows] tbody tr")
    assert len(rows) == len(facts) == 3
    for row, window in zip(rows, facts, strict=True):
        assert f"{window['train_end'][:10]} to {window['test_end'][:10]}" in row
        assert number(window["candidates"]["roc_auc"], 3) in row
        for trades in window["trades"].values():
            assert f"{trades['trades']:,}" in row
    assert of_each(browser, DRAWN, "it.dataset.chart") == [
        *CHARTS,
        "window-auc",
        "window-expectancy",
        LAST,
    ]
    assert said(browser) == []
