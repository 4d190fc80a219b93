"""All kept runs below a folder, a few lines each. Reads two small files of each, no table."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import RunError
from engine.jobs.showing.folder import RunManifest, check_file, manifest_of, run_folders
from engine.plain import plain
from engine.tables import UNDEFINED, formatted, rendered, run_name, table
from feeds.messages import first_line, printable

_BARS_WIDTH = 24  # of symbols and timeframe


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRun:
    """What the list says of one run.

    Attributes
    ----------
    command : which kind of run, such as `backtest`
    best_of : of how many sets that a search tried its settings are the best; 0 for none
    ml : the mode that was asked for
    start, end : of the bars that it traded, the earliest and the latest of its symbols
    trades, total_return : by `off` and `on`
    ml_helps, verdict : of a comparison; None of a single run
    """

    path: Path
    created_at: str
    command: str
    best_of: int
    ml: str
    symbols: Sequence[str]
    timeframe: str
    start: str
    end: str
    stamps: Sequence[str]
    trades: Mapping[str, int]
    total_return: Mapping[str, float | None]
    ml_helps: bool | None
    verdict: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the run in JSON's own types."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        found: dict[str, Any] = plain({"id": self.path.name, "damaged": None, **fields})
        return found

    def rows(self) -> list[tuple[str, ...]]:
        """Return the cells of two lines: of ML-off and ML-on, or of one run and its mode."""
        first, *rest = self.trades
        kind = f"best of {self.best_of:,} sets" if self.best_of else self.command
        said = f"{kind}, {self._conclusion()}"
        dates = f"{self.start[:10]} to {self.end[:10]}"
        stamps = [*self.stamps, "", ""]
        upper = (self.path.name, self._bars(), *self._figures(first), stamps[0])
        lower = (said, dates, *(self._figures(rest[0]) if rest else ("", "", "")), stamps[1])
        return [upper, lower]

    def _bars(self) -> str:
        """Return the symbols and the timeframe, as many symbols as there is room for."""
        for shown in range(len(self.symbols), 0, -1):
            more = f" +{len(self.symbols) - shown}" if shown < len(self.symbols) else ""
            text = f"{', '.join(self.symbols[:shown])}{more} {self.timeframe}"
            if len(text) <= _BARS_WIDTH:
                return text
        return f"{len(self.symbols)} symbols {self.timeframe}"

    def _conclusion(self) -> str:
        if self.ml_helps is None:
            return f"--ml {self.ml}"
        return "ML helps" if self.ml_helps else "no evidence"

    def _figures(self, label: str) -> tuple[str, str, str]:
        return (
            run_name(label),
            f"{self.trades[label]:,}",
            formatted(self.total_return[label], "+.2%"),
        )


@dataclass(frozen=True, slots=True)
class DamagedRun:
    """A folder of which no more is known than that it is a run's."""

    path: Path
    why: str

    def to_json(self) -> dict[str, Any]:
        """Return the run in JSON's own types."""
        return {"id": self.path.name, "damaged": self.why, "path": str(self.path)}

    def rows(self) -> list[tuple[str, ...]]:
        """Return the cells of its line."""
        return [(printable(self.path.name), "damaged", *[UNDEFINED] * 3, "")]


@dataclass(frozen=True, slots=True)
class RunList:
    """The runs below a folder, newest first."""

    out: Path
    runs: Sequence[ListedRun | DamagedRun]

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {"out": str(self.out), "runs": [run.to_json() for run in self.runs]}

    def text(self) -> str:
        """Return what a person reads."""
        if not self.runs:
            return f"no runs below {self.out}; run_backtest.py makes one"
        shown = table("Run", "Bars", "", "Trades", "Return", "")
        shown.columns[1].justify = shown.columns[2].justify = shown.columns[5].justify = "left"
        for run in self.runs:
            for row in run.rows():
                shown.add_row(*row)
        damaged = [run.why for run in self.runs if isinstance(run, DamagedRun)]
        return "\n".join([rendered(shown), *damaged]).rstrip()


def list_runs(out: Path) -> RunList:
    """Return the runs below a folder; one that cannot be read is listed as damaged.

    Raises
    ------
    RunError
        if there is no such folder
    """
    if not out.is_dir():
        raise RunError(
            f"{out}: must be a folder of runs, found none; name another with --out, or make a run "
            "with run_backtest.py"
        )
    return RunList(out, [_listed(folder) for folder in run_folders(out)])


def _listed(folder: Path) -> ListedRun | DamagedRun:
    try:
        return _read(folder, manifest_of(folder))
    except RunError as error:
        return DamagedRun(folder, str(error))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        return DamagedRun(folder, f"{folder}: the run is damaged: {first_line(error)}")


def _read(folder: Path, manifest: RunManifest) -> ListedRun:
    metrics = folder / "metrics.json"
    check_file(metrics, manifest.files.get(metrics.name))
    said = json.loads(metrics.read_text(encoding="utf-8"))
    figures = {run["ml"]: run for run in said["runs"] if run["ml"] in manifest.runs}
    facts = manifest.data.symbols
    return ListedRun(
        path=folder,
        created_at=manifest.created_at,
        command=manifest.request.command,
        best_of=manifest.request.best_of,
        ml=manifest.request.ml.value,
        symbols=tuple(facts),
        timeframe=manifest.data.timeframe,
        start=min(each.start for each in facts.values()),
        end=max(each.end for each in facts.values()),
        stamps=manifest.stamps,
        trades={label: figures[label]["trades"] for label in manifest.runs},
        total_return={label: figures[label]["metrics"]["total_return"] for label in manifest.runs},
        ml_helps=said["comparison"].get("ml_helps"),
        verdict=said["comparison"].get("verdict"),
    )
