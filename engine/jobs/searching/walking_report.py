"""What a search in windows answers with: the stitched run, each window, and what it is worth."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

from engine.jobs.run_report import RunReport
from engine.jobs.searching.finding import Found
from engine.jobs.searching.space import Space
from engine.jobs.searching.trial import Figures, Objective, best_of
from engine.jobs.searching.worth import Worth
from engine.jobs.walking.windows import Window, WindowSpec
from engine.labels import FIGURES
from engine.plain import plain
from engine.search_words import cell, said
from engine.tables import WIDTH, formatted, rendered, stamp_lines, table
from feeds.atomic import atomic_text
from feeds.moments import iso

_KEYS_AT_ONCE = 5  # windows beside each other in a table of values


@dataclass(frozen=True, slots=True, eq=False)
class SearchedWindow:
    """One window.

    Attributes
    ----------
    found : on its train part
    worth : of what was found there
    searched, configured : figures of its test part, with the best set and as configured
    """

    window: Window
    found: Found
    worth: Worth
    searched: Figures
    configured: Figures

    @property
    def refused(self) -> int:
        """How many of its sets the settings refuse."""
        return sum(bool(trial.refused) for trial in self.found.trials)

    def to_json(self) -> dict[str, Any]:
        """Return it in JSON's own types."""
        best, moments = self.found.best, ("train_start", "train_end", "test_end")
        return {
            "window": self.window.number,
            **{name: iso(getattr(self.window, name)) for name in moments},
            "trials": len(self.found.trials),
            "compared": len(best_of(self.found.trials)),
            "refused": self.refused,
            "best": None if best is None else best.to_json(),
            "importance": self.found.importance,
            **self.worth.to_json(),
            "test": asdict(self.searched),
            "test_configured": asdict(self.configured),
            "kept": self.found.folder,
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JudgedWindows:
    """A search in windows that has ended, and what the run over all tests is worth.

    Attributes
    ----------
    configured : figures of the configured settings on the same tests
    worth : of the run
    folder : where the answer is kept
    """

    spec: WindowSpec
    space: Space
    objective: Objective
    windows: Sequence[SearchedWindow]
    configured: Figures
    worth: Worth
    folder: Path

    @property
    def trials(self) -> int:
        """How many sets were tried in all windows together."""
        return sum(len(each.found.trials) for each in self.windows)

    @property
    def pbo(self) -> float | None:
        """The probability of backtest overfitting, the mean over the windows that have one."""
        known = [each.worth.pbo for each in self.windows if each.worth.pbo is not None]
        return sum(known) / len(known) if known else None

    @property
    def warning(self) -> str:
        """What has to be known before a figure of the run is believed."""
        return (
            "Each test was traded with what its train part chose, so no figure of the run is "
            f"flattered by that choice among {self.trials:,} sets; space, objective and windows "
            "were chosen by whoever wrote them down, and the more of these are tried on the same "
            "bars, the more the best of them is flattered."
        )

    def facts(self) -> dict[str, Any]:
        """Return what is said beside the run, in JSON's own types."""
        last = self.windows[-1].found.best
        found: dict[str, Any] = plain(
            {
                "trials": self.trials,
                "objective": self.objective.value,
                **self.space.to_json(),
                "walk_forward": str(self.spec),
                "best": None if last is None else last.to_json(),
                **self.worth.to_json(),
                "pbo": self.pbo,
                "windows": [each.to_json() for each in self.windows],
                "configured": asdict(self.configured),
                "warning": self.warning,
            }
        )
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WindowSearchReport(JudgedWindows):
    """A finished search in windows.

    Attributes
    ----------
    run : over all tests, each with what was found on its train part
    """

    run: RunReport

    @property
    def page(self) -> Path:
        """The run as a page for people."""
        return self.run.page

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return self.run.to_json()

    def keep(self) -> None:
        """Write the answer to where searches are kept, under the name of the run's folder."""
        text = json.dumps(self.to_json(), indent=2, allow_nan=False) + "\n"
        atomic_text(self.folder / f"{self.run.run_dir.name}.json", text)

    def text(self) -> str:
        """Return what a person reads."""
        stamps = stamp_lines(self.run.results)
        refused = sum(each.refused for each in self.windows)
        of_them = f", {refused:,} of them refused by the settings" if refused else ""
        parts = [
            f"search by {self.objective.value} in {len(self.windows)} windows, {self.spec}: "
            f"{self.trials:,} sets tried{of_them}; the run goes over all tests",
            self.run.text(),
            "",
            "windows: the best set on the train part, and on the test that it had not seen",
            stamps + rendered(self._windows_table()),
            "the best set of each window",
            *(stamps + each for each in self._values_tables()),
            fill(self.warning, WIDTH),
            fill(self._deflated(), WIDTH),
        ]
        return "\n".join(parts)

    def _windows_table(self) -> Any:
        heads = ("Test from", "Sets", "PBO", "Trained on", "Tested", "Configured", "Trades")
        shown = table("Window", *heads)
        figure = self.objective.value
        for each in self.windows:
            best = each.found.best
            values = (
                None if best is None else best.score,
                getattr(each.searched, figure),
                getattr(each.configured, figure),
            )
            shown.add_row(
                str(each.window.number),
                str(each.window.train_end.astype("datetime64[D]")),
                f"{len(each.found.trials):,}",
                formatted(each.worth.pbo, ".0%"),
                *(cell(figure, value) for value in values),
                f"{each.searched.trades:,}",
            )
        return shown

    def _values_tables(self) -> list[str]:
        """Return the values of the windows' best sets, some windows beside each other."""
        starts = range(0, len(self.windows), _KEYS_AT_ONCE)
        return [rendered(self._values(self.windows[i : i + _KEYS_AT_ONCE])) for i in starts]

    def _values(self, windows: Sequence[SearchedWindow]) -> Any:
        shown = table("Key", *(f"Window {each.window.number}" for each in windows))
        for key in self.space.spans:
            bests = [each.found.best for each in windows]
            shown.add_row(key, *("-" if b is None else said(b.values[key]) for b in bests))
        return shown

    def _deflated(self) -> str:
        figure = self.objective.value
        own = cell(figure, getattr(self.run.results[-1].metrics, figure))
        other = cell(figure, getattr(self.configured, figure))
        sure = formatted(self.worth.deflated_sharpe, ".1%")
        return (
            f"The run's {FIGURES[figure].lower()} is {own}; with the configured settings on the "
            f"same tests it is {other}. Deflated Sharpe ratio: {sure}; "
            f"{self.worth.looked_at:,} configurations were looked at on these bars, by this search "
            "and by all other searches and runs in the same folder of results."
        )
