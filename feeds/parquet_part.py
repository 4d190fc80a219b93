"""Which groups of rows of a Parquet file hold the bars of some dates, told by their times alone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from feeds.bars import Bars, IntArray
from feeds.timeframe import Timeframe


@dataclass(frozen=True, slots=True)
class Dates:
    """The bars that are asked for.

    Attributes
    ----------
    start, end : they open from the one on and before the other; None for no bound
    before : how many bars are needed ahead of them
    """

    start: np.datetime64 | None
    end: np.datetime64 | None
    before: int = 0

    @property
    def bounds(self) -> tuple[float, float]:
        """The same in ms since the epoch."""
        return (
            -np.inf if self.start is None else float(_ms(self.start)),
            np.inf if self.end is None else float(_ms(self.end)),
        )

    def among(self, bars: Bars) -> bool:
        """Return whether a bar opens on one of the dates."""
        first = 0 if self.start is None else bars.index_from(self.start)
        return first < (len(bars) if self.end is None else bars.index_from(self.end))


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The groups to read, and what lies ahead of them.

    Attributes
    ----------
    groups : numbers of neighbouring groups
    steps : how often each step, in ms from row to row, leads to or through the rows ahead and from
        there to the groups
    """

    groups: Sequence[int]
    steps: Counter[int]

    def segments_before(self, timeframe: Timeframe, fill_limit: int) -> int:
        """Return how many segments end ahead of the groups."""
        longest = (fill_limit + 1) * timeframe.ms
        return sum(count for step, count in self.steps.items() if step > longest)


def part_of(file: pq.ParquetFile, column: str, asked: Dates) -> Part | None:
    """Return the groups that the dates need; None where that is not told without reading all.

    It is not where a file is one group, its times are no timestamps, or they do not rise.

    Parameters
    ----------
    column : of the times
    """
    alone = file.metadata.num_row_groups == 1
    if alone or not pa.types.is_timestamp(file.schema_arrow.field(column).type):
        return None
    groups: list[_Times] = []
    for number in range(file.metadata.num_row_groups):
        opened = _opened(file, number, column)
        before = [groups[-1].last] if groups else []
        step = np.diff(opened, prepend=np.array(before, np.int64))
        if not len(opened) or (step <= 0).any():
            return None
        steps = _counted(step[:1]) if groups else Counter(), _counted(step[len(before) :])
        groups.append(_Times(int(opened[0]), int(opened[-1]), len(opened), *steps))
    return _chosen(groups, asked)


class _Times(NamedTuple):
    """When the first and the last row of a group open, their number, and the steps to and in it."""

    first: int
    last: int
    rows: int
    to: Counter[int]
    within: Counter[int]


def _opened(file: pq.ParquetFile, group: int, column: str) -> IntArray:
    """Return when the rows of a group open, in ms; none if one does not say."""
    times = file.read_row_group(group, [column]).column(0)
    if times.null_count:
        return np.empty(0, np.int64)
    found: IntArray = times.cast(pa.timestamp("ms"), safe=False).cast(pa.int64()).to_numpy()
    return found


def _counted(steps: IntArray) -> Counter[int]:
    values, counts = np.unique(steps, return_counts=True)
    return Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))


def _chosen(groups: Sequence[_Times], asked: Dates) -> Part | None:
    start, end = asked.bounds
    inside = [n for n, each in enumerate(groups) if each.last >= start and each.first < end]
    if not inside:
        return None
    begin, stop = inside[0], inside[-1] + 1
    ahead = 0  # rows: as many bars, or more with those that are filled
    while begin and ahead < asked.before:
        begin -= 1
        ahead += groups[begin].rows
    if (begin, stop) == (0, len(groups)):
        return None
    passed = [*(each.to + each.within for each in groups[:begin]), groups[begin].to]
    return Part(range(begin, stop), sum(passed, Counter()))


def _ms(moment: np.datetime64) -> int:
    return int(moment.astype("datetime64[ms]").astype(np.int64))
