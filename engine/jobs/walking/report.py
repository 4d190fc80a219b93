"""What a walk-forward answers with: the stitched run, then its windows, reliability and drift."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from engine.jobs.run_report import RunReport
from engine.jobs.walking.analyzer import WindowAnalyzers
from engine.jobs.walking.quality import Answers, drift_table, reliability_table
from engine.jobs.walking.window_facts import window_facts
from engine.jobs.walking.windows import WindowSpec
from engine.plain import plain
from engine.tables import formatted, rendered, table
from feeds.atomic import atomic_text
from ml.drift import LARGE, NOTICED

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class WalkForwardReport:
    """A finished walk-forward.

    Attributes
    ----------
    run : over all tests, with what was not seen yet
    answers : of each window
    model : where the last bundle was put in force, if that was asked for
    """

    run: RunReport
    spec: WindowSpec
    answers: Sequence[Answers]
    analyzer: WindowAnalyzers
    model: Path | None

    def facts(self) -> dict[str, Any]:
        """Return what is said beside the run, in JSON's own types."""
        found: dict[str, Any] = plain(
            {
                "spec": str(self.spec),
                "windows": window_facts(self.answers, self.analyzer, self.run.results),
                "reliability": reliability_table(self.answers),
                "drift": drift_table(self.answers),
                "last_bundle": self.last_bundle,
                "put_in_force": self.model,
            }
        )
        return found

    @property
    def page(self) -> Path:
        """The run as a page for people."""
        return self.run.page

    @property
    def last_bundle(self) -> Path:
        """The bundle to go on with."""
        return self.answers[-1].window.path

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {**self.run.to_json(), "walk_forward": self.facts()}

    def keep(self, folder: Path) -> None:
        """Write the answer to where the windows are kept, under the name of the run's folder."""
        file = folder / f"{self.run.run_dir.name}.json"
        atomic_text(file, json.dumps(self.to_json(), indent=2) + "\n")

    def text(self) -> str:
        """Return what a person reads."""
        facts = self.facts()
        parts = [
            f"walk-forward {self.spec}: {len(self.answers)} windows; the run goes over all tests",
            self.run.text(),
            "",
            "windows: rows learned from, candidate bars of the test, the trades decided in it",
            rendered(_windows_table(facts["windows"])),
            rendered(_trades_table(facts["windows"])),
            "reliability on all tests, at natural frequencies",
            rendered(_reliability_table(facts["reliability"])),
            f"drift: population stability index against the training; below {NOTICED:g} the same, "
            f"from {LARGE:g} on another distribution",
            rendered(_drift_table(facts["drift"]["windows"])),
            rendered(_worst_table(facts["drift"]["worst_features"])),
            *self._last(),
        ]
        return "\n".join(parts)

    def _last(self) -> list[str]:
        facts = self.run.data
        path = self.last_bundle if self.model is None else self.model
        command = (
            f"run_paper.py --symbols {','.join(facts['symbols'])} --timeframe "
            f"{facts['timeframe']} --ml on --model {path}"
        )
        where = "put in force at --model" if self.model else "not put in force: give --model PATH"
        return [
            f"the last window's bundle ({where});",
            "add the --config of this run if it had one, and for recorded bars --rehearse FILE:",
            command,
        ]


def _windows_table(windows: Sequence[Facts]) -> Table:
    shown = table("Window", "Test from", "to", "Learned", "Tested", "Ones", "Base", "AUC", "Brier")
    for window in windows:
        scores = window["candidates"]
        shown.add_row(
            str(window["window"]),
            window["train_end"][:10],
            window["test_end"][:10],
            f"{sum(window['rows'].values()):,}",
            f"{scores['rows']:,}",
            formatted(scores["positive_rate"], ".1%"),
            formatted(window["base_rate"], ".1%"),
            formatted(scores["roc_auc"], ".3f"),
            formatted(scores["brier"], ".4f"),
        )
    return shown


def _trades_table(windows: Sequence[Facts]) -> Table:
    labels = list(windows[0]["trades"])
    heads = ("Trades", "Won", "Expectancy")
    shown = table("Window", *(f"{head}, {label}" for label in labels for head in heads))
    for window in windows:
        cells = [
            text
            for each in window["trades"].values()
            for text in (
                f"{each['trades']:,}",
                formatted(each["win_rate"], ".1%"),
                formatted(each["expectancy"], ".3%"),
            )
        ]
        shown.add_row(str(window["window"]), *cells)
    return shown


def _reliability_table(predictors: Facts) -> Table:
    shown = table("Predictor", "Rows", "Brier", "ECE")
    for name, each in predictors.items():
        error = each["expected_calibration_error"]
        shown.add_row(
            name, f"{each['rows']:,}", formatted(each["brier"], ".4f"), formatted(error, ".4f")
        )
    return shown


def _drift_table(windows: Sequence[Facts]) -> Table:
    shown = table(
        "Window", "Rows", "Probability", f"Features >= {NOTICED:g}", f"Features >= {LARGE:g}"
    )
    for each in windows:
        counts = (f"{each[key]}" for key in ("features_noticed", "features_large"))
        rows, index = f"{each['rows']:,}", formatted(each["probability"], ".3f")
        shown.add_row(str(each["window"]), rows, index, *counts)
    return shown


def _worst_table(features: Sequence[Facts]) -> Table:
    shown = table("Feature that drifted most", "Largest", "in window", "Mean")
    for each in features:
        numbers = (f"{each['largest']:.3f}", str(each["window"]), f"{each['mean']:.3f}")
        shown.add_row(each["feature"], *numbers)
    return shown
