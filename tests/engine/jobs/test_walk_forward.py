"""The walk-forward: only what was not seen is traded, and what was finished is kept."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import RunError, UsageError
from engine.jobs.backtest import runs
from engine.jobs.markets import AskedBars, cut
from engine.jobs.run_report import RunContext
from engine.jobs.run_request import RunRequest
from engine.jobs.serving import MLMode, is_in_sample
from engine.jobs.spreading.code import digest_of_code
from engine.jobs.train import learn_bundle
from engine.jobs.training_rows import training_rows
from engine.jobs.walk_forward import walk_forward
from engine.jobs.walking import bundles
from engine.jobs.walking.bundles import train_windows, windows_digest
from engine.jobs.walking.quality import answers_of, drift_table, window_scores
from engine.jobs.walking.report import WalkForwardReport
from engine.jobs.walking.windows import WindowSpec
from engine.records import Trade
from feeds.bars import Bars
from ml.analyzer import Analyzer
from ml.bundle import Bundle, load_bundle
from tests.engine.jobs.walk_forward_makers import (
    QUICK,
    SPEC,
    Given,
    altered_after,
    market,
    settings_for,
    walked,
    windows_of,
)

SETTINGS = settings_for()


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    """Let every training in this process be of three quick members."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.jobs.train.default_models", lambda *_, **__: QUICK)
        yield


@pytest.fixture(scope="module")
def bars() -> Bars:
    return market()


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("walked")


@pytest.fixture(scope="module")
def report(bars: Bars, out: Path) -> WalkForwardReport:
    return walked([bars], out, SETTINGS)


def learned(bundle: Bundle, bars: Bars) -> list[object]:
    """Return all that the members of a bundle have learned."""
    table = Analyzer(bundle).predict(bars, np.arange(450, 1200))
    files = [
        file.read_bytes()
        for file in sorted(bundle.kept.version.glob("*"))
        if file.suffix in (".ubjson", ".safetensors")
    ]
    calibrators = [member.calibrator for member in bundle.ensemble.members]
    votes = [vote.tobytes() for vote in table.votes.values()]
    return [bundle.ensemble.base_rate, calibrators, files, votes]


def key(trade: Trade) -> tuple[Any, ...]:
    return (trade.symbol, trade.decided_at, trade.closed_at, trade.exit_reason)


def test_no_bar_is_asked_of_a_bundle_that_has_seen_it(report: WalkForwardReport) -> None:
    windows = report.facts()["windows"]
    assert len(windows) == 3
    for window in windows:
        assert window["seen_until"] <= window["train_end"] < window["test_end"]
    result = report.run.results[1]
    assert result.ml_asked > 0
    assert not result.in_sample
    assert report.analyzer.digest == result.digests["windows"]
    for answers in report.answers:
        seen_until = answers.window.bundle.manifest.seen_until_ms
        assert (answers.rows.decided_at > seen_until).all()
        assert (answers.rows.decided_at <= answers.window.window.test_end).all()


def test_the_check_would_notice_a_bundle_that_has_seen_its_test(
    report: WalkForwardReport, bars: Bars
) -> None:
    tested = cut(bars, start=windows_of(bars)[0].train_end, end=None, warmup_bars=400)
    assert not is_in_sample(report.analyzer, [tested])
    analyzers = report.analyzer
    late = type(analyzers)(analyzers.analyzers[::-1], analyzers.trained_until, analyzers.digest)
    assert is_in_sample(late, [tested])


def test_labels_that_a_training_learns_from_are_known_at_its_end(
    report: WalkForwardReport, bars: Bars
) -> None:
    for answers in report.answers:
        window = answers.window.window
        rows = training_rows([bars.known_at(window.train_end)], SETTINGS)
        learned_from = rows.take(rows.decided_at > window.train_start)
        assert (learned_from.known_at <= window.train_end).all()
        training: Any = answers.window.bundle.manifest.metrics["training"]
        parts = training["parts"]
        assert parts.keys() == {"train", "stop", "calibrate"}
        kept = sum(part["rows"] for part in parts.values())
        assert kept + training["purged"] == len(learned_from)


def test_a_bar_that_closes_as_a_training_ends_is_asked_of_the_window_before(
    report: WalkForwardReport,
) -> None:
    ends = report.analyzer.trained_until
    assert report.analyzer.window_of(ends).tolist() == [-1, 0, 1]
    assert report.analyzer.window_of(ends + np.timedelta64(5, "m")).tolist() == [0, 1, 2]


