"""Make a file of simulated bars."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from feeds.bars import Bars
from feeds.files import write_bars
from feeds.identity import SYNTHETIC
from feeds.moments import iso, readable
from feeds.synthetic import synthetic_bars
from feeds.timeframe import Timeframe


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateRequest:
    """Which market to simulate, and where it goes.

    Attributes
    ----------
    days : length of the market
    start : its first moment, UTC
    output : a `.csv` or `.parquet` path
    """

    symbol: str
    timeframe: Timeframe
    days: int
    seed: int
    start: np.datetime64
    output: Path


@dataclass(frozen=True, slots=True)
class Generated:
    """What was written."""

    request: GenerateRequest
    bars: Bars

    def text(self) -> str:
        """Return two lines for people."""
        bars, asked = self.bars, self.request
        return (
            f"{SYNTHETIC} {bars.symbol} {bars.timeframe}: {len(bars)} bars, "
            f"{readable(bars.time[0])} to {readable(bars.closed_at[-1])}, seed {asked.seed}\n"
            f"written to {asked.output}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the same for programs; times in UTC, `end` exclusive."""
        bars, asked = self.bars, self.request
        return {
            "source": SYNTHETIC,
            "synthetic": bars.synthetic,
            "symbol": bars.symbol,
            "timeframe": str(bars.timeframe),
            "bars": len(bars),
            "start": iso(bars.time[0]),
            "end": iso(bars.closed_at[-1]),
            "days": asked.days,
            "seed": asked.seed,
            "digest": bars.digest(),
            "output": str(asked.output),
        }


def generate(request: GenerateRequest) -> Generated:
    """Simulate a market and write it.

    Raises
    ------
    FeedError
        if the market cannot be made or the file cannot be written
    """
    bars = synthetic_bars(
        request.symbol,
        request.timeframe,
        days=request.days,
        seed=request.seed,
        start=str(request.start),
    )
    write_bars(bars, request.output)
    return Generated(request, bars)
