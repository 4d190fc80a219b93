"""The accounts over time, their drawdown below, and how much of them was in positions."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from engine.equity import EquityCurve
from engine.labels import HELD, VOLATILITY_GATE
from engine.metrics import max_drawdown, total_return
from engine.report_html.packing import Packed, pack_numbers, pack_times
from engine.report_html.report import Report
from engine.report_html.section import Section, render
from engine.report_html.thinning import stretch_means, thinned
from engine.report_html.words import DASH, fraction, money
from feeds.bars import FloatArray

MOST_POINTS = 550  # of a line: four accounts and a band stay below what a chart may hold
_MOST_OF_BAND = 400
_MOST_STRETCHES = 300


class Account(NamedTuple):
    """An account that is drawn.

    Attributes
    ----------
    name, title : in the script, and for people
    curve : the account over time
    figures : what metrics.json says of it
    """

    name: str
    title: str
    curve: EquityCurve
    figures: Mapping[str, Any]


def equity(report: Report) -> Section:
    """Return the accounts over time."""
    cash = float(report.results[0].config["broker"]["cash"])
    accounts = list(_accounts(report))
    band = report.beside
    return Section(
        name="equity",
        title="Equity",
        html=render(
            "equity.html",
            accounts=[{"name": a.name, "title": a.title} for a in accounts],
            rows=[_row(account, cash) for account in accounts],
            gate=None if band is None else _gate_row(report),
            share=None if band is None else fraction(band.share, 0),
            cash=money(cash),
            holds=_held_how(report),
        ),
        data={
            "accounts": [
                {"name": a.name, "title": a.title, "exposed": "exposure" in a.figures}
                for a in accounts
            ],
            "band": None if band is None else f"Random gate, {fraction(band.share, 0)} of shuffles",
        },
        arrays=dict(_arrays(report, accounts, cash)),
    )


def drawdown(curve: FloatArray, cash: float) -> FloatArray:
    """Return how far an account lies below its peak so far, as a fraction of it, 0 or below."""
    peak = np.maximum(np.maximum.accumulate(curve), cash)
    return curve / peak - 1.0


def _accounts(report: Report) -> Iterator[Account]:
    """Yield the runs, then what stands beside them."""
    document = report.document
    titles = report.titles
    for result, run in zip(report.results, document["runs"], strict=True):
        yield Account(result.label, titles[result.label], result.equity, run["metrics"])
    if report.beside is not None:
        gate = document["comparison"]["volatility_gate"]
        yield Account("volatility", VOLATILITY_GATE, report.beside.volatility, gate)
    held = held_figures(report)
    if report.held is not None and held is not None:
        yield Account("held", HELD, report.held, held)


def held_figures(report: Report) -> Mapping[str, Any] | None:
    """Return what holding came to, costs paid; None if nobody knows."""
    if report.held is None:
        return None
    compared = report.document["comparison"]
    if compared:
        found: Mapping[str, Any] = compared["buy_and_hold"]
        return found
    return _came_to(report.held, float(report.results[0].config["broker"]["cash"]))


def _came_to(curve: EquityCurve, cash: float) -> dict[str, float]:
    """Return the figures of an account of which metrics.json says nothing."""
    path = np.append(cash, curve.equity)
    return {"total_return": total_return(path), "max_drawdown": max_drawdown(path)}


def _row(account: Account, cash: float) -> dict[str, str]:
    curve, figures = account.curve, account.figures
    below = drawdown(curve.equity, cash)
    lowest = int(np.argmin(below))
    return {
        "name": account.name,
        "title": account.title,
        "end": money(float(curve.equity[-1])),
        "total_return": fraction(figures["total_return"], 1),
        "max_drawdown": fraction(figures["max_drawdown"], 1),
        "deepest": str(curve.time[lowest].astype("datetime64[D]")) if below[lowest] < 0 else DASH,
        "exposure": fraction(figures.get("exposure"), 1),
    }


def _gate_row(report: Report) -> dict[str, str]:
    gate = report.document["comparison"]["random_gate"]
    return {
        "total_return": fraction(gate["total_return"]["mean"], 1),
        "max_drawdown": fraction(gate["max_drawdown"]["mean"], 1),
        "seeds": f"{gate['seeds']:,}",
    }


def _held_how(report: Report) -> str:
    count = len(report.markets)
    what = "equal parts of the symbols" if count > 1 else "the symbol"
    return (
        f"Buy and hold buys {what} at the first open and sells at the last close; costs are paid."
    )


def _arrays(report: Report, accounts: list[Account], cash: float) -> Iterator[tuple[str, Packed]]:
    for account in accounts:
        curve = account.curve
        below = drawdown(curve.equity, cash)
        some = thinned([curve.equity, below], MOST_POINTS)
        yield f"{account.name}.time", pack_times(curve.time[some])
        yield f"{account.name}.equity", pack_numbers(np.round(curve.equity[some], 2))
        yield f"{account.name}.below", pack_numbers(np.round(below[some], 6))
        if "exposure" in account.figures:
            begin, share = stretch_means(_at_work(curve), _MOST_STRETCHES)
            yield f"{account.name}.begin", pack_times(curve.time[begin])
            yield f"{account.name}.share", pack_numbers(np.round(share, 4))
    if report.beside is not None:
        band = report.beside
        some = thinned([band.low, band.high], _MOST_OF_BAND)
        yield "band.time", pack_times(band.time[some])
        yield "band.low", pack_numbers(np.round(band.low[some], 2))
        yield "band.high", pack_numbers(np.round(band.high[some], 2))


def _at_work(curve: EquityCurve) -> FloatArray:
    """Return the share of the equity that is in positions at each close."""
    share: FloatArray = np.zeros(len(curve))
    np.divide(curve.position_value, curve.equity, out=share, where=curve.equity > 0)
    return share
