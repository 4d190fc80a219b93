"""The section of the trades, without a browser: totals, bands, spreads, the way of each trade."""

import gc
import weakref
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.records import Trade
from engine.report_html.breakdowns import NONE, Breakdown, breakdowns
from engine.report_html.packed_trades import trades_of_report
from engine.report_html.report import Report, Traded
from engine.report_html.spread import spread
from engine.report_html.trade_columns import trade_table
from engine.report_html.trades import ENDS, trades
from engine.result import RunResult, TradeGroup
from engine.statistics.clustered import FEWEST_DAYS
from tests.engine.report_html.trade_makers import report_of, run_of, trade_of
from tests.engine.run_makers import BAR, make_trade
from tests.makers import candles


def by_name(report: Report) -> dict[str, Breakdown]:
    return {each.name: each for each in breakdowns(trade_table(report))}


def banded(report: Report, name: str, label: str = "off") -> dict[str, int]:
    """Return how many trades are in each band that has any."""
    found = by_name(report)[name]
    counts = zip(found.bands, found.runs[label], strict=True)
    return {band: own.trades for band, own in counts if own.trades}


def test_trades_of_one_day_make_a_mean_no_surer() -> None:
    days = np.arange("2024-01-01", "2024-01-13", dtype="datetime64[D]").astype("datetime64[ms]")
    pnl = np.random.default_rng(1).normal(size=len(days))
    alone = [trade_of(float(each), decided_at=day) for each, day in zip(pnl, days, strict=True)]
    often = [trade for trade in alone for _ in range(9)]
    (error,), (same,) = (
        [band.error for band in by_name(report_of(run_of(made)))["holding"].runs["off"]]
        for made in (alone, often)
    )
    assert error == pytest.approx(np.std(pnl / 100.0, ddof=1) / np.sqrt(len(days)))
    assert same == pytest.approx(error)
    (few,) = by_name(report_of(run_of(often[: 9 * (FEWEST_DAYS - 1)])))["holding"].runs["off"]
    assert few.error is None


def test_every_breakdown_holds_every_trade() -> None:
    rng = np.random.default_rng(3)
    made = [
        make_trade(float(rng.normal()), bar=int(bar), held=int(rng.integers(0, 40)))
        for bar in range(0, 30_000, 100)
    ]
    report = report_of(run_of(made))
    (run,) = report.results
    names = []
    for each in breakdowns(trade_table(report)):
        bands = each.runs["off"]
        names.append(each.name)
        assert sum(band.trades for band in bands) == len(made)
        assert sum(band.wins for band in bands) / len(made) == pytest.approx(run.metrics.win_rate)
        assert sum(band.pnl for band in bands) == pytest.approx(sum(t.pnl for t in made))
        total = sum(band.trades * band.mean for band in bands if band.mean is not None)
        assert total / len(made) == pytest.approx(run.metrics.expectancy)
    assert names == ["hour", "weekday", "holding", "exit"]


def test_a_trade_is_in_the_hour_and_on_the_weekday_of_its_entry() -> None:
    moment = np.datetime64("2024-02-29T23:55", "ms")  # a Thursday
    report = report_of(run_of([trade_of(opened_at=moment, closed_at=moment + 3 * BAR)]))
    assert banded(report, "hour") == {"23": 1}
    assert banded(report, "weekday") == {"Thu": 1}


@pytest.mark.parametrize(
    ("bars", "band"),
    [
        (0, "0"),
        (1, "1"),
        (2, "2"),
        (3, "3 to 4"),
        (4, "3 to 4"),
        (5, "5 to 8"),
        (257, "257 to 512"),
    ],
)
def test_holding_times_double_from_band_to_band(bars: int, band: str) -> None:
    assert banded(report_of(run_of([make_trade(held=bars)])), "holding") == {band: 1}


def with_decisions(scores: Sequence[float], probabilities: Sequence[float]) -> RunResult:
    """Return a run that made a trade at each decision, and saw a candidate bar in between."""
    made = [make_trade(bar=10 * place) for place in range(len(scores))]
    moments = [trade.decided_at for trade in made]
    passed = [moment + BAR for moment in moments]
    decisions = pd.DataFrame(
        {
            "symbol": "BTC/USDT",
            "decided_at": np.array([*passed, *moments], "datetime64[ms]"),
            "outcome": ["score_below"] * len(made) + ["entered"] * len(made),
            "score": [0.0] * len(made) + list(scores),
            "probability": [0.01] * len(made) + list(probabilities),
        }
    )
    return replace(run_of(made), decisions=decisions)


def test_a_trade_has_the_score_and_the_probability_of_its_own_decision() -> None:
    run = with_decisions([6.0, 6.5, 7.0, 9.0 - 1e-12], [0.55, np.nan, 0.6, 1.0])
    report = report_of(run)
    assert banded(report, "score") == {"6 to 7": 2, "7 to 8": 1, "9 to 10": 1}
    assert banded(report, "probability") == {
        "0.5 to 0.6": 1, "0.6 to 0.7": 1, "0.9 to 1.0": 1, "not asked": 1,
    }  # fmt: skip


def test_a_score_below_zero_is_a_score() -> None:
    report = report_of(with_decisions([-0.5, -3.0], [np.nan, np.nan]))
    assert banded(report, "score") == {"-3 to -2": 1, "-1 to 0": 1}
    assert NONE < -3


def test_a_run_without_decisions_has_no_bands_by_score() -> None:
    report = report_of(replace(run_of([make_trade()]), decisions=pd.DataFrame()))
    assert {"score", "probability"}.isdisjoint(by_name(report))
    assert trades(report).html


