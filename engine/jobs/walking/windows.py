"""Windows of a walk-forward: train on one stretch of time, test on the next, step by the test.

    rolling      |--- train ---|-- test --|
                            |--- train ---|-- test --|
    expanding    |--- train ---|-- test --|
                 |--------- train --------|-- test --|

The tests follow one another without gap or overlap and cover all that comes after the first train.
What is left at the end and shorter than a quarter of a test is added to the last one.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias, cast, get_args

import numpy as np

from engine.errors import RunError
from feeds.messages import shown
from feeds.moments import readable

Mode: TypeAlias = Literal["rolling", "expanding"]

SHORTEST_TEST = 0.25  # of a test's length

_DAY = np.timedelta64(86_400_000, "ms")
_KEYS = {"train", "test", "mode"}
_MOST_DAYS = 10_950
_FORM = "train=365d,test=90d[,mode=rolling|expanding]"


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """How long the parts of a window are, in days, and whether its train part only grows."""

    train_days: int
    test_days: int
    mode: Mode = "rolling"

    @classmethod
    def parse(cls, text: str) -> "WindowSpec":
        """Read `train=365d,test=90d[,mode=rolling|expanding]`.

        Raises
        ------
        ValueError
            in one line, if it is not of this form

        >>> WindowSpec.parse("train=365d,test=90d,mode=expanding")
        WindowSpec(train_days=365, test_days=90, mode='expanding')
        """
        parts = [part.partition("=") for part in text.split(",")]
        given = {name.strip(): value.strip() for name, _, value in parts}
        if len(given) < len(parts) or not {"train", "test"} <= given.keys() <= _KEYS:
            raise ValueError(f"windows must be given as {_FORM}, found {shown(text)}")
        mode = given.get("mode", "rolling")
        if mode not in get_args(Mode):
            raise ValueError(f"the mode must be rolling or expanding, found {shown(mode)}")
        return cls(_days("train", given["train"]), _days("test", given["test"]), cast("Mode", mode))

    def __str__(self) -> str:
        return f"train={self.train_days}d,test={self.test_days}d,mode={self.mode}"


@dataclass(frozen=True, slots=True)
class Window:
    """One step: what is learned from is known at `train_end`; tested are the bars from there on.

    Attributes
    ----------
    number : from 1 on
    train_start, train_end, test_end : moments (UTC); each stretch holds its start, not its end
    """

    number: int
    train_start: np.datetime64
    train_end: np.datetime64
    test_end: np.datetime64

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"window-{self.number:02d}"

    def __str__(self) -> str:
        train, test, end = map(_day, (self.train_start, self.train_end, self.test_end))
        return f"window {self.number} (train {train} to {test}, test to {end})"


def cut_windows(start: np.datetime64, end: np.datetime64, spec: WindowSpec) -> list[Window]:
    """Return the windows of the span from `start` to `end`, oldest first.

    Raises
    ------
    RunError
        if the span is too short for one
    """
    train, test = spec.train_days * _DAY, spec.test_days * _DAY
    tests = float((end - start - train) / test)
    if tests < SHORTEST_TEST:
        raise RunError(
            f"a walk-forward needs bars for {spec.train_days} days of training and at least a "
            f"quarter of {spec.test_days} days of test, found {readable(start)} to "
            f"{readable(end)}: give more bars or shorter windows"
        )
    count = int(tests) + (tests % 1.0 >= SHORTEST_TEST)
    ends = [start + train + number * test for number in range(count)]
    return [
        Window(
            number=number + 1,
            train_start=start if spec.mode == "expanding" else train_end - train,
            train_end=train_end,
            test_end=end if number + 1 == count else train_end + test,
        )
        for number, train_end in enumerate(ends)
    ]


def _days(name: str, text: str) -> int:
    number = text.removesuffix("d")
    if not (text.endswith("d") and number.isdecimal() and 1 <= int(number) <= _MOST_DAYS):
        raise ValueError(
            f"{name} must be 1d to {_MOST_DAYS}d, a whole number of days, found {shown(text)}"
        )
    return int(number)


def _day(moment: np.datetime64) -> str:
    return str(moment.astype("datetime64[D]"))
