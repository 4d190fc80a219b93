"""How the run came about: settings, digests, clock, protections, and how to make it again."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from engine.report_html.report import Report, Setting
from engine.report_html.section import Section, render
from engine.result import RunResult
from engine.result_hash import ENSEMBLES

# What lies beside the page, and what lies in the folder of each run.
FILES: Mapping[str, str] = {
    "metrics.json": "figures of the runs and of their comparison, as --json prints them",
    "config.json": "every setting, by run",
    "manifest.json": "the request, digests of bars, bundle and files, versions",
    "run.log": "what the command logged",
}
FILES_OF_A_RUN: Mapping[str, str] = {
    "trades.csv": "from flat to flat",
    "fills.csv": "executed orders",
    "rejections.csv": "what was wanted and not traded",
    "equity.parquet": "the account at closes of bars",
    "decisions.parquet": "a row for every candidate bar",
}


def making(report: Report) -> Section:
    """Return how the runs were made, and how they can be made again."""
    first = report.results[0]
    other = [setting for setting in report.settings if not setting.is_default]
    return Section(
        name="making",
        title="How it was made",
        html=render(
            "making.html",
            repeat=report.repeat,
            settings_file=report.settings_file.strip(),
            other=[_shown(setting) for setting in other],
            settings=[_shown(setting) for setting in report.settings],
            facts=list(_facts(report, first)),
            versions=sorted(first.versions.items(), key=lambda item: item[0].lower()),
            protections=_protections(report, first.config),
            clocks=[_clock(run, report.titles[run["ml"]]) for run in report.document["runs"]],
            files=FILES,
            folders=[result.label for result in report.results],
            files_of_a_run=FILES_OF_A_RUN,
        ),
    )


def _shown(setting: Setting) -> dict[str, str]:
    return {
        "name": setting.name,
        "value": _text(setting.value),
        "default": _text(setting.default),
        "meaning": setting.meaning,
    }


def _text(value: Any) -> str:
    """Return a value as people read it."""
    match value:
        case None:
            return "none"
        case str(text):
            return text
        case _:
            return json.dumps(value, ensure_ascii=False)


def _facts(report: Report, first: RunResult) -> Iterator[tuple[str, str]]:
    """Yield what names the run and what went into it; the bars' digests stand with the data."""
    document, request = report.document, report.request
    yield "Made", f"{report.created_at}, by {request['command']}, ML mode {request['ml']}"
    yield "Seed of all chance", str(first.seed)
    yield "Result hash", document["result_hash"]
    if len(report.results) > 1:
        for run in document["runs"]:
            yield f"Result hash of {report.titles[run['ml']]}", run["result_hash"]
    for result in report.results:
        for name, digest in result.digests.items():
            if name in ENSEMBLES:
                yield f"Digest of the {name}", digest
    if request.get("model"):
        yield "Bundle", f"{request['model']['path']}, version {request['model']['version']}"
    if request.get("strategy"):
        own = request["strategy"]
        yield f"Strategy {own['name']}", f"{own['path']}, digest {own['digest']}"


def _protections(report: Report, config: Mapping[str, Any]) -> list[str]:
    """Return which protections were on, and how often they stopped an entry."""
    on = {name: value for name, value in config["protections"].items() if value is not None}
    if not on:
        return ["No protection was on: every entry that was wanted was sent."]
    lines = ["On: " + ", ".join(f"{name} {_text(value)}" for name, value in on.items()) + "."]
    for run in report.document["runs"]:
        vetoes = ", ".join(f"{name} {count:,}" for name, count in run["vetoes"].items())
        name = report.titles[run["ml"]]
        lines.append(f"{name}: entries vetoed by {vetoes}." if vetoes else f"{name}: no veto.")
    return lines


def _clock(run: Mapping[str, Any], name: str) -> str:
    """Return in words how the bars of a run were passed."""
    clock = run["clock"]
    lived = f"{clock['run']:,} of {clock['moments']:,} closes were run"
    if clock["kind"] == "sparse":
        lived += "; at the others nothing could happen"
    why = f" ({'; '.join(clock['reasons'])})" if clock["reasons"] else ""
    return f"{name}: {clock['kind']} clock{why}, {lived}."
