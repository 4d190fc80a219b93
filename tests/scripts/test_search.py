"""Searches from the command line."""

import json
import re
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import show_run
from engine.jobs.searching.trial import Figures
from engine.labels import FIGURES
from run_backtest import main
from tests.test_run_folder_docs import PAGE as RUN_FOLDER
from tests.test_run_folder_docs import tables
from tests.world import World

SPACE = """
search = { fewest_trades = 5 }
strategy.min_entry_score = { low = 3.0, high = 6.0, step = 0.5 }
strategy.exits.take_profit = { low = 0.3, high = 2.0 }
strategy.exits.max_bars = { low = 3, high = 20 }
"""


@pytest.fixture
def words(world: World, tmp_path: Path) -> list[str]:
    space = tmp_path / "space.toml"
    space.write_text(SPACE, encoding="utf-8")
    given = ["--search", space, "--trials", 8, "--data", world.files[0], "--out", tmp_path / "runs"]
    return [str(word) for word in given]


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return the one line with which the command refuses."""
    assert main([*words]) in {1, 2}
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    return said.err


def test_the_best_is_a_run_like_any_other_and_can_be_made_again(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(capsys, *words)
    assert found["search"]["trials"] == 8
    assert found["runs"][0]["trades"] == found["search"]["best"]["figures"]["trades"]
    metrics = json.loads((Path(found["run_dir"]) / "metrics.json").read_text())
    assert metrics == found
    assert show_run.main(["last", "--out", str(tmp_path / "runs"), "--rerun"]) == 0
    assert "made again, the same" in capsys.readouterr().out


def test_the_answer_is_kept_with_the_trials(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(capsys, *words)
    name = Path(found["run_dir"]).name
    (kept,) = (tmp_path / "runs" / "search").glob(f"*/{name}.json")
    assert json.loads(kept.read_text()) == found
    assert {file.name for file in kept.parent.iterdir()} >= {"trials.sqlite3", "tried.json"}


def with_another_figure(record: Path, number: int) -> None:
    """Let the record of a search say another total return of one of its sets."""
    with closing(sqlite3.connect(record)) as open_record, open_record:
        ((row, said),) = open_record.execute(
            "SELECT trial_user_attribute_id, value_json FROM trial_user_attributes "
            "JOIN trials USING (trial_id) WHERE number = ? AND key = 'outcome'",
            [number],
        ).fetchall()
        told = json.loads(said)
        told["total_return"] += 0.01
        open_record.execute(
            "UPDATE trial_user_attributes SET value_json = ? WHERE trial_user_attribute_id = ?",
            [json.dumps(told), row],
        )


def test_a_search_that_the_engine_does_not_confirm_keeps_no_run(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best = answer(capsys, *words)["search"]["best"]["number"]
    (record,) = (tmp_path / "runs" / "search").glob("*/trials.sqlite3")
    with_another_figure(record, best)
    before = sorted(file for file in (tmp_path / "runs").rglob("*") if "sqlite3" not in file.name)
    said = refusal(capsys, *words)
    assert f"set {best}: the sweep and the Engine must come to the same" in said
    assert "total_return" in said
    after = sorted(file for file in (tmp_path / "runs").rglob("*") if "sqlite3" not in file.name)
    assert after == before


def test_trials_may_lie_elsewhere(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = tmp_path / "shared" / "search.log"
    first = answer(capsys, *words, "--storage", f"journal:{journal}")
    again = answer(capsys, *words, "--storage", f"journal:{journal}")
    assert journal.exists()
    assert first["search"] == again["search"]
    assert list((tmp_path / "runs").rglob("trials.sqlite3")) == []


def test_a_person_reads_tables_a_warning_and_the_run(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0
    said = capsys.readouterr().out
    assert said.startswith("search by expectancy: 8 sets tried")
    assert "The best of 8 sets on the same bars is flattered by having been chosen" in said
    assert max(len(line) for line in said.splitlines() if "runs/" not in line) <= 100


def test_the_line_to_go_on_with_makes_the_same_run(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0
    said = capsys.readouterr().out.splitlines()
    (line,) = [each.partition(": ")[2] for each in said if each.startswith("go on with: ")]
    assert any(each.startswith("the search is kept in ") for each in said)
    command, *again = shlex.split(line)
    assert (command, Path(again[1]).name) == ("run_backtest.py", "best.toml")
    assert main([*again, "--out", str(tmp_path / "again")]) == 0
    repeated = capsys.readouterr().out.splitlines()
    (result,) = [each for each in said if each.startswith("result hash")]
    assert result in repeated


def test_its_tables_name_sets_and_figures_as_everywhere_and_say_what_is_simulated(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0
    said = capsys.readouterr().out.splitlines()
    (figures,) = [place for place, each in enumerate(said) if each.startswith("| Figure ")]
    (keys,) = [place for place, each in enumerate(said) if each.startswith("| Key ")]
    heads = re.findall(r"Set \d+(?: \(best\))?", said[figures])
    assert heads == re.findall(r"Set \d+(?: \(best\))?", said[keys])
    assert [each.endswith("(best)") for each in heads] == [True, False, False, False]
    for place in (figures, keys):
        assert said[place - 1].startswith("*** SYNTHETIC")
    rows = [each.split("|")[1].strip() for each in said[figures + 2 : figures + 9]]
    assert rows == [FIGURES[name] for name in Figures.__dataclass_fields__ if FIGURES[name] in rows]
    assert len(rows) == 7


def test_its_page_and_show_run_say_that_it_is_a_search(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(capsys, *words)
    page = (Path(found["run_dir"]) / "report.html").read_text(encoding="utf-8")
    section = page.partition('<section id="search"')[2].partition("</section>")[0]
    assert found["search"]["warning"] in section
    assert "8 sets of settings were tried" in section
    assert section.count("<tr>") == 2 + len(found["search"]["table"]) + 3
    best = Path(found["run_dir"]).name + "/best.toml"
    assert f"--config {best}" in page
    assert show_run.main(["last", "--out", str(tmp_path / "runs")]) == 0
    assert "search, the best of 8 sets, --ml off" in capsys.readouterr().out
    assert show_run.main(["--list", "--out", str(tmp_path / "runs")]) == 0
    assert "best of 8 sets" in capsys.readouterr().out


def test_every_key_of_a_search_is_on_the_page_about_run_folders(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(capsys, *words)["search"]
    assert tables()["A search", "of a search"] == set(found)
    words_of_page = RUN_FOLDER.read_text(encoding="utf-8")
    assert all(f"`{key}`" in words_of_page for key in found["overfitting"])


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--fit-thresholds"], "--fit-thresholds does not go with --search"),
        (["--audit"], "--search does not go with --audit"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(
    words: list[str], capsys: pytest.CaptureFixture[str], more: list[str], why: str
) -> None:
    assert why in refusal(capsys, *words, *more)


@pytest.mark.parametrize("flag", ["--trials=5", "--objective=sharpe", "--storage=journal:x"])
def test_flags_of_a_search_need_one(capsys: pytest.CaptureFixture[str], flag: str) -> None:
    assert f"{flag.partition('=')[0]} goes with --search" in refusal(capsys, flag)


@pytest.mark.parametrize("count", ["0", "-3", "1000001", "many"])
def test_a_number_of_trials_is_one(capsys: pytest.CaptureFixture[str], count: str) -> None:
    with pytest.raises(SystemExit) as found:
        main(["--search", "space.toml", "--trials", count])
    assert found.value.code == 2
    assert "must be" in capsys.readouterr().err


def test_a_plain_strategy_has_nothing_to_search(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    strategy = Path(__file__).parents[2] / "examples" / "stock_strategy.py"
    name = next(
        line.partition("class ")[2].partition("(")[0]
        for line in strategy.read_text().splitlines()
        if line.startswith("class ")
    )
    said = refusal(capsys, *words, "--strategy", f"{strategy}:{name}")
    assert "--search needs a hybrid strategy" in said


def test_a_strategy_of_ones_own_is_searched_by_its_rules(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = Path(__file__).parents[2] / "examples" / "my_strategy.py"
    (tmp_path / "space.toml").write_text(
        "search.fewest_trades = 2\n"
        "strategy.points.uptrend = { low = 0.0, high = 3.0 }\n"
        "strategy.points.busy = { low = 0.0, high = 3.0 }\n",
        encoding="utf-8",
    )
    found = answer(capsys, *words, "--strategy", f"{own}:MyStrategy")
    assert set(found["search"]["importance"]) <= {"strategy.points.uptrend", "strategy.points.busy"}
    (tmp_path / "space.toml").write_text("strategy.points.uptrent = { low = 0.0, high = 3.0 }")
    said = refusal(capsys, *words, "--strategy", f"{own}:MyStrategy")
    assert "did you mean strategy.points.uptrend?" in said
