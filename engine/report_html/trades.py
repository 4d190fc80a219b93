"""The trades of the runs: how their returns are spread, by what they differ, and all of them."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from engine.labels import FIGURES
from engine.report_html.breakdowns import Band, Breakdown, breakdowns, drawn
from engine.report_html.packed_trades import trades_of_report
from engine.report_html.report import Report
from engine.report_html.section import Section, render
from engine.report_html.spread import Spread, spread
from engine.report_html.trade_columns import TradeColumns, TradeTable
from engine.report_html.words import DASH, fraction, money, number
from engine.statistics.clustered import FEWEST_DAYS
from feeds.bars import FloatArray

ENDS = 10  # the worst and the best trades that are listed
MOST_DOTS = 1_000  # of one run in a chart

_TOTALS: Mapping[str, Callable[[Any], str]] = {
    "win_rate": partial(fraction, digits=1),
    "expectancy": partial(fraction, digits=3),
    "average_win": partial(fraction, digits=3),
    "average_loss": partial(fraction, digits=3),
    "profit_factor": partial(number, digits=2),
    "expectancy_quote": money,
    "fees_paid": money,
    "longest_losing_streak": partial(number, digits=0),
}


def trades(report: Report) -> Section:
    """Return the section of the trades; it says so if there are none."""
    table, titles = trades_of_report(report).table, report.titles
    made = [each for each in breakdowns(table) if each.tells_apart]
    spreads = spread(table.runs)
    return Section(
        name="trades",
        title="Trades",
        html=render(
            "trades.html",
            runs=[_run_words(run, table, titles[run.label]) for run in table.runs],
            totals=_totals(report),
            spread=_spread_rows(spreads, table.runs) if spreads else [],
            fewest_days=FEWEST_DAYS,
            breakdowns=[_breakdown_words(each, titles) for each in made],
            bar=report.document["data"]["timeframe"],
            any=any(len(run) for run in table.runs),
            filters=_filters(report, table),
        ),
        data={
            "name": report.name,
            "spread": _spread_drawn(spreads),
            "breakdowns": [drawn(each) for each in made],
            "mostDots": MOST_DOTS,
        },
    )


def _totals(report: Report) -> list[dict[str, Any]]:
    """Return the figures of all trades, a row each with a cell for every run."""
    runs = report.document["runs"]
    shown = {"trades": [f"{run['trades']:,}" for run in runs]}
    for name, show in _TOTALS.items():
        shown[name] = [show(run["metrics"][name]) for run in runs]
    return [{"name": name, "title": FIGURES[name], "cells": cells} for name, cells in shown.items()]


def _run_words(run: TradeColumns, table: TradeTable, title: str) -> dict[str, Any]:
    order = np.argsort(run.returns, kind="stable")
    return {
        "label": run.label,
        "name": title,
        "trades": len(run),
        "worst": [_row(run, table, place) for place in order[:ENDS].tolist()],
        "best": [_row(run, table, place) for place in order[::-1][:ENDS].tolist()],
        "way": _way_words(run),
        "dots": min(len(run), MOST_DOTS),
    }


def _row(run: TradeColumns, table: TradeTable, place: int) -> dict[str, Any]:
    return {
        "place": place,
        "opened": np.datetime_as_string(run.moments["opened_at"][place], unit="m").replace(
            "T", " "
        ),
        "symbol": table.symbols[run.symbol[place]],
        "bars": f"{run.numbers['bars_held'][place]:,.0f}",
        "exit": table.reasons[run.reason[place]].replace("_", " "),
        "return": fraction(float(run.returns[place]), 3),
        "pnl": money(float(run.numbers["pnl"][place])),
    }


def _way_words(run: TradeColumns) -> list[str]:
    """Return how far losses had been ahead on the way, and wins behind."""
    known = ~np.isnan(run.best)
    lost, won = run.best[known & ~run.won], run.worst[known & run.won]
    said = []
    if len(lost):
        said.append(
            f"Half of the {len(lost):,} trades without a net profit had been {_half(lost)} or more "
            "ahead on the way."
        )
    if len(won):
        said.append(
            f"Half of the {len(won):,} with one had been {_half(-won)} or more behind on the way."
        )
    return said


def _half(values: FloatArray) -> str:
    return fraction(float(np.median(values)), 2)


def _spread_rows(spreads: Spread, runs: Sequence[TradeColumns]) -> list[dict[str, Any]]:
    """Return the quantiles of the returns, a row each with a cell for every run."""
    return [
        {"title": title, "cells": [DASH if not len(run) else cells[run.label] for run in runs]}
        for title, cells in spreads.quantiles
    ]


def _spread_drawn(spreads: Spread | None) -> dict[str, Any] | None:
    if spreads is None:
        return None
    return {
        "edges": [round(edge * 100.0, 6) for edge in spreads.edges.tolist()],
        "counts": {label: counts.tolist() for label, counts in spreads.counts.items()},
        "means": {label: mean * 100.0 for label, mean in spreads.means.items()},
        "open": spreads.open,
    }


def _breakdown_words(each: Breakdown, titles: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": each.name,
        "title": each.title,
        "runs": [titles[label] for label in each.runs],
        "rows": [
            {
                "band": band,
                "cells": [_band_words(bands[place]) for bands in each.runs.values()],
            }
            for place, band in enumerate(each.bands)
        ],
    }


def _band_words(band: Band) -> tuple[str, str, str, str]:
    rate = band.wins / band.trades if band.trades else None
    return (
        f"{band.trades:,}",
        fraction(rate, 1),
        fraction(band.mean, 3),
        money(band.pnl) if band.trades else DASH,
    )


def _filters(report: Report, table: TradeTable) -> dict[str, Any]:
    return {
        "symbols": table.symbols if len(table.symbols) > 1 else [],
        "reasons": [(reason, reason.replace("_", " ")) for reason in table.reasons],
        "groups": [(name, name.replace("_", " ")) for name in report.groups],
        "score": any(not np.isnan(run.score).all() for run in table.runs),
        "probability": any(not np.isnan(run.probability).all() for run in table.runs),
    }
