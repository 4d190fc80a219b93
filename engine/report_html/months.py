"""What each month and each year came to."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from engine.equity import EquityCurve
from engine.labels import HELD
from engine.metrics import daily_returns
from engine.report_html.report import Report
from engine.report_html.section import Section, render
from engine.report_html.words import DASH, fraction
from feeds.bars import BoolArray, FloatArray, IntArray, TimeArray

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
STRONGEST = 45  # percent of colour behind a figure: the figure stays readable
_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, slots=True, eq=False)
class MonthlyReturns:
    """The returns of an account month by month; they compound to its total return.

    Attributes
    ----------
    month : datetime64[M] (n,), every one from the first to the last
    returns : float64 (n,), fractions
    held, long : int64 (n,), days of the month that the run holds, and that the month has
    """

    month: TimeArray
    returns: FloatArray
    held: IntArray
    long: IntArray

    @property
    def part(self) -> BoolArray:
        """True where the run holds a part of the month only."""
        return np.asarray(self.held < self.long)

    @classmethod
    def of(cls, curve: EquityCurve, cash: float) -> "MonthlyReturns":
        """Return those of an account that began with `cash`, by its days in UTC."""
        growth = 1.0 + daily_returns(curve.time, curve.equity, cash)
        first = (curve.time[0] - np.timedelta64(1, "ms")).astype("datetime64[D]")
        days = first + np.arange(len(growth)) * _DAY
        month = days.astype("datetime64[M]")
        begin = np.flatnonzero(np.append(True, np.diff(month) > np.timedelta64(0, "M")))
        named = month[begin]
        held = np.diff(begin, append=len(days))
        long = ((named + 1).astype("datetime64[D]") - named.astype("datetime64[D]")) // _DAY
        return cls(named, np.multiply.reduceat(growth, begin) - 1.0, held, long)


class _Cell(NamedTuple):
    """A figure, the side of it, how strong its colour is, in percent, and what it lacks.

    Attributes
    ----------
    part : the days that the run holds of a month, where it does not hold all
    """

    text: str = ""
    tone: str = ""
    strength: int = 0
    part: str = ""


_OUTSIDE = _Cell()
_IDLE = _Cell(DASH)
"""Of a month in which the account did not move: nothing was traded, and nothing was held."""


def months(report: Report) -> Section:
    """Return a table of months by years and accounts."""
    cash = float(report.results[0].config["broker"]["cash"])
    named = [
        (report.titles[result.label], result.label, result.equity) for result in report.results
    ]
    if report.held is not None:
        named.append((HELD, "held", report.held))
    found = [(title, name, MonthlyReturns.of(curve, cash)) for title, name, curve in named]
    scale = max(float(np.abs(each.returns).max()) for _, _, each in found)
    return Section(
        name="months",
        title="Months",
        html=render(
            "months.html",
            months=MONTHS,
            years=_by_year(
                {**row, "title": title, "name": name}
                for title, name, each in found
                for row in _years(each, scale)
            ),
            part=any(each.part.any() for _, _, each in found),
            idle=any((each.returns == 0.0).any() for _, _, each in found),
        ),
    )


def _by_year(rows: Iterable[Mapping[str, Any]]) -> list[tuple[int, list[Mapping[str, Any]]]]:
    """Return the rows of each year, the accounts in their order."""
    ordered = sorted(rows, key=lambda row: row["year"])
    return [(year, list(own)) for year, own in groupby(ordered, key=lambda row: row["year"])]


def _years(found: MonthlyReturns, scale: float) -> Iterator[dict[str, Any]]:
    """Yield a row for each year: its months, and what they compound to."""
    year = found.month.astype("datetime64[Y]").astype(np.int64) + 1970
    place = found.month.astype(np.int64) % 12
    part = [
        f"{held} of {long} days" if held < long else ""
        for held, long in zip(found.held.tolist(), found.long.tolist(), strict=True)
    ]
    rows = zip(year.tolist(), place.tolist(), found.returns.tolist(), part, strict=True)
    for each, own in groupby(rows, key=lambda row: row[0]):
        cells, growth = [_OUTSIDE] * len(MONTHS), 1.0
        for _, at, value, days in own:
            cells[at] = _IDLE._replace(part=days) if value == 0.0 else _cell(value, scale, days)
            growth *= 1.0 + value
        yield {"year": each, "cells": cells, "total": _cell(growth - 1.0, scale)}


def _cell(value: float, scale: float, part: str = "") -> _Cell:
    share = min(abs(value) / scale, 1.0) if scale > 0 else 0.0
    tone = "rise" if value >= 0 else "fall"
    return _Cell(fraction(value, 1), tone, round(STRONGEST * share), part)
