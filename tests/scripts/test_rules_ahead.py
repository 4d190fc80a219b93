"""A rule of a user's file that looks ahead stops every backtest in one line, without the audit."""

from pathlib import Path

import pytest

import run_backtest
from tests.engine.jobs.auditing.test_own_rules import RULES, SOUND
from tests.strategies.own import written
from tests.world import World

AHEAD = "above(np.append(bars.close[3:], [np.nan] * min(3, len(bars))), bars.close)"


def words(world: World, folder: Path, rises: str) -> list[str]:
    own = written(folder, RULES.format(rises=rises))
    asked = ["--data", world.files[0], "--start-date", "2022-02-16", "--end-date", "2022-02-24"]
    asked += ["--strategy", f"{own}:Own", "--ml", "off", "--quiet", "--out", folder / "runs"]
    return [str(word) for word in asked]


def test_a_backtest_with_such_a_rule_is_refused(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_backtest.main(words(world, tmp_path, AHEAD)) == 1
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert "own.py:Own: rule rise at the bar of BTC/USDT that closed at 2022-02-" in said.err
    assert "it looks ahead; let it rest on that bar and earlier ones alone (--audit" in said.err
    assert not list((tmp_path / "runs").glob("*/manifest.json"))


def windows(world: World, folder: Path, rises: str) -> list[str]:
    """Return the words of a search in two windows for how many points the rule gives."""
    space = folder / "space.toml"
    space.write_text(
        "search.fewest_trades = 2\nstrategy.points.rise = { low = 4.0, high = 8.0 }\n",
        encoding="utf-8",
    )
    more = ["--search", str(space), "--trials", "2", "--walk-forward", "train=4d,test=2d"]
    return [*words(world, folder, rises), *more]


def test_a_search_in_windows_with_such_a_rule_is_refused_before_a_set_is_tried(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_backtest.main(windows(world, tmp_path, AHEAD)) == 1
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert "own.py:Own: rule rise at the bar of BTC/USDT that closed at 2022-02-" in said.err
    assert "it looks ahead" in said.err
    assert not list((tmp_path / "runs").glob("search/*"))
    assert not list((tmp_path / "runs").glob("*/manifest.json"))


def test_a_search_in_windows_with_a_sound_one_runs(world: World, tmp_path: Path) -> None:
    assert run_backtest.main(windows(world, tmp_path, SOUND)) == 0
    assert len(list((tmp_path / "runs").glob("*/manifest.json"))) == 1


def test_a_backtest_with_a_sound_one_runs(world: World, tmp_path: Path) -> None:
    assert run_backtest.main(words(world, tmp_path, SOUND)) == 0
    assert len(list((tmp_path / "runs").glob("*/manifest.json"))) == 1


def test_a_score_that_nothing_reaches_is_no_silent_run(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "high.toml"
    config.write_text("[strategy]\nmin_entry_score = 40.0\n")
    assert run_backtest.main([*words(world, tmp_path, SOUND), "--config", str(config)]) == 0
    assert "NO ENTRY IS POSSIBLE: 40 points are needed, rules alone" in capsys.readouterr().err


def test_a_rule_that_ends_the_process_is_one_line(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_backtest.main(words(world, tmp_path, "exit(3)")) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "Own, rule rise: holds failed on" in said
    assert "line 11: SystemExit: 3" in said
