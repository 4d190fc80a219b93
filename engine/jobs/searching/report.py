"""What a search answers with: the best sets, what matters, what the choice is worth, the run."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

from engine.jobs.run_report import RunReport
from engine.jobs.searching.finding import Found
from engine.jobs.searching.space import Space
from engine.jobs.searching.trial import Objective, Trial, best_of
from engine.jobs.searching.worth import Worth
from engine.labels import FIGURES
from engine.plain import plain
from engine.search_words import BESIDE, FORMS, by_importance, cell, heads, said
from engine.tables import WIDTH, formatted, rendered, stamp_lines, table
from feeds.atomic import atomic_text

SHOWN = 10  # sets in the table


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A search that has ended, and what its choice is worth."""

    space: Space
    objective: Objective
    found: Found
    worth: Worth

    @property
    def trials(self) -> Sequence[Trial]:
        """All sets that were tried."""
        return self.found.trials

    @property
    def best(self) -> Trial:
        """The best set."""
        return best_of(self.trials)[0]

    def facts(self) -> dict[str, Any]:
        """Return what is said beside the run, in JSON's own types."""
        found: dict[str, Any] = plain(
            {
                "trials": len(self.trials),
                "compared": len(best_of(self.trials)),
                "refused": sum(bool(trial.refused) for trial in self.trials),
                "objective": self.objective.value,
                **self.space.to_json(),
                "best": self.best.to_json(),
                "table": [trial.to_json() for trial in best_of(self.trials)[:SHOWN]],
                "importance": self.found.importance,
                **self.worth.to_json(),
                "warning": self.warning,
            }
        )
        return found

    @property
    def warning(self) -> str:
        """What has to be known before a figure of the best set is believed."""
        return (
            f"The best of {len(self.trials):,} sets on the same bars is flattered by having been "
            "chosen: expect less of it on any other bars."
        )


@dataclass(frozen=True, slots=True, eq=False)
class SearchReport(Judged):
    """A finished search.

    Attributes
    ----------
    run : of the best set on the Engine
    """

    run: RunReport

    @property
    def page(self) -> Path:
        """The run of the best set as a page for people."""
        return self.run.page

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return self.run.to_json()

    def keep(self) -> None:
        """Write the answer to where the trials are kept, under the name of the run's folder."""
        text = json.dumps(self.to_json(), indent=2, allow_nan=False) + "\n"
        atomic_text(self.found.folder / f"{self.run.run_dir.name}.json", text)

    def text(self) -> str:
        """Return what a person reads."""
        counted = len(best_of(self.trials))
        fewest = self.space.config.fewest_trades
        head = (
            f"search by {self.objective.value}: {len(self.trials):,} sets tried, {counted:,} of "
            f"them with {fewest} trades or more"
        )
        stamps = stamp_lines(self.run.results)
        parts = [
            head,
            "",
            *(f"{stamps}{rendered(each)}" for each in (self._best_table(), self._values_table())),
            *self._worth(),
            "",
            "the best set, run on the Engine",
            self.run.text(),
        ]
        return "\n".join(parts)

    def _best_table(self) -> Any:
        """Return the figures of the best sets."""
        best = best_of(self.trials)[:BESIDE]
        shown = table("Figure", *heads(each.number for each in best))
        for name in FORMS:
            known = [each.outcome.figures for each in best if each.outcome]
            shown.add_row(FIGURES[name], *(cell(name, getattr(of, name)) for of in known))
        return shown

    def _values_table(self) -> Any:
        """Return the values of the best set, beside those that the next ones have."""
        best = best_of(self.trials)[:BESIDE]
        shown = table("Key", "Importance", *heads(each.number for each in best))
        for key in by_importance(self.space.spans, self.found.importance):
            weight = formatted(self.found.importance.get(key), ".1%")
            shown.add_row(key, weight, *(said(trial.values[key]) for trial in best))
        return shown

    def _worth(self) -> list[str]:
        return [fill(line, WIDTH) for line in (self.warning, self._deflated(), self._overfitted())]

    def _deflated(self) -> str:
        sure = self.worth.deflated_sharpe
        if sure is None:
            return "Deflated Sharpe ratio: undefined, for the best set hardly trades."
        return (
            f"Deflated Sharpe ratio: {sure:.1%} sure that the Sharpe ratio of the best is above "
            f"what luck alone makes of the best of {self.worth.looked_at:,} configurations. So "
            "many were looked at on these bars, by this search and by all other searches and runs "
            "in the same folder of results. 95% is the usual bar."
        )

    def _overfitted(self) -> str:
        found = self.worth.overfitting
        if found is None:
            return (
                "Probability of backtest overfitting: undefined, for too few days or sets differ."
            )
        return (
            f"Probability of backtest overfitting: {found.probability:.1%}. In that share of "
            f"{found.splits:,} ways to halve the days, the set with the best Sharpe ratio on one "
            "half was among the worse half of the sets on the other; about 50% means that the "
            f"choice is luck. It lost money there in {found.loss:.1%} of them."
        )
