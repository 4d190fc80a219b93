"""The smallest runs have a page, too: one bar, no trade, nothing beside them."""

from dataclasses import replace
from typing import Any

import pytest

from engine.cost_sweep import cost_sweep
from engine.jobs.request_record import LiveRecord, OtherRecord, RequestRecord
from engine.jobs.serving import MLMode
from engine.metrics import compute_metrics
from engine.report_html.costs import costs
from engine.report_html.data import data
from engine.report_html.equity import equity
from engine.report_html.making import making
from engine.report_html.months import months
from engine.report_html.report import Report, Traded
from engine.report_html.verdict import verdict
from engine.result import RunResult
from engine.run_folder import to_json
from tests.engine.report_html.test_costs import BROKER
from tests.engine.run_makers import make_curve, make_result
from tests.makers import make_bars

LIVE = LiveRecord(exchange="binance", symbols=("BTC/USDT",), timeframe="5m")


def idle(cash: float = 1000.0, **changed: Any) -> RunResult:
    """Return a run of one bar in which nothing happens."""
    curve = make_curve([cash])
    metrics = compute_metrics([], curve, fills=[], initial_cash=cash, markets=[make_bars(1)])
    config = {"broker": BROKER, "protections": {"cooldown_bars": None}, "strategy": None}
    nothing: dict[str, Any] = {"trades": (), "fills": (), "rejections": ()}
    return make_result(
        **nothing,
        equity=curve,
        metrics=metrics,
        sweep=cost_sweep([], [], 0.001),
        config=config,
        **changed,
    )


def report_of(result: RunResult, bars: LiveRecord | OtherRecord) -> Report:
    facts = {
        "start": "2024-01-01T00:00:00Z",
        "end": "2024-01-01T00:05:00Z",
        "bars": 1,
        "warmup_bars": 0,
        "filled": 0,
        "segments": 1,
        "digest": "ab" * 32,
    }
    seen = {"synthetic": False, "timeframe": "5m", "symbols": {"BTC/USDT": facts}}
    asked = RequestRecord(command="paper", bars=bars, ml=MLMode.AUTO)
    return Report(
        name="run",
        created_at="2024-01-01 00:05Z",
        document=to_json([result], None, seen, None),
        results=[result],
        markets={"BTC/USDT": Traded(make_bars(1), 0)},
        request=asked.model_dump(mode="json"),
    )


@pytest.mark.parametrize("bars", [LIVE, OtherRecord()], ids=lambda bars: bars.kind)
@pytest.mark.parametrize("label", ["off", "on"])
def test_a_run_in_which_nothing_happened_is_told(
    label: str, bars: LiveRecord | OtherRecord
) -> None:
    report = report_of(idle(label=label), bars)
    told = {make(report).name: make(report).html for make in (equity, months, costs, data, making)}
    assert "1,000.00" in told["equity"]
    assert "0.0\N{NO-BREAK SPACE}%" in told["months"]
    assert "made no trade" in told["costs"]
    assert ("closed on binance" if bars is LIVE else "made by a program") in told["data"]
    assert "No protection was on" in told["making"]


def test_a_plain_strategy_that_runs_alone_is_called_by_its_class() -> None:
    result = idle()
    strategy = {"file": "/here/mine.py:Crossover", "digest": "ab" * 32, "params": {}}
    plain = replace(result, config={**result.config, "strategy": strategy})
    report = report_of(plain, OtherRecord())
    for make in (verdict, equity, costs, making):
        html = make(report).html
        assert "Crossover" in html, make.__name__
        assert "ML-off" not in html, make.__name__


def test_a_ruined_account_is_drawn() -> None:
    curve = make_curve([1000.0, 400.0, -5.0, -5.0])
    result = idle()
    result = make_result(equity=curve, metrics=result.metrics, config=result.config)
    section = equity(report_of(result, LIVE))
    assert section.data["accounts"][0]["name"] == "off"
    assert "\N{MINUS SIGN}5.00" in section.html
    assert "\N{MINUS SIGN}100.5\N{NO-BREAK SPACE}%" in months(report_of(result, LIVE)).html
