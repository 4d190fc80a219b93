"""Market data to train and test on: simulated, or downloaded by way of the store."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.config import DataConfig
from engine.jobs.markets import ExchangeBars
from engine.jobs.settings import Settings
from feeds.bars import Bars
from feeds.files import refuse_output, write_bars
from feeds.identity import SYNTHETIC
from feeds.messages import counted
from feeds.moments import iso, readable
from feeds.synthetic import synthetic_bars
from feeds.timeframe import Timeframe


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """Which market to simulate.

    Attributes
    ----------
    days : length of the market
    start : its first moment, UTC
    """

    symbol: str
    timeframe: Timeframe
    days: int
    seed: int
    start: np.datetime64


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a strategy finds in bars.

    Attributes
    ----------
    bars : on which its mandatory rules hold
    asked : those of them on which the ensemble's opinion can matter
    """

    strategy: str
    bars: int
    asked: int

    def line(self) -> str:
        """Return a line for people."""
        return (
            f"\n{self.strategy}: {self.bars:,} candidate bars to learn from, "
            f"on {self.asked:,} of them an opinion can matter"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Generated:
    """Bars that were made or downloaded.

    Attributes
    ----------
    source : who they are from: SYNTHETIC, or the exchange
    kept : the files that hold them now
    seed : of a simulation
    candidates : how many of the bars are candidates of a strategy, if that was asked
    """

    bars: Bars
    source: str
    kept: tuple[Path, ...]
    seed: int | None = None
    candidates: "Candidates | None" = None

    def text(self) -> str:
        """Return lines for people."""
        bars = self.bars
        seeded = "" if self.seed is None else f", seed {self.seed}"
        return (
            f"{self.source} {bars.symbol} {bars.timeframe}: {len(bars):,} bars, "
            f"{readable(bars.time[0])} to {readable(bars.closed_at[-1])}, "
            f"{int(bars.filled.sum()):,} filled, "
            f"{counted(len(list(bars.segments())), 'segment')}{seeded}\n"
            f"written to {' and '.join(map(str, self.kept))}"
            f"{'' if self.candidates is None else self.candidates.line()}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the same for programs; times in UTC, `end` exclusive."""
        bars = self.bars
        return {
            "source": self.source,
            "synthetic": bars.synthetic,
            "symbol": bars.symbol,
            "timeframe": str(bars.timeframe),
            "bars": len(bars),
            "filled": int(bars.filled.sum()),
            "segments": len(list(bars.segments())),
            "start": iso(bars.time[0]),
            "end": iso(bars.closed_at[-1]),
            "seed": self.seed,
            "digest": bars.digest(),
            "files": [str(path) for path in self.kept],
            "candidates": None if self.candidates is None else asdict(self.candidates),
        }


def simulate(asked: Simulation, output: Path) -> Generated:
    """Simulate a market and write it.

    Raises
    ------
    FeedError
        if the market cannot be made or the file cannot be written
    """
    refuse_output(output)
    bars = synthetic_bars(
        asked.symbol, asked.timeframe, days=asked.days, seed=asked.seed, start=str(asked.start)
    )
    write_bars(bars, output)
    return Generated(bars, SYNTHETIC, (output,), asked.seed)


def download(asked: ExchangeBars, config: DataConfig, output: Path | None) -> Generated:
    """Bring the store up to the asked dates, and write them to `output` as well if there is one.

    Raises
    ------
    FeedError
        if the bars cannot be had or the file cannot be written
    """
    if output is not None:
        refuse_output(output)
    (stored,) = asked.stored(config)
    if output is not None:
        write_bars(stored.bars, output)
    kept = (stored.file,) if output is None else (stored.file, output)
    return Generated(stored.bars, stored.listing.exchange, kept)


def with_candidates(made: Generated, settings: Settings) -> Generated:
    """Return the same with what the strategy of the settings finds in the bars.

    Raises
    ------
    StrategyError
        if one of its rules fails
    """
    from strategies.evidence import candidates, evidence_table  # data alone are made without rules
    from strategies.scoring import opinion_matters, technical_scores

    strategy = settings.strategy
    table = evidence_table(made.bars, strategy)
    found = candidates(table, strategy)
    matters = opinion_matters(technical_scores(table, strategy.points), strategy)
    counts = int(found.sum()), int((found & matters).sum())
    return replace(made, candidates=Candidates(strategy.identity["name"], *counts))