def test_what_all_trades_have_in_common_is_not_drawn() -> None:
    made = [make_trade(bar=bar, held=held) for bar, held in ((1, 1), (400, 9))]
    drawn = [each["name"] for each in trades(report_of(run_of(made))).data["breakdowns"]]
    assert drawn == ["hour", "weekday", "holding"]
    alone = trades(report_of(run_of(made[:1])))
    assert alone.data["breakdowns"] == []
    assert "in common" not in alone.html


def test_only_the_run_that_was_asked_is_shown_by_probability() -> None:
    off, on = run_of([make_trade()]), replace(with_decisions([6.0], [0.7]), label="on")
    found = by_name(report_of(off, on))["probability"]
    assert list(found.runs) == ["on"]


def test_the_bars_of_the_histogram_hold_every_trade_and_meet_at_zero() -> None:
    rng = np.random.default_rng(1)
    made = [make_trade(float(pnl), bar=bar) for bar, pnl in enumerate(rng.standard_t(2, 500))]
    report = report_of(run_of(made))
    found = spread(trade_table(report).runs)
    assert found is not None
    counts = found.counts["off"]
    assert counts.sum() == 500
    assert found.open == (True, True)
    assert np.count_nonzero(found.edges == 0.0) == 1
    below = counts[found.edges[1:] <= 0.0].sum()
    assert below == sum(trade.pnl < 0 for trade in made)
    assert 20 < len(counts) < 120


@pytest.mark.parametrize("pnl", [0.0, 1.0, -1.0])
def test_one_trade_has_a_spread(pnl: float) -> None:
    found = spread(trade_table(report_of(run_of([make_trade(pnl)]))).runs)
    assert found is not None
    assert found.counts["off"].sum() == 1
    assert np.all(np.diff(found.edges) > 0)


def on_bars(*made: Trade) -> tuple[float, float]:
    """Return how far the first trade was behind and ahead on bars from 100 up to 106 and back."""
    rows = [(100.0, 101.0, 99.0, 100.0), (100.0, 106.0, 97.0, 103.0), (103.0, 120.0, 80.0, 103.0)]
    bars = candles(rows, symbol="BTC/USDT")
    report = report_of(run_of(made), markets={"BTC/USDT": Traded(bars, 0)})
    (run,) = trade_table(report).runs
    return float(run.worst[0]), float(run.best[0])


def at(opened: int, closed: int, **changed: Any) -> Trade:
    time = candles([(1.0, 1.0, 1.0, 1.0)] * 4).time
    return trade_of(opened_at=time[opened], closed_at=time[closed], **changed)


def test_the_way_of_a_trade_ends_before_the_bar_of_its_exit() -> None:
    assert on_bars(at(0, 2, exit_price=103.0)) == pytest.approx((-0.03, 0.06))
    assert on_bars(at(0, 1, exit_price=103.0)) == pytest.approx((-0.01, 0.03))


def test_a_trade_that_ends_in_its_first_bar_has_its_own_prices_alone() -> None:
    assert on_bars(at(1, 1, exit_price=98.0)) == pytest.approx((-0.02, 0.0))


def test_a_short_trade_is_behind_where_the_price_is_above() -> None:
    assert on_bars(at(0, 2, units=-1.0, exit_price=99.0)) == pytest.approx((-0.06, 0.03))


def test_without_bars_the_way_is_unknown() -> None:
    (run,) = trade_table(report_of(run_of([make_trade()]))).runs
    assert np.isnan([run.worst[0], run.best[0]]).all()


def test_the_worst_and_the_best_come_first() -> None:
    made = [make_trade(float(pnl), bar=pnl) for pnl in range(25)]
    html = trades(report_of(run_of(made))).html
    places = [int(part.split('"')[0]) for part in html.split('data-trade="')[1:]]
    assert places == [*range(ENDS), *range(24, 24 - ENDS, -1)]


def test_without_trades_there_are_figures_and_nothing_else() -> None:
    section = trades(report_of(run_of([])))
    assert "data-chart" not in section.html
    assert section.data["spread"] is None


def test_a_run_without_trades_stands_beside_one_that_has_some() -> None:
    report = report_of(run_of([]), run_of([make_trade()], label="on"))
    section = trades(report)
    assert "ML-off made no trade" in section.html
    off, _ = trades_of_report(report).packed["runs"]
    assert off["numbers"]["pnl"]["length"] == 0


def test_each_trade_is_in_the_group_that_the_comparison_gave_it() -> None:
    off = run_of([make_trade(bar=1), make_trade(bar=5)])
    on = run_of([make_trade(bar=1), make_trade(bar=9)], label="on")
    groups = {
        "added": TradeGroup("on", [1]),
        "removed": TradeGroup("off", [1]),
        "moved_in": TradeGroup("on", []),
        "moved_out": TradeGroup("off", []),
        "kept": TradeGroup("on", [0]),
    }
    report = report_of(off, on, groups=groups)
    section, packed = trades(report), trades_of_report(report).packed
    assert packed["groups"] == list(groups)
    assert packed["runs"][1]["numbers"]["group"]["length"] == 2
    assert 'data-filter="group"' in section.html


def test_trades_are_packed_once_and_forgotten_with_their_report() -> None:
    report = report_of(run_of([make_trade()]))
    first = trades_of_report(report)
    assert trades_of_report(report) is first
    kept = weakref.ref(report)
    del report
    gc.collect()
    assert kept() is None
