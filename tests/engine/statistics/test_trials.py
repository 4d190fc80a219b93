"""Trials: configurations that were looked at on the same bars, however often and wherever kept."""

import logging
import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.jobs.markets import Market
from engine.jobs.searching.record import Ground, search_digest
from engine.jobs.searching.space import SearchConfig, Space
from engine.jobs.searching.trial import Objective
from engine.jobs.settings import Settings, load_settings
from engine.result import RunResult
from engine.run_folder import save_run
from engine.statistics.trials import (
    IDLE,
    Searched,
    Trials,
    configuration_of,
    keep_searched,
    trials,
)
from feeds.clock import FixedClock
from tests.engine.run_makers import make_curve, make_result
from tests.makers import make_bars

DIGESTS = {"BTC/USDT": "ab12"}
SPACE = Space(SearchConfig(), {})
BARS = make_bars(10)


def data(
    *, start: str = "2024-01-01", end: str = "2024-02-01", symbol: str = "BTC/USDT", **more: Any
) -> dict[str, Any]:
    facts = {"start": f"{start}T00:00:00Z", "end": f"{end}T00:00:00Z", "digest": "ab12"}
    return {"synthetic": False, "timeframe": "5m", "symbols": {symbol: facts | more}}


def settings(**strategy: Any) -> dict[str, Any]:
    return {"seed": 1, "broker": {"fee": 0.001}, "strategy": {"entry_score": 6.0} | strategy}


def run(label: str = "off", *, sharpe: float | None = 1.0, **strategy: Any) -> RunResult:
    """Return a run whose metrics have that Sharpe ratio per year."""
    made = make_result(label, config=settings(**strategy))
    return replace(made, metrics=replace(made.metrics, sharpe=sharpe))


def keep(out: Path, result: RunResult, *, day: int = 1, **about: Any) -> Path:
    clock = FixedClock(datetime(2024, 3, day, tzinfo=UTC))
    return save_run([result], None, data(**about), out, clock=clock)


def ground(of: Settings) -> Ground:
    return Ground(of, [Market(BARS, 0)], None)


def test_without_folders_only_the_runs_at_hand_count(tmp_path: Path) -> None:
    found = trials(tmp_path / "none", data(), [run("off"), run("on")])
    daily = 1.0 / math.sqrt(365.0)
    assert found == Trials(count=2, sharpes=(daily,), unreadable=0)  # that of ML-on


def test_a_configuration_counts_once_with_the_ratio_of_its_latest_run(tmp_path: Path) -> None:
    keep(tmp_path, run("on", sharpe=1.0, entry_score=7.0), day=2)
    keep(tmp_path, run("on", sharpe=9.0, entry_score=7.0), day=1)
    keep(tmp_path, run("on", sharpe=2.0, entry_score=8.0))
    keep(tmp_path, run("on", sharpe=9.0), day=3)
    found = trials(tmp_path, data(), [run("on", sharpe=3.0)])
    assert found.count == 3
    assert sorted(found.sharpes) == pytest.approx([n / math.sqrt(365.0) for n in (1, 2, 3)])


@pytest.mark.parametrize(
    ("about", "counts"),
    [
        ({"start": "2024-01-31", "end": "2024-03-01"}, True),
        ({"start": "2024-02-01", "end": "2024-03-01"}, False),
        ({"start": "2023-01-01", "end": "2024-01-01"}, False),
        ({"start": "2023-01-01", "end": "2025-01-01", "digest": "other"}, True),
        ({"symbol": "ETH/USDT"}, False),
    ],
)
def test_only_runs_that_saw_a_symbol_at_the_same_time_count(
    tmp_path: Path, about: dict[str, Any], counts: bool
) -> None:
    keep(tmp_path, run(entry_score=7.0), **about)
    assert trials(tmp_path, data(), [run()]).count == 1 + counts


@pytest.mark.parametrize(("digest", "counts"), [("ab12", True), ("cd34", False)])
def test_simulated_markets_are_the_same_only_with_the_same_bars(
    tmp_path: Path, digest: str, counts: bool
) -> None:
    simulated = {**data(digest=digest), "synthetic": True}
    save_run([run(entry_score=7.0)], None, simulated, tmp_path)
    assert trials(tmp_path, {**data(), "synthetic": True}, [run()]).count == 1 + counts


@pytest.mark.parametrize(
    ("about", "counts"),
    [
        ({"cut_from": "ab12"}, True),
        ({"cut_from": "ab12", "start": "2023-12-01", "end": "2024-01-01"}, False),
        ({"cut_from": "cd34"}, False),
    ],
)
def test_of_simulated_bars_a_part_that_a_search_has_seen_counts_for_the_whole(
    tmp_path: Path, about: dict[str, Any], counts: bool
) -> None:
    part = {**data(digest="part", **about), "synthetic": True}
    key = configuration_of("off", settings(entry_score=7.0), {})
    keep_searched(tmp_path / "search" / "one" / "tried.json", Searched.of(part, {key: 1.0}))
    assert trials(tmp_path, {**data(), "synthetic": True}, [run()]).count == 1 + counts


