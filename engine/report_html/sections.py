"""The sections of the page, in their order."""

from collections.abc import Callable, Sequence

from engine.report_html.costs import costs
from engine.report_html.data import data
from engine.report_html.difference import difference
from engine.report_html.equity import equity
from engine.report_html.making import making
from engine.report_html.model import model
from engine.report_html.months import months
from engine.report_html.price import price
from engine.report_html.report import Report
from engine.report_html.search import search
from engine.report_html.section import Section
from engine.report_html.trades import trades
from engine.report_html.verdict import verdict

SECTIONS: Sequence[Callable[[Report], Section | None]] = (
    verdict,
    search,
    price,
    equity,
    difference,
    trades,
    model,
    months,
    costs,
    data,
    making,
)
"""Each returns None where there is nothing to say."""
