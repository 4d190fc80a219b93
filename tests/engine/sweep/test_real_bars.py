"""On real bars, too, the sweep is the Engine to the last bit."""

from pathlib import Path

import numpy as np
import pytest

from engine.jobs.markets import BarFiles, Market, cut
from engine.jobs.settings import load_settings
from tests.engine.sweep.test_equality import Opinions, check_same

STRATEGY = {"min_entry_score": 4.0}
EXITS = (
    {"exits": {"take_profit": 0.8, "stop_loss": 0.4, "max_bars": 30}},
    {"exits": {"unit": "atr", "take_profit": 3.0, "stop_loss": 2.0, "trailing_stop": 1.5}},
    {
        "entry": {"order": "limit", "offset_percent": 0.1, "valid_bars": 5},
        "exits": {"take_profit": 1.0, "stop_loss": 1.0, "trailing_stop": 0.5, "max_bars": 60},
    },
)
RULES = {"amount_step": 0.00001, "tick": 0.01, "min_notional": 10.0}


def markets_of(folder: Path, frame: str, start: str, end: str, *names: str) -> list[Market]:
    """Return some weeks or months of each symbol."""
    read = BarFiles(tuple(folder / f"binance_{name}-USDT_{frame}.parquet" for name in names)).read(
        load_settings().data
    )
    span = (np.datetime64(moment, "ms") for moment in (start, end))
    begin, stop = span
    return [cut(bars, start=begin, end=stop, warmup_bars=400) for bars in read]


@pytest.mark.real_data
@pytest.mark.parametrize("exits", EXITS)
def test_on_minutes_with_two_outages(real_bars_dir: Path, exits: dict[str, object]) -> None:
    markets = markets_of(real_bars_dir, "1m", "2021-04-01", "2021-05-01", "BTC")
    chosen = load_settings(
        overrides={
            "strategy": {**STRATEGY, **exits},
            "symbols": {"BTC/USDT": RULES},
            "protections": {"daily_loss_limit": 0.02, "cooldown_bars": 3},
        }
    )
    told, figures = check_same(markets, chosen)
    assert len(told) > 100
    assert len(figures.daily) == 30


@pytest.mark.real_data
@pytest.mark.parametrize("exits", EXITS)
def test_on_symbols_that_share_a_wallet(real_bars_dir: Path, exits: dict[str, object]) -> None:
    names = ("BTC", "DOGE", "ETH", "LTC", "SOL", "XRP")
    markets = markets_of(real_bars_dir, "5m", "2023-03-01", "2023-05-01", *names)
    chosen = load_settings(
        overrides={
            "strategy": {**STRATEGY, **exits, "sizing": {"fraction": 0.4}},
            "protections": {"max_open_positions": 4, "max_exposure": 0.95},
        }
    )
    told, _ = check_same(markets, chosen, Opinions(0, fitted=True))
    assert len(told) > 300
    assert len(set(told.symbol)) == len(names)
