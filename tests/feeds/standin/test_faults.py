"""Faults happen where, when and as often as they are planned, and spoil a page as they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.standin.faults import Fault, FaultKind, FaultPlan, spoil_rows

RESET, EMPTY, SLOW = FaultKind.RESET, FaultKind.EMPTY, FaultKind.SLOW


def happening(faults: list[Fault], paths: list[str]) -> list[FaultKind | None]:
    plan = FaultPlan(faults)
    drawn = [plan.next_for(path) for path in paths]
    return [fault.kind if fault else None for fault in drawn]


def test_without_faults_everything_goes_well() -> None:
    assert happening([], ["klines"] * 3) == [None] * 3


def test_a_fault_stays_until_it_is_cleared() -> None:
    plan = FaultPlan([Fault(RESET)])
    assert [plan.next_for("klines") for _ in range(50)] == [Fault(RESET)] * 50
    plan.clear()
    assert plan.next_for("klines") is None
    plan.add(Fault(EMPTY))
    assert plan.next_for("klines") == Fault(EMPTY)


@given(skip=st.integers(0, 5), times=st.integers(1, 5))
def test_a_fault_happens_so_often_after_so_many_good_answers(skip: int, times: int) -> None:
    expected = [None] * skip + [RESET] * times + [None] * 3
    assert happening([Fault(RESET, skip=skip, times=times)], ["klines"] * len(expected)) == expected


def test_only_requests_to_its_own_path_count() -> None:
    paths = ["time", "klines", "exchangeInfo", "klines", "klines"]
    expected = [None, None, None, RESET, None]
    assert happening([Fault(RESET, skip=1, times=1)], paths) == expected


def test_a_fault_without_a_path_is_on_all_of_them() -> None:
    assert happening([Fault(RESET, path=None)], ["time", "klines"]) == [RESET, RESET]


def test_of_two_faults_the_older_one_happens_and_the_other_stays() -> None:
    faults = [Fault(RESET, times=1), Fault(EMPTY, times=1)]
    assert happening(faults, ["klines"] * 3) == [RESET, EMPTY, None]


def test_chance_is_the_same_for_the_same_seed_and_about_as_often_as_said() -> None:
    def drawn(seed: int) -> list[FaultKind | None]:
        faults = [Fault(RESET, probability=0.2, seed=seed), Fault(SLOW, probability=0.1, seed=seed)]
        return happening(faults, ["klines"] * 4000)

    assert drawn(1) == drawn(1) != drawn(2)
    assert drawn(1).count(RESET) / 4000 == pytest.approx(0.2, abs=0.03)
    assert drawn(1).count(SLOW) / 4000 == pytest.approx(0.8 * 0.1, abs=0.03)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"probability": 0.0}, "at most 1, found 0.0"),
        ({"probability": 1.5}, "at most 1, found 1.5"),
        ({"probability": np.nan}, "at most 1, found nan"),
        ({"times": 0}, "times of a fault must be 1 or more, found 0"),
        ({"skip": -1}, "skip of a fault must be 0 or more, found -1"),
        ({"seconds": -1.0}, "seconds of a fault must be 0 or more, found -1.0"),
        ({"rows": 0}, "rows of a fault must be 1 or more, found 0"),
    ],
)
def test_a_fault_that_cannot_be_is_refused(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fault(RESET, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "left"),
    [
        (FaultKind.SHORT_PAGE, [0, 1]),
        (FaultKind.MISSING_ROWS, [0, 3, 4]),
        (FaultKind.REPEATED_ROWS, [0, 0, 1, 1, 2, 3, 4]),
        (FaultKind.REVERSED_PAGE, [4, 3, 2, 1, 0]),
        (FaultKind.RESET, [0, 1, 2, 3, 4]),
    ],
)
def test_what_a_fault_leaves_of_a_page(kind: FaultKind, left: list[int]) -> None:
    assert spoil_rows([0, 1, 2, 3, 4], Fault(kind, rows=2)) == left


@given(length=st.integers(0, 12), missing=st.integers(1, 15))
def test_rows_are_missing_in_the_middle_never_at_the_edges(length: int, missing: int) -> None:
    rows = list(range(length))
    left = spoil_rows(rows, Fault(FaultKind.MISSING_ROWS, rows=missing))
    assert len(left) == length - max(0, min(missing, length - 2))
    assert left[:1] == rows[:1]
    assert left[-1:] == rows[-1:]
    assert sum(np.diff(left) > 1) == (len(left) < length)
