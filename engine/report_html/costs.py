"""The same trades at other fees, where nothing is left, and what was paid."""

from collections.abc import Iterator, Mapping
from typing import Any

from engine.report_html.report import Report
from engine.report_html.section import Section, render
from engine.report_html.words import DASH, fraction, money, number


def costs(report: Report) -> Section:
    """Return what the runs paid, and what they would have come to at other fees."""
    broker, titles = report.results[0].config["broker"], report.titles
    runs = [(run, titles[run["ml"]]) for run in report.document["runs"]]
    return Section(
        name="costs",
        title="Costs",
        html=render(
            "costs.html",
            asked=_asked(broker),
            sentences=[sentence for run, title in runs for sentence in _sentences(run, title)],
            runs=[
                {"label": run["ml"], "title": title, "steps": list(_steps(run, broker["fee"]))}
                for run, title in runs
            ],
            paid=[_paid(run, title, broker["cash"]) for run, title in runs],
        ),
        data={
            "fee": broker["fee"],
            "runs": [_drawn(run, title) for run, title in runs if run["trades"]],
        },
    )


def _paid(run: Mapping[str, Any], title: str, cash: float) -> dict[str, str]:
    metrics = run["metrics"]
    return {
        "label": run["ml"],
        "title": title,
        "fees": money(metrics["fees_paid"]),
        "of_cash": fraction(metrics["fees_paid"] / cash, 1),
        "turnover": number(metrics["turnover"], 1),
        "fee": fraction(run["break_even_fee"], 3),
        "cost": fraction(run["break_even_cost"], 3),
    }


def _drawn(run: Mapping[str, Any], title: str) -> dict[str, Any]:
    return {
        "label": run["ml"],
        "title": title,
        "fees": [step["fee"] for step in run["cost_sweep"]],
        "expectancy": [step["expectancy"] for step in run["cost_sweep"]],
        "break_even": run["break_even_fee"],
    }


def _asked(broker: Mapping[str, Any]) -> str:
    """Return what fills cost, in words."""
    maker = broker["maker_fee"]
    rested = "" if maker is None else f" ({fraction(maker, 3)} for a limit that rested)"
    return (
        f"Each fill pays a fee of {fraction(broker['fee'], 3)}{rested}; market and stop fills also "
        f"lose half a spread of {fraction(broker['half_spread'], 3)}, slippage of "
        f"{fraction(broker['slippage'], 3)} and {fraction(broker['range_slippage'], 1)} of the "
        "range of the bar that fills."
    )


def _sentences(run: Mapping[str, Any], name: str) -> Iterator[str]:
    """Yield where the money of a mean trade went, and at which costs nothing is left."""
    before_costs, before_fees = run["expectancy_before_costs"], run["expectancy_before_fees"]
    if before_costs is None or before_fees is None:
        yield f"{name} made no trade, so there is no fee at which it breaks even."
        return
    after = run["metrics"]["expectancy"]
    yield (
        f"The mean trade of {name} came to {fraction(before_costs, 3)} at the prices aimed at; "
        f"spread and slippage took {fraction(before_costs - before_fees, 3)}, fees "
        f"{fraction(before_fees - after, 3)}, which left {fraction(after, 3)}."
    )
    if run["break_even_cost"] is None:
        yield "It loses even without any cost."
    elif run["break_even_fee"] is None:
        cost = fraction(run["break_even_cost"], 3)
        yield f"It breaks even at costs of {cost} a round trip, and loses even without fees."
    else:
        yield (
            f"It breaks even at a fee of {fraction(run['break_even_fee'], 3)} a side, or at costs "
            f"of {fraction(run['break_even_cost'], 3)} a round trip in all."
        )


def _steps(run: Mapping[str, Any], fee: float) -> Iterator[dict[str, Any]]:
    for step in run["cost_sweep"]:
        traded = bool(run["trades"])
        yield {
            "own": abs(step["fee"] - fee) < 1e-12,
            "fee": fraction(step["fee"], 3),
            "expectancy": fraction(step["expectancy"], 3),
            "win_rate": fraction(step["win_rate"], 1),
            "profit_factor": number(step["profit_factor"], 2),
            "pnl": money(step["pnl"]) if traded else DASH,
        }
