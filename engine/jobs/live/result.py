"""A session's state as a run: the same figures, tables and folder as those of a backtest."""

from dataclasses import replace

import numpy as np

from engine.cerebro import Execution
from engine.clock import ClockReport
from engine.equity import EquityCurve
from engine.jobs.hybrid_run import HybridRun, hybrid_run
from engine.jobs.markets import Market
from engine.paper.reading import StateReader
from engine.records import Fill, trades_of
from feeds.bars import Bars


def session_markets(reader: StateReader) -> list[Market]:
    """Return each symbol's bars, warm-up before the first one that was traded."""
    facts = reader.facts()
    synthetic = bool(facts.recording and facts.recording["synthetic"])
    markets = []
    for symbol in facts.symbols:
        bars = reader.bars(symbol)
        warmup = sum(each.origin is None for each in reader.origins(symbol))
        if warmup < len(bars):  # else it has had no bar yet
            markets.append(Market(_stamped(bars, synthetic=synthetic), warmup))
    return markets


def session_run(reader: StateReader, markets: list[Market]) -> HybridRun:
    """Return what the session did, as a run."""
    fills = _fills(reader, markets)
    moments = reader.moments()
    cash = np.array([moment.cash for moment in moments])
    held = np.array([moment.position_value for moment in moments])
    time = np.array([moment.closed_at for moment in moments], "datetime64[ms]")
    journal = reader.decisions()
    execution = Execution(
        strategy=None,
        fills=tuple(fills),
        rejections=tuple(reader.rejections()),
        trades=tuple(trades_of(fills)),
        equity=EquityCurve(time, cash + held, cash, held),
        clock=ClockReport(kind="stream", reasons=(), moments=len(moments), run=len(moments)),
    )
    answers = [row["ml"] for row in journal]
    return hybrid_run(
        execution,
        journal,
        asked=len(answers) - answers.count("not_asked"),
        unavailable=answers.count("unavailable"),
    )


def _fills(reader: StateReader, markets: list[Market]) -> list[Fill]:
    """Return the fills, their bars counted through the whole session."""
    bars = {market.bars.symbol: market.bars for market in markets}
    fills = [each.fill for each in reader.fills()]
    return [replace(fill, bar=bars[fill.symbol].index_from(fill.filled_at)) for fill in fills]


def _stamped(bars: Bars, *, synthetic: bool) -> Bars:
    return replace(bars, synthetic=bars.synthetic or synthetic)
