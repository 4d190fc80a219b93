"""Rehearsals as the command makes them, and what they leave."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.jobs.live.parity import Parity, parity
from engine.jobs.live.request import PaperRequest, Rehearsal
from engine.jobs.markets import AskedBars, BarFiles
from engine.jobs.paper import trade_on_paper
from engine.jobs.serving import MLMode
from engine.jobs.settings import Settings, load_settings
from feeds.standin.trades import RecordedTrades

WARMUP = 400
MINUTE_MS = 60_000
EAGER = {"rsi_oversold": 45.0, "min_entry_score": 3.0, "sizing": {"fraction": 0.3}}


def eager(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Return settings under which there is something to see within an hour of bars."""
    return load_settings(overrides={"strategy": EAGER, **(overrides or {})})


def rehearse(
    files: list[Path],
    state: Path,
    settings: Settings,
    *,
    bar_seconds: float,
    bar_ms: int = MINUTE_MS,
    dates: tuple[np.datetime64 | None, np.datetime64 | None] = (None, None),
    **how: Any,
) -> Parity:
    """Rehearse recordings to their end and return what parity says of the session.

    Parameters
    ----------
    bar_seconds : real seconds that a bar takes
    """
    request = PaperRequest(
        settings=settings,
        ml=how.pop("ml", MLMode.OFF),
        rehearsal=Rehearsal(
            bars=AskedBars(BarFiles(tuple(files)), *dates), speed=bar_ms / 1000 / bar_seconds
        ),
        state=state,
        out=state.with_name("runs"),
        **how,
    )
    trade_on_paper(request)
    return parity(state)


def simulated_trades(minutes: int, seed: int) -> RecordedTrades:
    """Return trades of a market that walks at random, a dozen in each minute."""
    rng = np.random.default_rng(seed)
    count = 12 * minutes
    begin = int(np.datetime64("2024-05-01", "ms").astype(np.int64))
    gaps = rng.exponential(1.0, count)
    offsets = np.floor(np.cumsum(gaps) / gaps.sum() * (minutes * MINUTE_MS - 1)).astype(np.int64)
    price = np.round(100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.0006, count))), 2)
    return RecordedTrades(
        "SIM/USDT",
        time=(begin + offsets).astype("datetime64[ms]"),
        price=price,
        units=np.round(rng.lognormal(0.0, 0.5, count), 4),
        buyer_is_maker=rng.random(count) < 0.5,
    )
