"""Windows: what is written is read, and the tests cover the time after the first training."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import RunError
from engine.jobs.walking.windows import SHORTEST_TEST, Mode, WindowSpec, cut_windows

START = np.datetime64("2022-01-01", "ms")
DAY = np.timedelta64(86_400_000, "ms")
MINUTE = np.timedelta64(60_000, "ms")

modes = st.sampled_from(["rolling", "expanding"])


@given(train=st.integers(1, 10_950), test=st.integers(1, 10_950), mode=modes)
def test_what_is_said_is_read_again(train: int, test: int, mode: Mode) -> None:
    spec = WindowSpec(train, test, mode)
    assert WindowSpec.parse(str(spec)) == spec


def test_the_train_part_rolls_unless_it_is_told_to_grow() -> None:
    assert WindowSpec.parse("test=90d, train=365d") == WindowSpec(365, 90, "rolling")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "train=365d,test=90d"),
        ("train=365d", "train=365d,test=90d"),
        ("train=365d,test=90d,test=30d", "train=365d,test=90d"),
        ("train=365d,test=90d,step=30d", "train=365d,test=90d"),
        ("train=365,test=90d", "whole number of days, found '365'"),
        ("train=0d,test=90d", "found '0d'"),
        ("train=1.5d,test=90d", "found '1.5d'"),
        ("train=365d,test=99999999999999999999d", "test must be 1d to 10950d"),
        ("train=365d,test=90d,mode=anchored", "rolling or expanding, found 'anchored'"),
    ],
)
def test_what_is_no_window_is_refused_in_one_line(text: str, named: str) -> None:
    with pytest.raises(ValueError, match="must be") as refused:
        WindowSpec.parse(text)
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


@settings(deadline=None)
@given(
    train=st.integers(1, 400),
    test=st.integers(1, 120),
    mode=modes,
    minutes=st.integers(1, 3 * 365 * 1440),
)
def test_the_tests_cover_all_that_comes_after_the_first_training_once(
    train: int, test: int, mode: Mode, minutes: int
) -> None:
    spec, end = WindowSpec(train, test, mode), START + minutes * MINUTE
    if minutes < (train + SHORTEST_TEST * test) * 1440:
        with pytest.raises(RunError, match=f"{train} days of training"):
            cut_windows(START, end, spec)
        return
    windows = cut_windows(START, end, spec)
    assert [window.number for window in windows] == list(range(1, len(windows) + 1))
    assert windows[0].train_start == START
    assert windows[0].train_end == START + train * DAY
    assert windows[-1].test_end == end
    for window, later in pairwise(windows):
        assert later.train_end == window.test_end == window.train_end + test * DAY
    last = windows[-1].test_end - windows[-1].train_end
    assert SHORTEST_TEST * test * DAY <= last < (1 + SHORTEST_TEST) * test * DAY
    for window in windows:
        learned = window.train_end - window.train_start
        assert learned == train * DAY or (mode == "expanding" and window.train_start == START)
