"""How long a training takes: two years of 5-minute bars of six symbols, five models, defaults."""

import tempfile
import time
from pathlib import Path

from benchmarks.ensemble import settings_in
from engine.jobs.train import learn_bundle
from engine.tables import rendered, table
from feeds.synthetic import synthetic_bars
from feeds.timeframe import Timeframe

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT", "LTC/USDT", "BNB/USDT", "XRP/USDT")
DAYS = 730


def report(days: int, symbols: int, preset: str) -> str:
    """Measure and return the table.

    Parameters
    ----------
    preset : size of the models, `full` at the defaults
    """
    timeframe = Timeframe.parse("5m")
    markets = [synthetic_bars(each, timeframe, days=days, seed=1) for each in SYMBOLS[:symbols]]
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_in(Path(folder))
        training = settings.training.model_copy(update={"preset": preset})
        wall, cpu = time.perf_counter(), time.process_time()
        learned = learn_bundle(markets, settings.model_copy(update={"training": training}))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    shown = table("training", "bars", "rows", "wall, min", "CPU, min")
    name = f"{len(markets)} symbols, {days} days, {training.jobs} threads"
    bars = sum(map(len, markets))
    shown.add_row(
        name, f"{bars:,}", f"{len(learned.rows):,}", f"{wall / 60:.1f}", f"{cpu / 60:.1f}"
    )
    return rendered(shown)
