"""What a search found, as text."""

from typing import Any

from engine.jobs.tuning_report import tuning_text
from tests.makers import make_bars
from tests.ml.trained import manifest_for

MEMBER = {
    "trials": 20,
    "pruned": 7,
    "failed": 1,
    "default_folds": [0.6, 0.7],
    "best_folds": [0.65, 0.75],
    "default_params": {"max_depth": 12, "min_samples_leaf": 20},
    "best_params": {"max_depth": 24, "min_samples_leaf": 187},
    "default_score": 0.65,
    "best_score": 0.7,
}
SAME = {**MEMBER, "best_params": MEMBER["default_params"]}
TUNING = {"trials": 1240, "rows": 20_000, "folds": 2, "members": {"forest": MEMBER, "line": SAME}}


def text(**facts: Any) -> str:
    return tuning_text(manifest_for(make_bars(10), **facts))


def row(said: str, *, of: str, number: int) -> list[str]:
    """Return the cells of the `number`th row that begins with the name."""
    rows = [line for line in said.splitlines() if line.startswith(f"| {of} ")]
    return [cell.strip() for cell in rows[number].strip("|").split("|")]


def test_trials_and_scores_stand_beside_the_defaults() -> None:
    said = text(tuning=TUNING)
    assert "tuning: 1,240 trials on 2 folds of the train part (20,000 rows)" in said
    found = row(said, of="forest", number=0)
    assert found == ["forest", "20", "7", "1", "0.6500", "0.7000", "0.650 to 0.750"]


def test_parameters_stand_beside_those_that_they_replace() -> None:
    said = text(tuning=TUNING)
    assert row(said, of="forest", number=1) == [
        "forest",
        "max_depth 24, min_samples_leaf 187",
        "max_depth 12, min_samples_leaf 20",
    ]
    assert row(said, of="line", number=1) == ["line", "the defaults", "-"]


def test_members_that_were_taken_up_are_named() -> None:
    members = {"svm": {"taken_up": True}, "line": {"taken_up": False}, "lstm": {"taken_up": True}}
    said = text(metrics={"training": {"members": members}})
    assert said == "\ntaken up from a training that did not end: svm, lstm\n"


def test_nothing_is_said_where_nothing_was_searched_or_taken_up() -> None:
    assert text(metrics={"training": {"members": {"svm": {"seconds": 1.0}}}}) == ""
    assert text() == ""


def test_no_line_is_wider_than_a_page() -> None:
    assert max(map(len, text(tuning=TUNING).splitlines())) <= 100
