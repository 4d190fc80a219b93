"""Price with entries, exits, stops and targets: from the whole run down to one trade."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.report_html.candles import AFTER, BEFORE, LEAST_TEXT, MOST_TEXT, Kept, Spans, kept_bars
from engine.report_html.packed_trades import trades_of_report
from engine.report_html.packing import MOST_DECIMALS
from engine.report_html.report import Report, Traded
from engine.report_html.section import Section, render
from engine.report_html.trade_rows import pack_candidates
from engine.result import RunResult
from feeds.bars import Bars


def price(report: Report) -> Section | None:
    """Return the section of prices and trades; None where no bar was traded."""
    markets = {s: m for s, m in report.markets.items() if m.first < len(m.bars)}
    if not markets:
        return None
    runs = [_run(result, report.titles[result.label], list(markets)) for result in report.results]
    spans = {symbol: _spans(report.results, symbol, each) for symbol, each in markets.items()}
    trades = json.dumps([trades_of_report(report).packed, runs])
    left = max(MOST_TEXT - len(trades), LEAST_TEXT)
    kept = kept_bars(markets, spans, left)
    return Section(
        name="price",
        title="Price and trades",
        html=render(
            "price.html",
            markets=[_facts(report.results, s, m) for s, m in markets.items()],
            runs=runs,
            has_candidates=any(run["candidates"] for run in runs),
            left_out=[_left_out(symbol, each) for symbol, each in kept.items() if each.candle],
        ),
        data={
            "markets": [
                {"symbol": s, "step": m.bars.timeframe.ms, **kept[s].packed}
                for s, m in markets.items()
            ],
            "runs": runs,
            "around": {"before": BEFORE, "after": AFTER},
        },
    )


def _run(result: RunResult, title: str, symbols: Sequence[str]) -> dict[str, Any]:
    strategy = result.config.get("strategy") or {}
    return {
        "label": result.label,
        "name": title,
        "needed": strategy.get("min_entry_score"),
        "candidates": pack_candidates(result, symbols),
    }


def _spans(results: Sequence[RunResult], symbol: str, market: Traded) -> Spans:
    """Return the bars of all runs' trades; those that won or lost most come first."""
    bars = market.bars[market.first :]
    trades = [trade for result in results for trade in result.trades if trade.symbol == symbol]
    trades.sort(key=lambda trade: -abs(trade.pnl))
    first = _rows(bars, [trade.decided_at for trade in trades])
    last = _rows(bars, [trade.closed_at for trade in trades])
    return list(zip(first, last, strict=True))


def _rows(bars: Bars, moments: Sequence[np.datetime64]) -> list[int]:
    found: list[int] = np.searchsorted(bars.time, np.array(moments, "datetime64[ms]")).tolist()
    return found


def _facts(results: Sequence[RunResult], symbol: str, market: Traded) -> dict[str, Any]:
    """Return what is said of a market without its chart."""
    bars = market.bars[market.first :]
    return {
        "symbol": symbol,
        "bars": f"{len(bars):,}",
        "first": _shown(float(bars.open[0])),
        "highest": _shown(float(bars.high.max())),
        "lowest": _shown(float(bars.low.min())),
        "last": _shown(float(bars.close[-1])),
        "trades": [f"{_count(result, symbol):,}" for result in results],
    }


def _count(result: RunResult, symbol: str) -> int:
    return sum(trade.symbol == symbol for trade in result.trades)


def _left_out(symbol: str, kept: Kept) -> str:
    """Return what the page lacks of a market, as a sentence."""
    whose = "all" if kept.trades == kept.all_trades else f"the {kept.trades:,} dearest"
    return (
        f"{symbol} has {kept.bars:,} bars, too many for one page: single bars are kept "
        f"{BEFORE} before and {AFTER} after {whose} of its {kept.all_trades:,} trades; elsewhere "
        f"candles are of {kept.candle // 60_000:,} minutes."
    )


def _shown(price: float) -> str:
    return str(np.format_float_positional(price, precision=MOST_DECIMALS, trim="-"))
