"""A search in windows: chosen on the train part, traded on the test, one account over all."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import RunError, UsageError
from engine.jobs.hybrid_run import run_batch
from engine.jobs.markets import AskedBars, Market
from engine.jobs.run_report import data_facts
from engine.jobs.run_request import RunRequest
from engine.jobs.searching.asked import AskedSearch
from engine.jobs.searching.space import applied
from engine.jobs.searching.stitching import Stretch, run_in_turn, stitched
from engine.jobs.searching.sweeping import Sweeps
from engine.jobs.searching.walking import search_windows
from engine.jobs.searching.walking_report import WindowSearchReport
from engine.jobs.serving import MLMode
from engine.jobs.settings import load_settings
from engine.jobs.showing.folder import open_run
from engine.jobs.showing.rerun import rerun
from engine.jobs.spreading.here import Processes
from engine.jobs.walking.spans import part
from engine.jobs.walking.windows import WindowSpec
from engine.statistics.trials import trials
from feeds.bars import Bars
from feeds.moments import parse_utc
from strategies.evidence import evidence_table
from strategies.views import BatchViews
from tests.engine.jobs.searching.page_tables import cells
from tests.engine.jobs.walk_forward_makers import (
    QUICK,
    SPEC,
    Given,
    altered_after,
    market,
    settings_for,
    windows_of,
)
from tests.test_run_folder_docs import tables

SPACE = """
search = { fewest_trades = 5 }
strategy.min_entry_score = { low = 3.0, high = 6.0, step = 0.5 }
strategy.exits.take_profit = { low = 0.4, high = 3.0, log = true }
strategy.exits.stop_loss = { low = 0.4, high = 3.0, log = true }
strategy.exits.max_bars = { low = 3, high = 40 }
"""
SETTINGS = load_settings()


def searched(
    markets: list[Bars],
    folder: Path,
    *,
    text: str = SPACE,
    trials: int = 20,
    spec: WindowSpec = SPEC,
    **said: Any,
) -> WindowSearchReport:
    path = folder / "space.toml"
    path.write_text(text, encoding="utf-8")
    asked = AskedBars(Given(markets))
    request = RunRequest(**{"settings": SETTINGS, "bars": asked, "out": folder / "runs", **said})
    return search_windows(request, AskedSearch(space=path, trials=trials), spec)


@pytest.fixture(scope="module")
def bars() -> list[Bars]:
    return [market("BTC/USDT"), market("ETH/USDT")]


@pytest.fixture(scope="module")
def report(bars: list[Bars], tmp_path_factory: pytest.TempPathFactory) -> WindowSearchReport:
    return searched(bars, tmp_path_factory.mktemp("windows"))


def test_each_test_is_traded_with_what_its_train_part_chose(
    report: WindowSearchReport, bars: list[Bars]
) -> None:
    cash = SETTINGS.broker.cash
    told = []
    for each in report.windows:
        best = each.found.best
        assert best is not None
        settings = applied(SETTINGS, best.values)
        own = [
            part(Market(b, 0), settings, each.window.train_end, each.window.test_end) for b in bars
        ]
        broker = settings.broker.model_copy(update={"cash": cash})
        tables = {m.bars.symbol: evidence_table(m.bars, settings.strategy) for m in own}
        views = BatchViews(tables, settings.strategy)
        ran = run_batch(own, views, settings.model_copy(update={"broker": broker})).execution
        assert len(ran.trades) == each.searched.trades
        cash = float(ran.equity.equity[-1])
        told += list(ran.trades)
    (result,) = report.run.results
    assert list(result.trades) == told
    assert result.equity.equity[-1] == cash
    assert result.metrics.total_return == cash / SETTINGS.broker.cash - 1.0


def test_the_stitched_run_is_one_account_over_all_tests(
    report: WindowSearchReport, bars: list[Bars]
) -> None:
    (result,) = report.run.results
    assert result.equity.time[0] > report.windows[0].window.train_end
    assert result.equity.time[-1] == bars[0].closed_at[-1]
    assert (np.diff(result.equity.time) > np.timedelta64(0)).all()
    assert sum(each.searched.trades for each in report.windows) == len(result.trades)
    start = report.windows[0].window.train_end
    whole = {each.symbol: part(Market(each, 0), SETTINGS, start, None).bars for each in bars}
    for fill in result.fills:
        assert whole[fill.symbol].time[fill.bar] == fill.filled_at


def test_stretches_with_equal_settings_and_nothing_open_between_are_one_run(
    bars: list[Bars],
) -> None:
    """A position that spans the border is the only difference to a run in one go."""
    start, end = bars[0].time[5_000], bars[0].time[15_000]
    whole = [part(Market(b, 0), SETTINGS, start, end) for b in bars]
    one_go = run_batch(
        whole,
        BatchViews(
            {m.bars.symbol: evidence_table(m.bars, SETTINGS.strategy) for m in whole},
            SETTINGS.strategy,
        ),
        SETTINGS,
    ).execution
    held = [(t.decided_at, t.closed_at) for t in one_go.trades]
    border = next(
        each
        for each in bars[0].time[9_000:]
        if not any(a <= each <= b + np.timedelta64(5, "m") for a, b in held)
    )
    stretches = [
        Stretch(SETTINGS, [part(Market(b, 0), SETTINGS, x, y) for b in bars], None)
        for x, y in ((start, border), (border, end))
    ]
    ran = [run for run, _ in run_in_turn(stretches)]
    joined = stitched(ran, stretches, whole).execution
    for name in ("symbol", "decided_at", "opened_at", "closed_at", "exit_reason"):
        assert [getattr(t, name) for t in joined.trades] == [
            getattr(t, name) for t in one_go.trades
        ]
    for told, once in ((joined.fills, one_go.fills), (joined.trades, one_go.trades)):
        # The border adds the account up once more: the last digits may differ.
        assert [f.units for f in told] == pytest.approx([f.units for f in once], rel=1e-12)
    assert [(f.bar, f.price) for f in joined.fills] == [(f.bar, f.price) for f in one_go.fills]
    np.testing.assert_allclose(joined.equity.equity, one_go.equity.equity, rtol=1e-12)
    assert joined.clock.moments == one_go.clock.moments


def test_what_comes_after_a_window_changes_nothing_in_it(
    report: WindowSearchReport, bars: list[Bars], tmp_path: Path
) -> None:
    first = windows_of(bars[0])[0]
    changed = [altered_after(each, first.train_end) for each in bars]
    again = searched(changed, tmp_path)
    assert [t.to_json() for t in again.windows[0].found.trials] == [
        t.to_json() for t in report.windows[0].found.trials
    ]
    assert again.windows[0].searched != report.windows[0].searched
    assert again.windows[1].found.trials[0].score != report.windows[1].found.trials[0].score


def test_a_window_that_was_searched_is_taken_up(
    report: WindowSearchReport, bars: list[Bars], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sweeps, "run", None)  # nothing is run again
    again = searched(bars, report.folder.parent.parent)
    assert again.facts() == {**report.facts(), "looked_at": again.worth.looked_at}
    assert again.run.results[0].trades == report.run.results[0].trades


def test_the_answer_tells_each_window_and_what_the_settings_alone_come_to(
    report: WindowSearchReport,
) -> None:
    found = json.loads(json.dumps(report.to_json(), allow_nan=False))["search"]
    assert found["trials"] == sum(each["trials"] for each in found["windows"]) == 60
    assert found["best"] == found["windows"][-1]["best"]
    assert found["configured"]["trades"] > 0
    assert 0.0 <= found["deflated_sharpe"] <= 1.0
    assert found["looked_at"] == 60  # the configured set is among them
    pbos = [each["pbo"] for each in found["windows"] if each["pbo"] is not None]
    assert found["pbo"] == pytest.approx(np.mean(pbos))
    text = report.text()
    assert "refused by the settings" not in text
    for word in ("Trained on", "Configured", "Window 3", "flattered", "Deflated Sharpe"):
        assert word in text
    assert (report.folder / f"{report.run.run_dir.name}.json").exists()


def test_every_key_of_it_is_on_the_page_about_run_folders(report: WindowSearchReport) -> None:
    found = report.to_json()["search"]
    of_windows = {"compared", "refused", "importance"}
    beside = tables()["A search", "of a search"] - of_windows - {"table"}
    assert set(found) == beside | tables()["A search", "in windows"]
    for window in found["windows"]:
        assert set(window) == tables()["A window of a search", "of a window"]
        assert set(window) >= of_windows


def test_a_window_tells_how_many_sets_the_settings_refuse(bars: list[Bars], tmp_path: Path) -> None:
    text = """
    search = { sampler = "grid", fewest_trades = 2 }
    protections.max_losses_in_a_row = { choices = ["none", 5] }
    protections.losing_streak_pause_bars = { choices = ["none", 20] }
    """
    made = searched(bars[:1], tmp_path, text=text, trials=4)
    windows = made.facts()["windows"]
    assert [(each["trials"], each["refused"]) for each in windows] == [(4, 1)] * 3
    assert "12 sets tried, 3 of them refused by the settings; the run" in made.text()
    heads, *rows = cells(made.page, "windows")
    assert [dict(zip(heads, row, strict=True))["Refused"] for row in rows] == ["1"] * 3
    heads, *rows = cells(made.page, "keys")
    assert heads == ["Key", "Window 1", "Window 2", "Window 3"]
    assert [row[0] for row in rows] == list(made.facts()["space"])


def different(*reports: WindowSearchReport) -> set[str]:
    """Return the sets that were tried, however often and in how many windows."""
    every = [trial for report in reports for each in report.windows for trial in each.found.trials]
    return {repr(sorted(trial.values.items())) for trial in every if trial.outcome is not None}


def test_sets_of_its_windows_and_of_other_searches_are_counted_together(
    bars: list[Bars], tmp_path: Path
) -> None:
    first = searched(bars[:1], tmp_path, trials=8)
    other = load_settings(overrides={"seed": 7})
    second = searched(bars[:1], tmp_path, trials=5, settings=other)
    assert (first.worth.looked_at, second.trials) == (24, 15)
    known = different(first, second)
    assert second.worth.looked_at == 15 + len(known) - len(different(second)) > 15
    later = trials(tmp_path / "runs", data_facts([Market(bars[0], 0)]), [])
    assert later.count == len(known)
    elsewhere = trials(tmp_path / "runs", data_facts([Market(bars[0][:1000], 0)]), [])
    assert elsewhere.count == 0  # simulated bars that nothing was cut from


def test_its_run_is_a_folder_with_a_page_that_says_how_it_is_made_again(
    report: WindowSearchReport,
) -> None:
    run = open_run(str(report.run.run_dir), report.run.run_dir.parent)
    assert run.manifest.request.command == "search"
    assert report.page.stat().st_size > 10_000
    with pytest.raises(RunError, match=r"run_backtest\.py --search"):
        rerun(run)


def test_a_window_without_a_set_to_compare_is_traded_as_configured(
    bars: list[Bars], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = SPACE.replace("fewest_trades = 5", "fewest_trades = 100000")
    made = searched(bars[:1], tmp_path, text=text, trials=4)
    assert [each.found.best for each in made.windows] == [None] * 3
    assert all(each.searched == each.configured for each in made.windows)
    assert made.facts()["best"] is None
    assert "so it is traded as configured" in caplog.text
    assert "-" in made.text()


@pytest.mark.parametrize("mode", [MLMode.COMPARE, MLMode.AUTO])
def test_modes_that_are_two_runs_are_refused(
    bars: list[Bars], tmp_path: Path, mode: MLMode
) -> None:
    with pytest.raises(UsageError, match=f"found --ml {mode.value}"):
        searched(bars, tmp_path, ml=mode)


def test_workers_without_anything_to_train_are_refused(bars: list[Bars], tmp_path: Path) -> None:
    (tmp_path / "space.toml").write_text(SPACE, encoding="utf-8")
    request = RunRequest(settings=SETTINGS, bars=AskedBars(Given(bars)), out=tmp_path / "runs")
    asked = AskedSearch(space=tmp_path / "space.toml")
    with pytest.raises(UsageError, match="with --search it goes with --ml on"):
        search_windows(request, asked, SPEC, Processes(2))


def test_bundles_of_ones_own_are_refused(bars: list[Bars], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="train a bundle for each window"):
        searched(bars, tmp_path, model=tmp_path)


WITH_ML = """
search = { fewest_trades = 3 }
strategy.min_entry_score = { low = 3.0, high = 6.0, step = 0.5 }
strategy.ml_entry_threshold = { low = 0.5, high = 0.7 }
strategy.points.ml_strong = { low = 0.0, high = 4.0 }
"""


@pytest.fixture(scope="module")
def asked(bars: list[Bars], tmp_path_factory: pytest.TempPathFactory) -> WindowSearchReport:
    """A search in windows under ensembles of quick members."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.jobs.train.default_models", lambda *_, **__: QUICK)
        folder = tmp_path_factory.mktemp("asked")
        return searched(bars[:1], folder, text=WITH_ML, settings=settings_for(), ml=MLMode.ON)


def test_an_ensemble_is_asked_on_bars_that_no_member_has_learned_from(
    asked: WindowSearchReport,
) -> None:
    (result,) = asked.run.results
    assert (result.label, result.in_sample) == ("on", False)
    assert result.ml_asked > 0
    for each in asked.windows:
        (own,) = each.found.ground.markets
        ensemble = each.found.ground.ensemble
        assert ensemble is not None
        parts: Any = ensemble.bundle.manifest.metrics["training"]
        first = own.bars.time[own.first]
        assert first >= parse_utc(parts["parts"]["stop"]["last"])
        assert first >= each.window.train_start
        assert own.bars.closed_at[-1] <= each.window.train_end <= ensemble.seen_until
        assert len({trial.score for trial in each.found.trials}) > 1


def test_each_test_is_asked_of_the_ensemble_of_its_window(asked: WindowSearchReport) -> None:
    digests = [e.found.ground.ensemble.digest for e in asked.windows if e.found.ground.ensemble]
    assert len(set(digests)) == len(asked.windows) == 3
    decided = asked.run.results[0].decisions
    answered = decided[decided["ml"] == "answered"]
    assert len(answered) == asked.run.results[0].ml_asked
