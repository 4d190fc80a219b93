"""A kept run in short: how it was made, what it came to, what flatters it."""

from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

from engine.cost_report import flattery_list
from engine.jobs.request_record import (
    BEST_OF,
    DefaultRecord,
    ExchangeRecord,
    FilesRecord,
    RequestRecord,
)
from engine.jobs.showing.folder import RunFolder
from engine.plain import plain
from engine.report import METRICS, cell
from engine.run_folder import PAGE
from engine.tables import WIDTH, rendered, run_name, stamp_line, table
from feeds.moments import parse_utc, readable


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """The run of a folder."""

    run: RunFolder

    @property
    def page(self) -> Path:
        """The run as a page for people, which older ones lack."""
        return self.run.path / PAGE

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        made = self.run.manifest
        shown: dict[str, Any] = plain(
            {
                "run_dir": self.run.path,
                "created_at": made.created_at,
                "stamps": made.stamps,
                "request": made.request.model_dump(mode="json"),
                "data": self.run.metrics.get("data", {}),
                "runs": self.run.metrics.get("runs", []),
                "verdict": self._verdict(),
                "result_hash": made.result_hash,
            }
        )
        return shown

    def text(self) -> str:
        """Return what a person reads."""
        made = self.run.manifest
        stamps = "".join(stamp_line(stamp) for stamp in made.stamps)
        verdict = self._verdict()
        parts = [
            f"run {self.run.path.name}, written {_told(made.created_at)}",
            *how_made(made.request),
            *self._markets(),
            "",
            stamps + rendered(self._table()),
            *([fill(f"verdict: {verdict}", WIDTH)] if verdict else []),
            flattery_list({name: self._said(name) for name in self.run.labels}),
            f"result hash {made.result_hash}",
        ]
        return "\n".join(parts)

    def _said(self, label: str) -> list[str]:
        return list(self.run.figures(label).get("flattery", []))

    def _verdict(self) -> str | None:
        verdict = self.run.metrics.get("comparison", {}).get("verdict")
        return None if verdict is None else str(verdict)

    def _markets(self) -> list[str]:
        data = self.run.manifest.data
        return [
            f"{symbol} {data.timeframe}: {facts.bars:,} bars, {_told(facts.start)} to "
            f"{_told(facts.end)}, digest {facts.digest[:16]}"
            for symbol, facts in data.symbols.items()
        ]

    def _table(self) -> Any:
        runs = {label: self.run.figures(label) for label in self.run.labels}
        shown = table("Run", *map(run_name, runs))
        shown.add_row("Trades", *(f"{run['trades']:,}" for run in runs.values()))
        for name, (title, show) in METRICS.items():
            shown.add_row(title, *(cell(run["metrics"].get(name), show) for run in runs.values()))
        fees = (cell(run.get("break_even_fee"), "{:.3%}".format) for run in runs.values())
        shown.add_row("Break-even fee a side", *fees)
        return shown


def _told(moment: str) -> str:
    return readable(parse_utc(moment))


def how_made(request: RequestRecord) -> list[str]:
    """Return in words which command made a run, on which bars and with which bundle."""
    match request.bars:
        case FilesRecord(paths=paths):
            bars = f"files {', '.join(map(str, paths))}"
        case ExchangeRecord() as asked:
            place = asked.exchange or "the usual exchange"
            bars = f"{', '.join(asked.symbols)} {asked.timeframe} of {place}, store {asked.store}"
        case DefaultRecord():
            bars = "the embedded default: a simulated market"
        case _:
            bars = "bars that a program made"
    told = {name: value for name, value in request.options.items() if name != BEST_OF}
    options = "".join(f", {name} {value}" for name, value in told.items())
    searched = request.best_of
    kind = f"search, the best of {searched:,} sets" if searched else request.command
    start, end = (None if each is None else _told(each) for each in (request.start, request.end))
    dates = f", {start or 'the beginning'} to {end or 'the end'}"
    ends = dates if request.start or request.end else ""
    model = request.model
    asked_model = [] if model is None else [f"bundle {model.path}, version {model.version}"]
    own = request.strategy
    strategy = (
        [] if own is None else [f"strategy {own.name} of {own.path}, digest {own.digest[:16]}"]
    )
    first = f"{kind}, --ml {request.ml}{options}, on {bars}{ends}"
    return [first, *strategy, *asked_model]
