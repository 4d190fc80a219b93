"""The page of a year of one-minute bars: its size, and how much each chart is made to draw."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from selenium.webdriver import Chrome

import engine.report_html.page as page_module
from engine.report_html.equity import equity
from engine.report_html.months import months
from engine.report_html.page import page
from engine.report_html.price import price
from engine.report_html.report import Report, Traded
from engine.report_html.trades import trades
from engine.result import RunResult
from feeds.bars import PRICES, Bars
from tests.browsing import run, said
from tests.engine.report_html.reading import read
from tests.engine.report_html.test_page import MOST_BYTES
from tests.engine.report_html.trade_makers import report_of, run_of
from tests.engine.run_makers import make_curve, make_trade
from tests.makers import make_bars

YEAR = 525_600  # bars
TRADES = 5_000  # of each of two runs
MOST_POINTS = 3_000  # of a chart
POINTS = """
return [...document.querySelectorAll('.chart')].map((frame) => ({
  name: frame.id || frame.dataset.chart,
  points: (frame.data ?? []).reduce((sum, { x }) => sum + x.length, 0),
}));
"""


def traded_year(bars: Bars, label: str, seed: int) -> RunResult:
    """Return a run with a journal that traded all year and saw as many bars that it let pass."""
    rng = np.random.default_rng(seed)
    at = np.sort(rng.choice(YEAR - 100, TRADES, replace=False)).tolist()
    paid = bars.close[at].tolist()
    pnl = rng.normal(size=TRADES).tolist()
    made = [
        replace(
            make_trade(),
            decided_at=bars.time[place],
            opened_at=bars.time[place],
            closed_at=bars.time[place + 20],
            entry_price=price_,
            exit_price=price_ + gain,
            pnl=gain,
        )
        for place, price_, gain in zip(at, paid, pnl, strict=True)
    ]
    moments = np.array([trade.decided_at for trade in made], "datetime64[ms]")
    journal = pd.DataFrame(
        {
            "symbol": bars.symbol,
            "decided_at": np.concatenate([moments, moments + np.timedelta64(1, "m")]),
            "outcome": np.repeat(["entered", "score_below"], TRADES),
            "score": rng.uniform(6.0, 9.0, 2 * TRADES),
            **{f"points_{name}": rng.normal(size=2 * TRADES) for name in ("rsi", "macd", "volume")},
        }
    )
    account = 1000.0 + np.cumsum(rng.normal(size=YEAR))
    return replace(
        run_of(made, label),
        equity=make_curve(account.tolist()),
        decisions=journal,
        config={"broker": {"cash": 1000.0}, "strategy": None},
    )


@pytest.fixture
def year(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page of a comparison over a year, with the sections that grow with bars and trades."""
    bars = make_bars(YEAR, timeframe="1m")
    bars = bars.unchecked({name: np.round(getattr(bars, name), 2) for name in PRICES})
    runs = [traded_year(bars, label, seed) for seed, label in enumerate(("off", "on"))]
    report: Report = report_of(*runs, markets={bars.symbol: Traded(bars, 0)})
    monkeypatch.setattr(page_module, "SECTIONS", (price, equity, trades, months))
    file = tmp_path / "report.html"
    file.write_text(page(report), encoding="utf-8")
    return file


@pytest.mark.slow
def test_a_year_of_minutes_is_a_small_page_that_draws_few_points(
    browser: Chrome, year: Path
) -> None:
    assert year.stat().st_size < MOST_BYTES
    read(browser, year)
    assert said(browser) == []
    drawn = {each["name"]: each["points"] for each in run(browser, POINTS)}
    assert {"price-chart", "equity", "spread", "way-on"} <= drawn.keys()
    assert len(drawn) <= 10
    assert min(count for name, count in drawn.items() if name != "way-off") > 0
    assert max(drawn.values()) <= MOST_POINTS
    seen = run(browser, "return document.getElementById('price-seen').innerText")
    assert f"{YEAR:,} bars" in seen
    assert f"ML-on {TRADES:,} trades" in seen
