"""A search from request to answer: the Engine confirms the best, and every trial is counted."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import ConfigError, RunError, UsageError
from engine.jobs.markets import AskedBars, BarFiles
from engine.jobs.run_report import data_facts
from engine.jobs.run_request import RunRequest
from engine.jobs.search import search
from engine.jobs.searching.asked import AskedSearch
from engine.jobs.searching.confirming import check_same
from engine.jobs.searching.report import SearchReport
from engine.jobs.searching.trial import Objective, best_of
from engine.jobs.serving import MLMode
from engine.jobs.settings import Settings, load_settings
from engine.jobs.showing.folder import open_run
from engine.jobs.showing.rerun import rerun
from engine.labels import FIGURES
from engine.report_html.words import typeset
from engine.statistics.trials import trials
from tests.engine.jobs.searching.page_tables import cells
from tests.engine.jobs.walk_forward_makers import Given
from tests.world import UNTIL, World

SPACE = """
search = { fewest_trades = 10 }
strategy.min_entry_score = { low = 3.0, high = 7.0, step = 0.5 }
strategy.rsi_oversold = { choices = [25, 30, 35] }
strategy.points.macd = { low = 0.0, high = 2.0 }
strategy.exits.unit = { choices = ["percent", "atr"] }
strategy.exits.take_profit = { low = 0.5, high = 3.0, log = true }
strategy.exits.trailing_stop = { choices = ["none", 1.0] }
strategy.exits.max_bars = { low = 3, high = 40 }
strategy.entry.order = { choices = ["market", "limit"] }
strategy.sizing.method = { choices = ["fraction", "risk"] }
protections.cooldown_bars = { choices = ["none", 12] }
protections.max_drawdown = { choices = ["none", 0.1] }
"""
WITH_ML = """
search = { fewest_trades = 10 }
strategy.min_entry_score = { low = 3.0, high = 7.0, step = 0.5 }
strategy.ml_entry_threshold = { low = 0.5, high = 0.7 }
strategy.points.ml_strong = { low = 0.0, high = 4.0 }
strategy.points.ml_avoid = { low = -4.0, high = 0.0 }
"""


def space(folder: Path, text: str) -> Path:
    path = folder / "space.toml"
    path.write_text(text, encoding="utf-8")
    return path


def request(
    world: World, out: Path, *, settings: Settings | None = None, **said: Any
) -> RunRequest:
    asked = AskedBars(Given(world.bars), start=UNTIL if "ml" in said else None)
    return RunRequest(settings=settings or load_settings(), bars=asked, out=out, **said)


def searched(world: World, folder: Path, text: str = SPACE, **said: Any) -> SearchReport:
    """Search in a folder; what is not of the request is of the search."""
    words = {name: said.pop(name) for name in ("trials", "objective", "storage") if name in said}
    asked = AskedSearch(space=space(folder, text), **{"trials": 40, **words})
    return search(request(world, folder / "runs", **said), asked)


@pytest.fixture(scope="module")
def report(world: World, tmp_path_factory: pytest.TempPathFactory) -> SearchReport:
    return searched(world, tmp_path_factory.mktemp("search"))


def test_the_answer_says_what_was_tried_and_what_it_is_worth(report: SearchReport) -> None:
    found = json.loads(json.dumps(report.to_json(), allow_nan=False))["search"]
    assert found["trials"] == 40
    assert 0 < found["compared"] <= 40
    assert set(found["best"]["values"]) == set(found["space"])
    assert found["best"]["score"] == max(each["score"] for each in found["table"])
    assert 0.0 <= found["pbo"] <= 1.0
    assert 0.0 <= found["deflated_sharpe"] <= 1.0
    assert sum(found["importance"].values()) == pytest.approx(1.0)
    assert "flattered" in found["warning"]
    for word in (
        "flattered",
        "Deflated Sharpe",
        "Probability of backtest overfitting",
        "Importance",
    ):
        assert word in report.text()


def test_the_engine_came_to_the_same_as_the_sweep(report: SearchReport) -> None:
    (result,) = report.run.results
    outcome = report.best.outcome
    assert outcome is not None
    assert outcome.figures.trades == len(result.trades) >= 10
    assert outcome.figures.expectancy == result.metrics.expectancy
    assert outcome.figures.sharpe == result.metrics.sharpe
    assert outcome.figures.max_drawdown == result.metrics.max_drawdown
    assert {trade.symbol for trade in result.trades} == {"BTC/USDT", "ETH/USDT"}


def test_an_engine_that_disagrees_is_an_error(report: SearchReport) -> None:
    outcome = report.best.outcome
    assert outcome is not None
    other = replace(outcome.figures, win_rate=0.123)
    with pytest.raises(RunError, match=r"the sweep and the Engine must come to the same.*win_rate"):
        check_same(other, report.best)


def test_the_run_of_the_best_says_that_it_was_chosen(report: SearchReport) -> None:
    (result,) = report.run.results
    assert result.flattery[0].startswith("chosen: the best of 40 sets")
    manifest = json.loads((report.run.run_dir / "manifest.json").read_text())
    assert manifest["request"]["options"] == {"best_of": 40}
    assert "best of 40 sets" in report.page.read_text(encoding="utf-8")


def test_the_run_of_the_best_can_be_made_again(report: SearchReport, world: World) -> None:
    """By a request for its settings; bars of a program cannot be asked for again."""
    run = open_run(str(report.run.run_dir), report.run.run_dir.parent)
    with pytest.raises(RunError, match="nobody can read them"):
        rerun(run)


def test_every_trial_is_counted_and_none_twice(report: SearchReport) -> None:
    out = report.run.run_dir.parent
    known = trials(out, data_facts(report.found.ground.markets), [])
    again = trials(out, data_facts(report.found.ground.markets), report.run.results)
    different = {repr(sorted(t.values.items())) for t in report.trials if t.outcome is not None}
    assert known.count == again.count == report.worth.looked_at == len(different)
    assert len(known.sharpes) <= known.count
    assert len(known.sharpes) >= len(best_of(report.trials))
    assert known.unreadable == 0


def test_a_damaged_count_is_told_and_no_run_fails_of_it(world: World, tmp_path: Path) -> None:
    made = searched(world, tmp_path, trials=5)
    (made.found.folder / "tried.json").write_text("{")
    found = trials(tmp_path / "runs", data_facts(made.found.ground.markets), [])
    assert (found.count, found.unreadable) == (1, 1)


def test_the_same_search_goes_on_and_comes_to_the_same(
    report: SearchReport, world: World, tmp_path: Path
) -> None:
    begun = searched(world, tmp_path, trials=23)
    ended = searched(world, tmp_path)
    assert len(begun.trials) == 23
    assert [t.to_json() for t in ended.trials] == [t.to_json() for t in report.trials]
    assert ended.found.folder == begun.found.folder
    assert ended.run.results[0].metrics == report.run.results[0].metrics
    assert ended.worth == report.worth


def test_other_bars_seeds_spaces_and_objectives_are_other_searches(
    world: World, tmp_path: Path
) -> None:
    text = "search.fewest_trades = 2\nstrategy.min_entry_score = { low = 3.0, high = 6.0 }"
    folders = [
        searched(world, tmp_path, text, trials=3).found.folder,
        searched(world, tmp_path, text, trials=3, objective=Objective.SHARPE).found.folder,
        searched(world, tmp_path, text.replace("6.0", "5.5"), trials=3).found.folder,
        searched(
            world, tmp_path, text, trials=3, settings=load_settings(overrides={"seed": 4})
        ).found.folder,
        searched(
            replace(world, bars=world.bars[:1]), tmp_path, text, trials=3
        ).found.folder,
    ]  # fmt: skip
    assert len(set(folders)) == len(folders)


@pytest.mark.parametrize("objective", Objective)
def test_the_best_is_the_best_by_the_objective(
    world: World, tmp_path: Path, objective: Objective
) -> None:
    made = searched(world, tmp_path, trials=16, objective=objective)
    scores = [
        getattr(trial.outcome.figures, objective.value)
        for trial in made.trials
        if trial.outcome is not None and trial.outcome.figures.trades >= 10
    ]
    assert made.best.score == max(score for score in scores if score is not None)


def test_page_and_console_write_sets_alike(report: SearchReport) -> None:
    text = report.text().partition("the best set, run on the Engine")[0]
    lines = [line.strip("| ").split(" | ") for line in text.splitlines()]
    rows = {line[0].strip(): [typeset(each.strip()) for each in line[1:]] for line in lines}
    sets, keys = (cells(report.page, name) for name in ("sets", "keys"))
    figures = ("trades", "expectancy", "profit_factor", "sharpe", "total_return", "max_drawdown")
    written = list(zip(*(rows[FIGURES[name]] for name in figures), strict=True))
    assert len(written) == 4
    assert [tuple(row[1:7]) for row in sets[1:5]] == written
    assert keys[0] == ["Key", "Importance", *(rows["Figure"])]
    assert [row[0] for row in keys[1:]] == [name for name in rows if name in report.space.spans]
    assert all(row[1:] == rows[row[0]] for row in keys[1:])


def test_sets_that_trade_too_little_are_not_compared(world: World, tmp_path: Path) -> None:
    text = SPACE.replace("fewest_trades = 10", "fewest_trades = 100000")
    with pytest.raises(RunError, match=r"none of 5 sets can be compared: each needs 100000 trades"):
        searched(world, tmp_path, text, trials=5)


def test_a_space_without_the_settings_at_hand_says_so(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = "search.fewest_trades = 2\nstrategy.min_entry_score = { low = 3.0, high = 5.0 }"
    made = searched(world, tmp_path, text, trials=3)
    (said,) = [m for m in caplog.messages if "settings at hand" in m]
    assert "strategy.min_entry_score = 6: widen" in said
    assert all(trial.values["strategy.min_entry_score"] != 6.0 for trial in made.trials)


def test_sets_that_the_settings_refuse_are_told_apart(world: World, tmp_path: Path) -> None:
    text = """
    search = { sampler = "grid", fewest_trades = 2 }
    protections.max_losses_in_a_row = { choices = ["none", 5] }
    protections.losing_streak_pause_bars = { choices = ["none", 20] }
    """
    made = searched(world, tmp_path, text, trials=None)
    found = made.to_json()["search"]
    assert (found["trials"], found["refused"]) == (4, 1)
    (refused,) = [trial for trial in made.trials if trial.refused]
    assert refused.values == {
        "protections.max_losses_in_a_row": None,
        "protections.losing_streak_pause_bars": 20,
    }
    assert "losing_streak_pause_bars says how long" in refused.refused


def test_with_an_ensemble_its_word_is_part_of_each_set(world: World, tmp_path: Path) -> None:
    made = searched(world, tmp_path, WITH_ML, settings=world.settings(), ml=MLMode.ON, trials=24)
    (result,) = made.run.results
    assert result.label == "on"
    assert result.ml_asked > 0
    assert len({t.score for t in made.trials}) > 3


def test_a_comparison_goes_on_with_the_best(world: World, tmp_path: Path) -> None:
    made = searched(
        world, tmp_path, WITH_ML, settings=world.settings(), ml=MLMode.COMPARE, trials=5
    )
    found = made.to_json()
    assert [run["ml"] for run in found["runs"]] == ["off", "on"]
    assert found["comparison"]["sharpe"]["trials"] >= 5


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        (WITH_ML, MLMode.OFF, "changes nothing without the ensemble"),
        (SPACE, MLMode.ON, "strategy.rsi_oversold cannot be searched for with the ensemble"),
        (
            "strategy.exits.max_bars = { low = 5, high = 9 }",
            MLMode.ON,
            "the bundle was trained for exits.max_bars",
        ),
    ],
)
def test_what_changes_nothing_or_breaks_the_bundle_is_refused(
    world: World, tmp_path: Path, text: str, mode: MLMode, why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        searched(world, tmp_path, text, settings=world.settings(), ml=mode)


def test_a_space_that_is_not_there_is_told_in_one_line(world: World, tmp_path: Path) -> None:
    asked = AskedSearch(space=tmp_path / "none.toml")
    with pytest.raises(ConfigError, match=r"--search must name a file, found none at .*none.toml"):
        search(request(world, tmp_path / "runs"), asked)


def test_days_are_kept_to_the_last_bit(report: SearchReport) -> None:
    outcome = report.best.outcome
    assert outcome is not None
    again = type(outcome).from_json(json.loads(json.dumps(outcome.to_json())))
    np.testing.assert_array_equal(again.daily, outcome.daily)
    assert again.figures == outcome.figures


@pytest.mark.real_data
def test_on_real_bars_of_several_symbols_the_engine_comes_to_the_same(
    real_bars_dir: Path, tmp_path: Path
) -> None:
    files = [real_bars_dir / f"binance_{coin}-USDT_5m.parquet" for coin in ("BTC", "ETH", "SOL")]
    bars = AskedBars(
        BarFiles(files), np.datetime64("2023-01-01", "ms"), np.datetime64("2023-04-15", "ms")
    )
    asked = AskedSearch(space=space(tmp_path, SPACE), trials=64, objective=Objective.SHARPE)
    made = search(RunRequest(settings=load_settings(), bars=bars, out=tmp_path / "runs"), asked)
    outcome = made.best.outcome
    assert outcome is not None
    assert outcome.figures.trades >= 30
    assert made.worth.pbo is not None
