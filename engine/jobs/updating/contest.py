"""The running bundle and the candidate trade the same newest bars, which neither has learned from.

Both are asked under the same settings, wallet, costs and protections, each in a run of its own on
the Engine, as ML-on is in a comparison. Beside them stand ML-off and the gates without skill of
the candidate (`engine.jobs.comparing.gates`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from engine.jobs.comparing.references import References, references
from engine.jobs.comparing.verdict import FEWEST_TRADES, OFF, RANDOM, VOLATILITY
from engine.jobs.hybrid_run import run_batch
from engine.jobs.markets import Market
from engine.jobs.settings import Settings
from engine.records import Trade
from engine.statistics.drawn_days import LEVEL
from engine.statistics.intervals import (
    DRAWS,
    Intervals,
    PairIntervals,
    RunIntervals,
    TradeReturns,
    calendar,
    intervals_on,
)
from engine.tables import UNDEFINED, formatted, rendered, table
from feeds.bars import Bars
from feeds.moments import iso, readable
from ml.analyzer import Analyzer
from ml.bundle import Bundle
from strategies.evidence import EvidenceTable, evidence_table
from strategies.views import BatchViews, ask

RUNNING, CANDIDATE = "running", "candidate"
RIVALS = (RUNNING, RANDOM, VOLATILITY)
"""What the candidate is compared with."""

_MOST_DRAWS = 20_000
_TITLES = {
    OFF: "ML-off",
    RUNNING: "running bundle",
    CANDIDATE: "candidate",
    RANDOM: "its random gate",
    VOLATILITY: "its volatility gate",
}

Tables = Mapping[str, EvidenceTable]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Contest:
    """What both traded.

    Attributes
    ----------
    since, until : of the first and the last decision
    symbols : that were traded
    intervals : of ML-off, both bundles and, where both trade enough, the gates of the candidate
    ranking : of the volatility gate; None without gates
    synthetic : whether the bars are simulated
    """

    since: np.datetime64
    until: np.datetime64
    symbols: Sequence[str]
    intervals: Intervals
    ranking: str | None
    synthetic: bool

    def trades(self, name: str) -> int:
        """Return how many trades the run made."""
        return round(self.intervals.runs[name].trades)

    @property
    def enough(self) -> bool:
        """Whether both bundles made enough trades for an interval of their difference."""
        return min(self.trades(RUNNING), self.trades(CANDIDATE)) >= FEWEST_TRADES

    @property
    def draws_beyond(self) -> float:
        """How many draws lie beyond the level: what the width of an interval rests on."""
        return self.intervals.draws * (1.0 - self.intervals.level)

    def ahead_of(self, rival: str) -> PairIntervals:
        """Return the differences of the candidate less the rival."""
        return self.intervals.pair(CANDIDATE, rival)

    def to_json(self) -> dict[str, Any]:
        """Return the contest in JSON's own types."""
        return {
            "since": iso(self.since),
            "until": iso(self.until),
            "symbols": list(self.symbols),
            "ranking": self.ranking,
            "intervals": asdict(self.intervals),
        }

    def short(self) -> dict[str, Any]:
        """Return the trades of both bundles, and how far the candidate is ahead."""
        return {
            "trades": {name: self.trades(name) for name in (RUNNING, CANDIDATE)},
            "ahead_by": asdict(self.ahead_of(RUNNING).expectancy),
        }

    def text(self) -> str:
        """Return the runs side by side."""
        shown = table(
            "Run", "Trades", "Expectancy", f"{self.intervals.level:.2%} interval", "Win rate"
        )
        for name, title in _TITLES.items():
            if name in self.intervals.runs:
                shown.add_row(title, *_figures(self.intervals.runs[name]))
        span = f"{readable(self.since)} to {readable(self.until)}"
        head = f"traded by both: {', '.join(self.symbols)}, {span}, {self.intervals.days} days"
        return f"{head}\n\n{rendered(shown)}"


def newest_markets(markets: Sequence[Bars], since: np.datetime64, warmup_bars: int) -> list[Market]:
    """Return the bars decided from `since` on, with warm-up before them.

    Symbols without a bar there that has its warm-up are left out.
    """
    found = []
    for bars in markets:
        first = int(np.searchsorted(bars.closed_at, since))
        if (bars.bars_before()[first:] >= warmup_bars).any():
            begin = max(0, first - warmup_bars)
            found.append(Market(bars[begin:], first - begin))
    return found


def contest(
    running: Bundle,
    candidate: Bundle,
    markets: Sequence[Market],
    settings: Settings,
    *,
    level: float,
) -> Contest:
    """Let both bundles trade the markets.

    Parameters
    ----------
    markets : at least one
    level : of the intervals
    """
    strategy = settings.strategy
    tables = {market.bars.symbol: evidence_table(market.bars, strategy) for market in markets}
    bundles = {CANDIDATE: candidate, RUNNING: running}
    asked = {name: ask(tables, strategy, Analyzer(bundle)) for name, bundle in bundles.items()}
    views = {name: BatchViews(tables, strategy, said) for name, said in asked.items()}
    views[OFF] = BatchViews(tables, strategy)
    trades = {n: run_batch(markets, v, settings).execution.trades for n, v in views.items()}
    beside = None
    if min(len(trades[name]) for name in bundles) >= FEWEST_TRADES:
        beside = references(markets, tables, asked[CANDIDATE], settings, trades[CANDIDATE])
    return _contest(markets, trades, beside, seed=settings.seed, level=level)


def _contest(
    markets: Sequence[Market],
    trades: Mapping[str, Sequence[Trade]],
    beside: References | None,
    *,
    seed: int,
    level: float,
) -> Contest:
    runs = {name: [TradeReturns.of(own)] for name, own in trades.items()}
    if beside is not None:
        runs[RANDOM] = [TradeReturns(run.decided_at, run.returns) for run in beside.random]
        runs[VOLATILITY] = [TradeReturns(beside.volatility.decided_at, beside.volatility.returns)]
    since = min(market.decided[0] for market in markets)
    until = max(market.decided[-1] for market in markets)
    pairs = [(CANDIDATE, rival) for rival in RIVALS if rival in runs]
    days = calendar(since, until)
    return Contest(
        since=since,
        until=until,
        symbols=[market.bars.symbol for market in markets],
        intervals=intervals_on(runs, pairs, days, seed=seed, draws=draws_for(level), level=level),
        ranking=None if beside is None else str(beside.ranking),
        synthetic=any(market.bars.synthetic for market in markets),
    )


def draws_for(level: float) -> int:
    """Return how many draws leave as many beyond the level as usual, if they can be afforded.

    >>> draws_for(0.95), draws_for(0.975), draws_for(0.999)
    (2000, 4000, 20000)
    """
    return min(round(DRAWS * (1.0 - LEVEL) / (1.0 - level)), _MOST_DRAWS)


def _figures(run: RunIntervals) -> list[str]:
    earned = run.expectancy
    unknown = earned.low is None or earned.high is None
    interval = UNDEFINED if unknown else f"{earned.low:+.3%} to {earned.high:+.3%}"
    return [
        f"{round(run.trades):,}",
        formatted(earned.value, "+.3%"),
        interval,
        formatted(run.win_rate.value, ".1%"),
    ]
