"""Plain text tables of at most 100 columns, the same on a terminal, in a file and in a document."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.result import IN_SAMPLE, RunResult
from feeds.identity import SYNTHETIC

WIDTH = 100
UNDEFINED = "-"

_MEANING = {
    SYNTHETIC: "a simulated market; these figures say nothing about a real one",
    IN_SAMPLE: "the model has seen these bars; these figures say nothing about new ones",
}

_RUN_NAMES = {"off": "ML-off", "on": "ML-on"}


def run_name(label: str) -> str:
    """Return how a run is called in tables and sentences."""
    return _RUN_NAMES.get(label, label)


def run_titles(results: Sequence[RunResult]) -> dict[str, str]:
    """Return how runs are called beside each other, by their label.

    A plain strategy that runs alone is called by its class: what it would be without an ensemble,
    or with one, is not what it is.
    """
    if len(results) > 1:
        return {result.label: run_name(result.label) for result in results}
    return {result.label: _own_name(result.config) or run_name(result.label) for result in results}


def _own_name(config: Mapping[str, Any]) -> str | None:
    """Return the class of a plain strategy: one with parameters of its own, without rules."""
    strategy = config.get("strategy") or {}
    if "params" not in strategy:
        return None
    return str(strategy["file"]).rpartition(":")[2]


def formatted(value: float | None, form: str) -> str:
    """Return the value in the form, or what stands for an undefined one.

    >>> formatted(0.125, ".1%"), formatted(None, ".1%")
    ('12.5%', '-')
    """
    return UNDEFINED if value is None else format(value, form)


def table(*columns: str) -> Table:
    """Return an empty table; its lines are Markdown's, so that it can be pasted anywhere."""
    made = Table(box=box.MARKDOWN)
    for place, column in enumerate(columns):
        made.add_column(Text(column), justify="right" if place else "left", no_wrap=True)
    return made


def rendered(made: Table) -> str:
    """Return the table as text, without colours."""
    console = Console(file=io.StringIO(), width=WIDTH, color_system=None, force_terminal=False)
    with console.capture() as written:
        console.print(made)
    return "\n".join(line.rstrip() for line in written.get().splitlines() if line.strip()) + "\n"


def stamp_line(stamp: str) -> str:
    """Return the line that says what figures with this stamp are worth."""
    return f"*** {stamp}: {_MEANING[stamp]} ***\n"


def stamp_lines(results: Sequence[RunResult]) -> str:
    """Return a line for each stamp that any of the runs bears."""
    borne = dict.fromkeys(stamp for result in results for stamp in result.stamps)
    return "".join(map(stamp_line, borne))