def test_what_the_own_search_has_tried_counts_beside_what_is_kept(tmp_path: Path) -> None:
    keep(tmp_path, run("on", sharpe=1.0, entry_score=7.0))
    keep(tmp_path, run("on", sharpe=2.0, entry_score=8.0))
    tried = {
        configuration_of("off", settings(entry_score=score), {}): sharpe
        for score, sharpe in ((6.0, 9.0), (7.0, 4.0), (9.0, None))
    } | {configuration_of("on", settings(entry_score=8.0), DIGESTS): 5.0}
    found = trials(tmp_path, data(), [run(sharpe=3.0)], tried)
    assert found.count == 5
    assert sorted(found.sharpes) == pytest.approx([n / math.sqrt(365.0) for n in (1, 3, 4, 5)])


def test_what_decides_no_trade_makes_no_other_configuration(tmp_path: Path) -> None:
    keep(tmp_path, run(ml_model_path="elsewhere"))
    assert trials(tmp_path, data(), [run(ml_model_path="here")]).count == 1


@pytest.mark.parametrize("ensemble", ["bundle", "windows"])
def test_another_ensemble_is_another_configuration(ensemble: str, tmp_path: Path) -> None:
    on = make_result("on", config=settings(), digests=DIGESTS | {ensemble: "one"})
    keep(tmp_path, on)
    other = make_result("on", config=settings(), digests=DIGESTS | {ensemble: "two"})
    assert trials(tmp_path, data(), [other]).count == 2
    assert trials(tmp_path, data(), [on]).count == 1


def test_a_run_without_a_ratio_counts_all_the_same(tmp_path: Path) -> None:
    keep(tmp_path, make_result(config=settings(), equity=make_curve([1000.0])))
    keep(tmp_path, run(sharpe=None, entry_score=7.0))
    found = trials(tmp_path, data(), [run(sharpe=None)])
    assert (found.count, found.sharpes) == (2, ())


DAMAGE = {
    "no metrics": ("metrics.json", None),
    "cut off": ("metrics.json", '{"runs": ['),
    "another shape": ("metrics.json", "[1, 2]"),
    "no configuration of the run": ("config.json", "{}"),
    "not a number": ("metrics.json", '{"data": {}, "runs": [{"ml": "off"}]}'),
    "bottomless": ("manifest.json", "[" * 100_000),
    "bytes": ("manifest.json", "\udcff"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_folders_are_passed_over_and_counted(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    name, text = DAMAGE[kind]
    file = keep(tmp_path, run(entry_score=7.0)) / name
    if text is None:
        file.unlink()
    else:
        file.write_text(text, encoding="utf-8", errors="surrogateescape")
    keep(tmp_path, run(entry_score=8.0))
    with caplog.at_level(logging.INFO, "tandem.run"):
        found = trials(tmp_path, data(), [run()])
    assert (found.count, found.unreadable) == (2, 1)
    assert "damaged: 1" in caplog.text


def test_what_is_not_named_as_a_run_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "walk_forward").mkdir()
    (tmp_path / ".20240101T000000Z-aa.part").mkdir()
    (tmp_path / "file.json").write_text("{}")
    found = trials(tmp_path, data(), [run()])
    assert (found.count, found.unreadable) == (1, 0)


def test_what_is_said_to_decide_nothing_is_there_to_be_set() -> None:
    config = Settings().model_dump(mode="json")
    assert config.keys() >= IDLE.keys()
    assert [name for name, keys in IDLE.items() if keys and not keys <= config[name].keys()] == []


@pytest.mark.parametrize(
    ("altered", "decides"),
    [
        ({"seed": 3}, False),
        ({"data": {"store": "elsewhere"}}, False),
        ({"data": {"fill_limit": 1}}, True),
        ({"paper": {"confirm": "doubt"}}, False),
        ({"training": {"lookahead": 9}}, False),
        ({"strategy": {"use_ml_ensemble": False}}, False),
        ({"strategy": {"min_entry_score": 4.5}}, True),
        ({"protections": {"cooldown_bars": 3}}, True),
    ],
)
def test_runs_and_searches_agree_on_what_decides_a_trade(
    altered: dict[str, Any], *, decides: bool
) -> None:
    plain, other = (load_settings(overrides=each) for each in ({}, altered))
    keys = {configuration_of("off", each.model_dump(mode="json"), {}) for each in (plain, other)}
    assert len(keys) == 1 + decides
    digests = {search_digest(ground(each), SPACE, Objective.SHARPE) for each in (plain, other)}
    assert len(digests) == 1 + (decides or "seed" in altered)  # a seed decides what is tried