def test_the_stitched_run_trades_as_separate_runs_of_the_windows_do(
    report: WalkForwardReport, bars: Bars, tmp_path: Path
) -> None:
    stitched = report.run.results[1].trades
    starts = [answers.window.window.train_end for answers in report.answers]
    assert not any(t.decided_at < start < t.closed_at for t in stitched for start in starts)
    apart: list[Trade] = []
    for answers in report.answers:
        window, analyzer = answers.window.window, Analyzer(answers.window.bundle)
        tested = cut(bars, start=window.train_end, end=window.test_end, warmup_bars=400)
        request = RunRequest(settings=SETTINGS).record("backtest", MLMode.ON, analyzer)
        context = RunContext(SETTINGS, [tested], analyzer, tmp_path, request)
        apart += runs(context, MLMode.ON).results[0].trades
    assert len(apart) > 20
    assert [key(trade) for trade in apart] == [key(trade) for trade in stitched]
    returns, same = (np.array([t.return_fraction for t in each]) for each in (apart, stitched))
    np.testing.assert_allclose(returns, same, rtol=1e-9)


def test_the_trades_of_the_windows_are_those_of_the_run(report: WalkForwardReport) -> None:
    windows = report.facts()["windows"]
    for result in report.run.results:
        counts = [window["trades"][result.label]["trades"] for window in windows]
        assert sum(counts) == len(result.trades)
        assert min(counts) > 0


def test_the_same_again_takes_up_every_window(
    report: WalkForwardReport, bars: Bars, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "learn_bundle", None)  # nobody learns
    again = walked([bars], out, SETTINGS)
    assert again.facts() == report.facts()
    assert again.run.to_json()["runs"] == report.run.to_json()["runs"]


def test_what_only_says_how_bundles_are_used_does_not_train_again(bars: Bars) -> None:
    windows = windows_of(bars)
    digest = windows_digest([bars], SETTINGS, SPEC, windows)

    def other(section: str, **changed: Any) -> str:
        part = getattr(SETTINGS, section).model_copy(update=changed)
        settings = SETTINGS.model_copy(update={section: part})
        return windows_digest([bars], settings, SPEC, windows)

    assert other("strategy", min_entry_score=5.0, ml_strong_threshold=0.8) == digest
    assert other("broker", cash=5.0) == other("training", jobs=7) == digest
    assert other("broker", fee=0.002) != digest
    assert other("strategy", rsi_oversold=25.0) != digest
    assert other("training", lookahead=9) != digest
    changed = altered_after(bars, windows[-1].train_end)
    assert windows_digest([changed], SETTINGS, SPEC, windows) != digest


def test_a_run_that_is_interrupted_loses_only_the_window_it_was_in(
    report: WalkForwardReport, bars: Bars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Path] = []

    def interrupting(*args: Any, **kwargs: Any) -> Any:
        begun.append(args[1].strategy.ml_model_path)
        if len(begun) == 2:
            raise KeyboardInterrupt
        return learn_bundle(*args, **kwargs)

    monkeypatch.setattr(bundles, "learn_bundle", interrupting)
    with pytest.raises(KeyboardInterrupt):
        walked([bars], tmp_path, SETTINGS)
    again = walked([bars], tmp_path, SETTINGS)
    assert [path.parent.name for path in begun] == [
        "window-01", "window-02", "window-02", "window-03",
    ]  # fmt: skip
    for one, other in zip(again.answers, report.answers, strict=True):
        assert learned(one.window.bundle, bars) == learned(other.window.bundle, bars)
    assert [r.trades for r in again.run.results] == [r.trades for r in report.run.results]


@pytest.mark.parametrize("spec", [SPEC, WindowSpec(48, 16, "expanding")])
def test_what_comes_after_a_training_does_not_shape_it(
    spec: WindowSpec, bars: Bars, tmp_path: Path
) -> None:
    first = windows_of(bars, spec)[:2]
    changed = altered_after(bars, first[-1].train_end)
    one, other = (
        train_windows([each], SETTINGS, first, tmp_path / name)
        for name, each in (("as-it-is", bars), ("altered", changed))
    )
    for mine, its in zip(one, other, strict=True):
        assert learned(mine.bundle, bars) == learned(its.bundle, bars)
        assert mine.record.features == its.record.features
    before = altered_after(bars, first[-1].train_end - np.timedelta64(2, "D"))
    sooner = train_windows([before], SETTINGS, first, tmp_path / "sooner")
    assert learned(sooner[0].bundle, bars) == learned(one[0].bundle, bars)
    assert learned(sooner[1].bundle, bars) != learned(one[1].bundle, bars)


def test_a_rolling_training_forgets_what_an_expanding_one_keeps(
    bars: Bars, report: WalkForwardReport, tmp_path: Path
) -> None:
    spec = WindowSpec(48, 16, "expanding")
    bundles = train_windows([bars], SETTINGS, windows_of(bars, spec), tmp_path)
    counts = [sum(_rows(each.bundle).values()) for each in bundles]
    rolling = [sum(_rows(each.window.bundle).values()) for each in report.answers]
    assert counts[0] == rolling[0]
    assert all(early < late for early, late in pairwise(counts))
    assert counts[2] > 1.3 * rolling[2]


def _rows(bundle: Bundle) -> dict[str, int]:
    training: Any = bundle.manifest.metrics["training"]
    return {name: part["rows"] for name, part in training["parts"].items()}


