"""What a search answers with: the best sets, what matters, what the choice is worth, the run."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

from engine.jobs.run_report import RunReport
from engine.jobs.searching.finding import Found
from engine.jobs.searching.space import NONE, Space
from engine.jobs.searching.trial import Objective, Trial, best_of
from engine.jobs.searching.values import Choice
from engine.jobs.searching.worth import Worth
from engine.plain import plain
from engine.tables import WIDTH, formatted, rendered, table
from feeds.atomic import atomic_text

SHOWN = 10  # sets in the table

_FORMS = {
    "trades": ",.0f",
    "expectancy": ".3%",
    "profit_factor": ".2f",
    "sharpe": ".2f",
    "total_return": ".2%",
    "max_drawdown": ".2%",
    "win_rate": ".1%",
}


@dataclass(frozen=True, slots=True, eq=False)
class SearchReport:
    """A finished search.

    Attributes
    ----------
    run : of the best set on the Engine
    """

    run: RunReport
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

    @property
    def page(self) -> Path:
        """The run of the best set as a page for people."""
        return self.run.page

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

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {**self.run.to_json(), "search": self.facts()}

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
        parts = [
            head,
            "",
            rendered(self._best_table()),
            rendered(self._values_table()),
            *self._worth(),
            "",
            "the best set, run on the Engine",
            self.run.text(),
        ]
        return "\n".join(parts)

    def _best_table(self) -> Any:
        names = [name.replace("_", " ").capitalize() for name in _FORMS]
        shown = table("Set", *names)
        for trial in best_of(self.trials)[:SHOWN]:
            figures = trial.outcome.figures if trial.outcome else None
            cells = [formatted(getattr(figures, name), form) for name, form in _FORMS.items()]
            shown.add_row(str(trial.number), *cells)
        return shown

    def _values_table(self) -> Any:
        """Return the values of the best set, beside those that the next ones have."""
        shown = table("Key", "Best", "Importance", *(f"{n}." for n in range(2, 5)))
        others = best_of(self.trials)[1:4]
        for key in sorted(self.space.spans, key=lambda k: -self.found.importance.get(k, 0.0)):
            rest = [said(trial.values[key]) for trial in others]
            weight = formatted(self.found.importance.get(key), ".1%")
            row = [said(self.best.values[key]), weight, *rest, *[""] * (3 - len(rest))]
            shown.add_row(key, *row)
        return shown

    def _worth(self) -> list[str]:
        return [fill(line, WIDTH) for line in (self.warning, self._deflated(), self._overfitted())]

    def _deflated(self) -> str:
        sure = self.worth.deflated_sharpe
        if sure is None:
            return "Deflated Sharpe ratio: undefined, for the best set hardly trades."
        return (
            f"Deflated Sharpe ratio: with {self.worth.looked_at:,} configurations looked at on "
            f"these bars, {sure:.1%} that the Sharpe ratio of the best is above what luck alone "
            "makes of the best of so many; 95 % is the usual bar."
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
            "half was among the worse half of the sets on the other; about 50 % means that the "
            f"choice is luck. It lost money there in {found.loss:.1%} of them."
        )


def said(value: Choice) -> str:
    """Return a value as tables write it."""
    if value is None:
        return NONE
    return f"{value:.4g}" if isinstance(value, float) else str(value)
