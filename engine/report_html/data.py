"""The bars of the run: how many, how whole, and what they are not."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from engine.report_html.report import Report, Traded
from engine.report_html.section import Section, render
from engine.report_html.words import fraction
from feeds.bars import Bars, IntArray
from feeds.gaps import holes_of
from feeds.identity import SYNTHETIC
from feeds.moments import readable

_MOST_GAPS = 12  # of a symbol that are told one by one

REMARKS = {
    SYNTHETIC: "The market is simulated: it keeps to rules that no real one keeps to.",
    "IN-SAMPLE": "The ensemble has seen bars of this run, so that it may know how they go on.",
}


def data(report: Report) -> Section:
    """Return what the runs were made on."""
    facts = report.document["data"]
    symbols = facts["symbols"]
    config = report.results[0].config.get("data", {})
    return Section(
        name="data",
        title="Data",
        html=render(
            "data.html",
            timeframe=facts["timeframe"],
            remarks=[REMARKS[stamp] for stamp in report.stamps],
            source=_source(report.request.get("bars", {}), rehearsed=_rehearsed(report)),
            repairs=", ".join(config.get("repair") or ()),
            fill_limit=config.get("fill_limit"),
            rows=[_row(name, found, report.markets[name]) for name, found in symbols.items()],
            gaps=[
                {"symbol": name, **_gaps(report.markets[name])}
                for name, found in symbols.items()
                if found["filled"] or found["segments"] > 1
            ],
        ),
    )


def _rehearsed(report: Report) -> bool:
    """Return whether a paper session met recorded bars."""
    return report.request.get("command") == "paper"


def _source(bars: Mapping[str, Any], *, rehearsed: bool) -> str:
    """Return where the bars came from."""
    match bars.get("kind"):
        case "files" if rehearsed:
            files = ", ".join(map(str, bars["paths"]))
            return f"This is a rehearsal: a stand-in for an exchange replayed them from {files}."
        case "files":
            return f"They were read from {', '.join(map(str, bars['paths']))}."
        case "exchange":
            where = bars["exchange"] or "the usual exchange"
            asked = f", asked at {bars['base_url']}" if bars["base_url"] else ""
            return f"They are bars of {where}{asked}, kept in {bars['store']}."
        case "live":
            return f"They closed on {bars['exchange']} while the session ran."
        case "default":
            return "They are the embedded default: simulated, and the same for the same seed."
        case _:
            return "They were made by a program."


def _row(symbol: str, facts: Mapping[str, Any], market: Traded) -> dict[str, str]:
    bars = market.bars[market.first :]
    quiet = float(np.mean(bars.volume == 0.0))
    return {
        "symbol": symbol,
        "start": facts["start"].replace("T", " ")[:16],
        "end": facts["end"].replace("T", " ")[:16],
        "bars": f"{facts['bars']:,}",
        "warmup": f"{facts['warmup_bars']:,}",
        "filled": f"{facts['filled']:,}",
        "quiet": fraction(quiet, 2),
        "segments": f"{facts['segments']:,}",
        "missing": f"{sum(hole.missing for hole in holes_of(bars)):,}",
        "digest": facts["digest"],
    }


def _gaps(market: Traded) -> dict[str, Any]:
    """Return the gaps in words, the longest first."""
    bars = market.bars[market.first :]
    holes = [(hole.missing, f"hole of {hole}: nothing reaches across") for hole in holes_of(bars)]
    found = sorted([*holes, *_filled(bars)], key=lambda gap: -gap[0])
    return {
        "texts": [text for _, text in found[:_MOST_GAPS]],
        "more": max(0, len(found) - _MOST_GAPS),
    }


def _filled(bars: Bars) -> Iterator[tuple[int, str]]:
    """Yield each row of filled bars: how many, and where."""
    begin, length = _rows_of(bars.filled.astype(np.int8))
    for at, count in zip(begin.tolist(), length.tolist(), strict=True):
        yield count, f"{count} filled, from {readable(bars.time[at])}: flat, nothing happens there"


def _rows_of(flags: IntArray) -> tuple[IntArray, IntArray]:
    """Return where rows of ones begin, and how long they are."""
    steps = np.diff(flags, prepend=0, append=0)
    begin = np.flatnonzero(steps > 0)
    return begin, np.flatnonzero(steps < 0) - begin
