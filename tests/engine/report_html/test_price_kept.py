"""What the section of prices holds of markets too long for one page, or without a journal."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.report_html import price as price_section
from engine.report_html.price import price
from engine.report_html.report import Report, Traded
from engine.report_html.section import Section
from engine.report_html.trade_rows import MOST_CANDIDATES, decisions_of, pack_candidates
from engine.result import RunResult
from feeds.bars import Bars
from tests.engine.run_makers import START, make_result, make_trade
from tests.makers import make_bars


def section_of(bars: Bars, result: RunResult, first: int = 0) -> Section | None:
    return price(
        Report(
            name="run",
            created_at="2024-01-01 00:00Z",
            document={},
            results=[result],
            markets={bars.symbol: Traded(bars, first)},
            request={},
        )
    )


def test_what_is_left_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(price_section, "MOST_TEXT", 0)
    monkeypatch.setattr(price_section, "LEAST_TEXT", 20_000)
    trades = [make_trade(pnl, bar=at) for at, pnl in enumerate((1.0, -3.0, 2.0), start=10_000)]
    section = section_of(make_bars(30_000), make_result("off", trades=trades))
    assert section is not None
    assert "30,000 bars, too many for one page" in section.html
    assert "all of its 3 trades" in section.html
    (market,) = section.data["markets"]
    assert {"bars", "candles", "from", "to"} <= market.keys()


def test_a_page_that_holds_everything_leaves_nothing_out() -> None:
    section = section_of(make_bars(3_000), make_result("off"))
    assert section is not None
    assert "too many" not in section.html
    assert "candles" not in section.data["markets"][0]


def test_a_market_without_a_traded_bar_has_no_section() -> None:
    bars = make_bars(400)
    assert section_of(bars, make_result("off", trades=()), first=400) is None


@pytest.mark.parametrize(
    "journal",
    [pd.DataFrame(), pd.DataFrame({"symbol": ["BTC/USDT"], "decided_at": [START]})],
    ids=["none", "of other columns"],
)
def test_a_strategy_without_a_journal_of_scores_is_drawn_all_the_same(
    journal: pd.DataFrame,
) -> None:
    result = make_result("off", decisions=journal)
    section = section_of(make_bars(100), result)
    assert section is not None
    assert section.data["runs"][0]["candidates"] is None
    assert (decisions_of(result) < 0).all()


def journal_of(rows: int, **columns: Any) -> pd.DataFrame:
    minutes = np.arange(rows).astype("timedelta64[m]")
    return pd.DataFrame(
        {"symbol": "BTC/USDT", "decided_at": START + minutes, "score": 3.0, **columns}
    )


def test_candidates_beyond_the_most_are_left_out() -> None:
    few = make_result("off", decisions=journal_of(100, outcome="score_below"))
    many = make_result("off", decisions=journal_of(MOST_CANDIDATES + 1, outcome="score_below"))
    assert pack_candidates(few, ["BTC/USDT"]) is not None
    assert pack_candidates(many, ["BTC/USDT"]) is None


def test_a_trade_is_joined_to_the_decision_of_its_symbol_and_moment() -> None:
    trades = [make_trade(bar=1), make_trade(bar=2, symbol="ETH/USDT"), make_trade(bar=3)]
    decided = [trades[2].decided_at, trades[1].decided_at, trades[0].decided_at]
    journal = pd.DataFrame(
        {
            "symbol": ["BTC/USDT", "BTC/USDT", "BTC/USDT"],
            "decided_at": np.array(decided, "datetime64[ms]"),
            "outcome": ["entered", "entered", "score_below"],
        }
    )
    result = make_result("off", trades=trades, decisions=journal)
    assert decisions_of(result).tolist() == [-1, -1, 0]