def test_only_the_last_bundle_keeps_bars_and_is_put_in_force_if_asked(
    report: WalkForwardReport, bars: Bars, out: Path, tmp_path: Path
) -> None:
    kept = [bool(answers.window.bundle.kept.digests) for answers in report.answers]
    assert kept == [False, False, True]
    model = tmp_path / "model"
    asked = AskedBars(Given([bars]))
    request = RunRequest(settings=SETTINGS, bars=asked, ml=MLMode.ON, out=out, model=model)
    text = walk_forward(request, SPEC).text()
    last = report.answers[-1].window.bundle
    assert load_bundle(model).digest == last.digest
    assert f"--ml on --model {model}" in text
    assert f"--model {report.last_bundle}" in report.text()
    assert "not put in force" in report.text()


def test_a_damaged_window_is_trained_again(
    bars: Bars, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    windows = windows_of(bars)[:1]
    (window,) = train_windows([bars], SETTINGS, windows, tmp_path)
    before = learned(window.bundle, bars)
    (victim,) = window.path.rglob("xgboost*")
    victim.write_bytes(b"no model")
    (again,) = train_windows([bars], SETTINGS, windows, tmp_path)
    assert "window 1" in caplog.text
    assert "damaged" in caplog.text
    assert learned(again.bundle, bars) == before


def test_a_window_that_cannot_be_trained_is_named(bars: Bars, tmp_path: Path) -> None:
    rare = settings_for(profit_threshold=0.15)
    with pytest.raises(RunError, match=r"window 1 \(train 2022-01-01 to 2022-02-18.*train part"):
        walked([bars], tmp_path, rare)


def test_the_report_says_reliability_and_drift(report: WalkForwardReport) -> None:
    facts = json.loads(json.dumps(report.to_json()))["walk_forward"]
    rows = sum(window["candidates"]["rows"] for window in facts["windows"])
    assert facts["reliability"].keys() == {*QUICK, "ENSEMBLE", "base rate alone"}
    for predictor in facts["reliability"].values():
        assert predictor["rows"] == rows == sum(each["rows"] for each in predictor["bins"])
        assert 0 <= predictor["expected_calibration_error"] <= 1
    for window, answers in zip(facts["windows"], report.answers, strict=True):
        training: Any = answers.window.bundle.manifest.metrics["training"]
        learned = training["parts"].values()
        ones = sum(part["rows"] * part["positive_rate"] for part in learned)
        assert window["base_rate"] == pytest.approx(ones / sum(part["rows"] for part in learned))
        assert set(answers.natural["base rate alone"]) == {window["base_rate"]}
    assert len(facts["drift"]["worst_features"]) == 10
    assert [each["window"] for each in facts["drift"]["windows"]] == [1, 2, 3]
    for window in facts["windows"]:
        assert window["asked"]["rows"] < window["candidates"]["rows"]
        assert window["candidates"]["roc_auc"] > 0.5
    _, _, tables = report.text().partition("windows: rows learned from")
    assert "…" not in tables
    assert all(len(line) <= 100 for line in tables.splitlines() if line.startswith("|"))


def test_a_test_without_rows_has_no_scores(report: WalkForwardReport) -> None:
    empty = answers_of(report.answers[0].window, report.answers[0].rows.take(np.empty(0, np.int64)))
    assert window_scores(empty)["candidates"]["brier"] is None
    assert drift_table([empty])["worst_features"] == []


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"ml": MLMode.OFF}, "--ml off"),
        ({"in_sample": True}, "--in-sample"),
        ({"bars": None, "model": Path("model")}, "--model"),
    ],
)
def test_flags_that_do_not_go_with_it_are_refused(
    changed: dict[str, Any], named: str, bars: Bars, tmp_path: Path
) -> None:
    given: dict[str, Any] = {"bars": AskedBars(Given([bars])), "out": tmp_path, **changed}
    with pytest.raises(UsageError, match=named):
        walk_forward(RunRequest(settings=SETTINGS, **given), SPEC)


def test_dates_bound_the_first_training_and_the_last_test(bars: Bars, tmp_path: Path) -> None:
    start, end = np.datetime64("2022-01-05", "ms"), np.datetime64("2022-03-10", "ms")
    asked = AskedBars(Given([bars]), start, end)
    request = RunRequest(settings=SETTINGS, bars=asked, ml=MLMode.ON, out=tmp_path)
    report = walk_forward(request, SPEC)
    (window,) = report.facts()["windows"]
    assert (window["train_start"], window["train_end"]) == (
        "2022-01-05T00:00:00Z", "2022-02-22T00:00:00Z",
    )  # fmt: skip
    assert window["test_end"] == "2022-03-10T00:00:00Z"
    assert report.run.data["symbols"]["BTC/USDT"]["start"] == window["train_end"]


def test_the_code_that_decides_what_is_learned_is_there_to_be_read() -> None:
    assert digest_of_code(bundles._CODE) != digest_of_code(bundles._CODE[:-1])
    with pytest.raises(FileNotFoundError):
        digest_of_code(("engine/jobs/no_such_module.py",))
