"""What one run came to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from engine.clock import ClockReport
from engine.cost_sweep import CostSweep
from engine.equity import EquityCurve
from engine.metrics import Metrics
from engine.records import Fill, Rejection, Trade
from engine.statistics.figures import FigureIntervals
from feeds.identity import SYNTHETIC

IN_SAMPLE = "IN-SAMPLE"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunResult:
    """One finished run.

    Attributes
    ----------
    label : `off` or `on`: whether ML took part; names the run in JSON, tables and folders
    trades, fills, rejections : what happened, oldest first
    equity : at the close of every bar
    clock : how the bars were passed
    metrics : what it came to
    vetoes : entries that a protection stopped, by its name
    ml_asked, ml_unavailable : bars on which the ensemble was asked, and on which it had no answer
    in_sample : True if the ensemble has seen bars of the run
    synthetic : True if the market is simulated
    decisions : one row per candidate bar
    sweep : the trades at other fees, and where they break even
    flattery : what was assumed in favour of the run, a short sentence each
    config : everything that was configured
    digests : of what went in, by name: a symbol's bars, the bundle
    versions : of the libraries, by name
    seed : of all chance in the run
    intervals : how sure the metrics are; None where nobody asked
    """

    label: str
    trades: Sequence[Trade]
    fills: Sequence[Fill]
    rejections: Sequence[Rejection]
    equity: EquityCurve
    clock: ClockReport
    metrics: Metrics
    vetoes: Mapping[str, int]
    ml_asked: int
    ml_unavailable: int
    in_sample: bool
    synthetic: bool
    decisions: pd.DataFrame
    sweep: CostSweep
    flattery: Sequence[str]
    config: Mapping[str, Any]
    digests: Mapping[str, str]
    versions: Mapping[str, str]
    seed: int
    intervals: FigureIntervals | None = None

    @property
    def stamps(self) -> tuple[str, ...]:
        """What must be said wherever a figure of this run is shown."""
        said = ((SYNTHETIC, self.synthetic), (IN_SAMPLE, self.in_sample))
        return tuple(stamp for stamp, holds in said if holds)


@dataclass(frozen=True, slots=True)
class TradeGroup:
    """Some of a run's trades.

    Attributes
    ----------
    label : of the run
    trades : their positions in its `trades`, ascending
    """

    label: str
    trades: Sequence[int]
