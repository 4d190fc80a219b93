"""Which sets are chosen: the same after an interruption, none twice, none lost."""

import operator
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from engine.errors import RunError
from engine.jobs.searching.choosing import BATCH
from engine.jobs.searching.space import SearchConfig, Space
from engine.jobs.searching.storage import file_storage, opened_storage
from engine.jobs.searching.study import Study
from engine.jobs.searching.trial import Figures, Outcome
from engine.jobs.searching.values import Choices, Span

TPE = Space(
    SearchConfig(),
    {
        "a": Span(0.0, 1.0),
        "b": Span(0.1, 10.0, log=True),
        "c": Span(1, 9, 1, whole=True),
        "d": Choices(("x", "y", None)),
    },
)
GRID = Space(
    SearchConfig(sampler="grid"), {"a": Span(0.0, 1.0, 0.25), "d": Choices(("x", "y", None))}
)
FIRST = {"a": 0.5, "b": 1.0, "c": 3, "d": None}


def outcome(value: float | None) -> Outcome:
    figures = Figures(
        trades=40,
        expectancy=value,
        profit_factor=None,
        sharpe=-0.1,
        total_return=0.1 + 0.2,
        max_drawdown=0.0,
        win_rate=1 / 3,
    )
    return Outcome(figures, np.array([0.1, -1e-300, 0.0, np.pi]))


def study(address: str, tmp_path: Path, space: Space = TPE) -> Study:
    del tmp_path
    with opened_storage(address) as storage:
        return Study(storage, "study", space, seed=5, first=FIRST if space is TPE else None)


def merit(values: object) -> float | None:
    """Return a figure of the values; some sets cannot be compared."""
    assert isinstance(values, dict)
    return None if values["d"] == "y" else -((values["a"] - 0.3) ** 2)


def searched(
    at: Study, total: int, *, stop: Callable[[int], bool] = lambda _: False
) -> list[dict[str, object]]:
    """Search until there are so many trials, or `stop` says at which end of a set to die."""
    ended = 0
    while waiting := at.unended() or at.choose(total):
        for each in waiting:
            value = merit(dict(each.values))
            at.end(each, value, outcome(value))
            ended += 1
            if stop(ended):
                return []
    return [dict(trial.values) for trial in at.trials()]


@pytest.fixture
def address(tmp_path: Path) -> str:
    return file_storage(tmp_path / "trials.sqlite3")


def test_a_search_by_one_command_is_the_same_again(tmp_path: Path) -> None:
    one, other = (study(file_storage(tmp_path / n), tmp_path) for n in ("a.db", "b.db"))
    found = searched(one, 3 * BATCH)
    assert found == searched(other, 3 * BATCH)
    assert found[0] == FIRST
    assert len(found) == 3 * BATCH


@pytest.mark.parametrize("at", [1, BATCH - 1, BATCH, BATCH + 5])
def test_a_search_that_was_killed_goes_on_as_if_it_had_not_been(
    tmp_path: Path, address: str, at: int
) -> None:
    whole = searched(study(file_storage(tmp_path / "whole.db"), tmp_path), 3 * BATCH)
    searched(study(address, tmp_path), 3 * BATCH, stop=lambda ended: ended == at)
    assert searched(study(address, tmp_path), 3 * BATCH) == whole


def test_a_search_that_was_killed_while_sets_were_entered_goes_on_alike(
    tmp_path: Path, address: str
) -> None:
    whole = searched(study(file_storage(tmp_path / "whole.db"), tmp_path), 3 * BATCH)
    begun = study(address, tmp_path)
    begun.choose(5)  # of a batch of sixteen
    assert searched(study(address, tmp_path), 3 * BATCH) == whole


def test_more_trials_go_on_from_where_fewer_ended(tmp_path: Path, address: str) -> None:
    whole = searched(study(file_storage(tmp_path / "whole.db"), tmp_path), 50)
    few = searched(study(address, tmp_path), 21)
    assert few == whole[:21]
    assert searched(study(address, tmp_path), 50) == whole


def test_it_learns_from_what_it_has_seen(tmp_path: Path, address: str) -> None:
    found = searched(study(address, tmp_path), 6 * BATCH)
    early, late = found[: 2 * BATCH], found[4 * BATCH :]
    away = [np.mean([abs(float(str(v["a"])) - 0.3) for v in part]) for part in (early, late)]
    assert away[1] < 0.5 * away[0]


def test_a_trial_is_read_back_to_the_last_bit(tmp_path: Path, address: str) -> None:
    at = study(address, tmp_path)
    (first, second, *_) = at.choose(BATCH)
    at.end(first, 0.1 + 0.2, outcome(0.1 + 0.2))
    at.end(second, None, "thresholds must fall")
    one, other = study(address, tmp_path).trials()
    assert one.score == 0.1 + 0.2
    assert one.outcome is not None
    assert one.outcome.figures == outcome(0.1 + 0.2).figures
    np.testing.assert_array_equal(one.outcome.daily, outcome(None).daily)
    assert (other.score, other.outcome, other.refused) == (None, None, "thresholds must fall")


def test_a_grid_is_tried_to_its_end_each_set_once(tmp_path: Path, address: str) -> None:
    found = searched(study(address, tmp_path, GRID), 1000)
    assert len(found) == 15 == len({repr(each) for each in found})
    assert searched(study(address, tmp_path, GRID), 1000) == found


def test_a_grid_needs_steps_and_an_end(tmp_path: Path, address: str) -> None:
    endless = Space(SearchConfig(sampler="grid"), {"a": Span(0.0, 1.0)})
    with pytest.raises(RunError, match="a: a grid needs a step or choices"):
        study(address, tmp_path, endless)
    fine = Span(0, 999, 1, whole=True)
    huge = Space(SearchConfig(sampler="grid"), {"a": fine, "b": fine, "c": fine})
    with pytest.raises(RunError, match="may have 1,000,000 sets, found 1,000,000,000"):
        study(address, tmp_path, huge)


def test_a_database_holds_the_same_search_and_lets_it_go_on(database: str, tmp_path: Path) -> None:
    whole = searched(study(file_storage(tmp_path / "whole.db"), tmp_path), 3 * BATCH)
    found: list[dict[str, object]] = []
    for stop in (BATCH + 5, None):
        with opened_storage(database) as storage:
            at = Study(storage, "study", TPE, seed=5, first=FIRST)
            found = searched(at, 3 * BATCH, stop=partial(operator.eq, stop))
    assert found == whole


def test_importance_tells_what_matters(tmp_path: Path, address: str) -> None:
    at = study(address, tmp_path)
    assert at.importance() == {}
    searched(at, 4 * BATCH)
    found = at.importance()
    assert sum(found.values()) == pytest.approx(1.0)
    assert max(found, key=lambda key: found[key]) == "a"


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("postgresql://user:secret@nowhere.invalid/trials", "postgresql://…@nowhere.invalid/"),
        (
            "mysql://nowhere.invalid/trials",
            "No module named 'MySQLdb': install the database's driver",
        ),
        ("nonsense", "nonsense: the trials of a search are kept"),
        ("sqlite:////proc/never/trials.db", "sqlite:////proc/never/trials.db"),
        ("journal:/proc/never/trials.log", "journal:/proc/never/trials.log"),
    ],
)
def test_a_record_that_cannot_be_had_is_told_in_one_line(address: str, why: str) -> None:
    with pytest.raises(RunError) as found, opened_storage(address):
        pass
    assert why in str(found.value)
    assert "secret" not in str(found.value)
    assert "\n" not in str(found.value)
