"""Real bars rehearsed: the session is the backtest of the same file under the same rules."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.jobs.hybrid_run import HybridRun, run_batch
from engine.jobs.live.result import session_markets, session_run
from engine.jobs.live.trading import session_rules
from engine.jobs.markets import BarFiles, Market, cut
from engine.jobs.serving import MLMode, serving_analyzer
from engine.jobs.settings import Settings, load_settings
from engine.paper.reading import StateReader
from engine.records import Fill
from strategies.evidence import evidence_table
from strategies.views import BatchViews, ask
from tests.parity.rehearsing import EAGER, WARMUP, rehearse
from tests.world import World

BARS = 200


def batch(markets: list[Market], settings: Settings, *, ml: bool) -> HybridRun:
    tables = {m.bars.symbol: evidence_table(m.bars, settings.strategy) for m in markets}
    asked = {}
    if ml:
        analyzer = serving_analyzer(settings, markets[0].bars.timeframe)
        asked = ask(tables, settings.strategy, analyzer)
    return run_batch(markets, BatchViews(tables, settings.strategy, asked), settings)


def before_the_end(fills: tuple[Fill, ...]) -> list[Fill]:
    """Return fills without those by which a backtest ends what is held."""
    return [fill for fill in fills if fill.reason != "segment_end"]


@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "start", "ml"),
    [
        (("BTC-USDT_1m", "ETH-USDT_1m"), "2024-08-05T04:00", MLMode.OFF),
        (("BTC-USDT_5m", "DOGE-USDT_5m"), "2023-03-09T18:00", MLMode.ON),
    ],
    ids=["1m", "5m with ML"],
)
def test_a_rehearsal_of_real_bars_is_their_backtest(
    names: tuple[str, ...],
    start: str,
    ml: MLMode,
    world: World,
    real_bars_dir: Path,
    tmp_path: Path,
) -> None:
    trained = {"rsi_oversold": 30.0} if ml is MLMode.ON else {}  # as the bundle was
    strategy = {**EAGER, **trained, "ml_model_path": world.bundle}
    settings = load_settings(overrides={"strategy": strategy})
    files = [real_bars_dir / f"binance_{name}.parquet" for name in names]
    read = BarFiles(tuple(files)).read(settings.data)
    begin = np.datetime64(start, "ms")
    dates = begin, begin + BARS * read[0].timeframe.delta
    markets = [cut(bars, start=dates[0], end=dates[1], warmup_bars=WARMUP) for bars in read]
    assert [len(market.bars) - market.first for market in markets] == [BARS, BARS]

    state, bar_ms = tmp_path / "state.sqlite", read[0].timeframe.ms
    found = rehearse(files, state, settings, bar_seconds=0.4, bar_ms=bar_ms, dates=dates, ml=ml)
    assert list(found.differences) == []
    assert found.bars == 2 * BARS

    with StateReader.open(state) as reader:
        assert not any(moment.late for moment in reader.moments()), "too slow a machine to compare"
        live_markets = session_markets(reader)
        live = session_run(reader, live_markets)
        rules = session_rules(reader)
    for then, now in zip(markets, live_markets, strict=True):
        pd.testing.assert_frame_equal(then.bars.frame(), now.bars.frame())
    settings = settings.model_copy(update={"symbols": rules})
    at_once = batch(markets, settings, ml=ml is MLMode.ON)
    fills = before_the_end(live.execution.fills)
    assert fills == before_the_end(at_once.execution.fills)
    assert found.fills == len(fills) > 10
    assert found.explained == {}
    told = ["symbol", "decided_at", "score", "close", "rsi"]
    pd.testing.assert_frame_equal(
        live.decisions[told], at_once.decisions[told], rtol=1e-5, atol=1e-5
    )
    if ml is MLMode.ON:
        assert (found.asked_again, found.recalled) == (live.ml_asked, 0)
        assert live.ml_asked == at_once.ml_asked > 10
