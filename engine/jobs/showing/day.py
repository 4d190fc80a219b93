"""All candidate bars of one day: where to look further with a moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.jobs.showing.decision import Row, outcome_words
from engine.jobs.showing.folder import RunFolder
from engine.jobs.showing.journal import journal, moments, refuse_outside, row_at
from engine.plain import plain
from engine.tables import formatted, rendered, run_name, stamp_line, table
from feeds.moments import parse_utc, readable

DAY = np.timedelta64(24 * 60 * 60 * 1000, "ms")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Day:
    """What each run of a folder made of the candidate bars that closed on one day.

    Attributes
    ----------
    day : UTC, at midnight
    candidates : rows of the journal by run
    """

    run: RunFolder
    symbol: str
    day: np.datetime64
    candidates: Mapping[str, Sequence[Row]]

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        found: dict[str, Any] = plain(
            {
                "run_dir": self.run.path,
                "stamps": self.run.manifest.stamps,
                "symbol": self.symbol,
                "day": self._date,
                "runs": {label: list(rows) for label, rows in self.candidates.items()},
            }
        )
        return found

    def text(self) -> str:
        """Return what a person reads."""
        stamps = "".join(stamp_line(stamp) for stamp in self.run.manifest.stamps)
        lines = [f"{self.symbol}, the candidate bars that closed on {self._date} (UTC)"]
        for label, rows in self.candidates.items():
            needed = self.run.settings(label).strategy.min_entry_score
            lines += ["", run_name(label), stamps + _table(rows, needed) if rows else "none"]
        lines.append(f"one in full: --why {self.symbol} {self._example()}")
        return "\n".join(lines)

    @property
    def _date(self) -> str:
        return str(np.datetime_as_string(self.day, unit="D"))

    def _example(self) -> str:
        """Return the moment of a candidate; where there is none, any of the day."""
        first = next((rows[0]["decided_at"] for rows in self.candidates.values() if rows), None)
        return f"{self._date}T12:00Z" if first is None else str(first)


def candidates_of_day(run: RunFolder, symbol: str, day: np.datetime64) -> Day:
    """Return what the runs of the folder decided on a symbol on one day.

    Raises
    ------
    RunError
        if the run did not trade the symbol, or not on that day
    """
    refuse_outside(run, symbol, day, day + DAY, str(day.astype("datetime64[D]")))
    found = {}
    for label in run.labels:
        frame = journal(run, label, symbol)
        begin, end = np.searchsorted(moments(frame), [day, day + DAY]).tolist()
        found[label] = [row_at(frame, place) for place in range(begin, end)]
    return Day(run=run, symbol=symbol, day=day, candidates=found)


def _table(rows: Sequence[Row], needed: float) -> str:
    shown = table("Decided", "Score", "Needed", "Ensemble", "Outcome")
    for row in rows:
        shown.add_row(
            readable(parse_utc(row["decided_at"])),
            f"{row['score']:g}",
            f"{needed:g}",
            formatted(row.get("probability"), ".4f"),
            outcome_words(row["outcome"]),
        )
    return rendered(shown)
