"""What the engine costs: per idle bar and per trade, over more bars and over more symbols.

Two kinds of trade: in and out at the market, which is what the peers' job does, and a bracket of
the hybrid strategy with all that it asks, sizes and writes down. Both from bars in memory to an
`Execution`; the evidence of the hybrid strategy is at hand (`benchmarks.features_cost` has it).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import backtrader as bt
import numpy as np

from benchmarks.ensemble import market
from benchmarks.harness import Fit, fitted, medians
from engine.cerebro import Engine, Execution
from engine.jobs.hybrid_run import HybridRun, run_batch
from engine.jobs.markets import Market
from engine.jobs.settings import Settings
from engine.tables import formatted, rendered, table
from feeds.bars import Bars
from feeds.costs import Costs
from strategies.config import CryptoScalpingConfig
from strategies.evidence import evidence_table
from strategies.views import BatchViews

Changes: TypeAlias = tuple[tuple[str, float], ...]
"""Settings of the hybrid strategy that are not at their defaults."""

HELD = 5  # bars from an entry's decision to its exit's
RARELY, OFTEN = 600, 141  # bars per trade; the peers' job makes one in 141
COINS = ("BTC", "ETH", "SOL", "LTC", "BNB", "XRP", "DOGE", "ADA", "PEPE", "DOT")
DAY = 1440  # bars
CASH = 1e9  # nothing is refused for lack of it


class InAndOut(bt.Strategy):
    """Trades at the market on given bars of each symbol: it buys on the even ones, sells on others.

    Parameters
    ----------
    plan : positions of bars by symbol, ascending
    """

    params: Any = (("plan", None),)

    def next(self) -> None:
        for data in self.datas:
            plan, bar = self.p.plan[data.symbol], data.index
            place = bisect_left(plan, bar)
            if place < len(plan) and plan[place] == bar:
                trade = self.sell if place % 2 else self.buy
                trade(data, size=1.0)

    def wakes_at(self, data: Any) -> int | None:
        """Return the next bar of the plan."""
        plan: Sequence[int] = self.p.plan[data.symbol]
        place = bisect_right(plan, data.index)
        return plan[place] if place < len(plan) else None


# What tells the costs of the hybrid strategy apart: no candidate, no entry, more entries.
USUAL: Changes = ()
NO_CANDIDATE: Changes = (("rsi_oversold", 1.0),)
NO_ENTRY: Changes = (("min_entry_score", 99.0),)
MORE_ENTRIES: Changes = (("min_entry_score", 5.0),)


def plan_of(bars: int, trades: int) -> list[int]:
    """Return entries and exits, evenly spread.

    >>> plan_of(100, 2)
    [1, 6, 46, 51]
    """
    entries = np.linspace(1, bars - HELD - 3, trades, endpoint=False).astype(int)
    return sorted([*entries.tolist(), *(entries + HELD).tolist()])


def at_market(markets: Sequence[Bars], trades: int) -> Execution:
    """Return a run with so many trades in each of the markets; 0 for none."""
    engine = Engine(cash=CASH, costs=Costs())
    for bars in markets:
        engine.add_bars(bars)
    plan = {bars.symbol: plan_of(len(bars), trades) for bars in markets}
    return engine.execute(InAndOut, plan=plan)


@dataclass(frozen=True, slots=True, eq=False)
class Hybrid:
    """The hybrid strategy without ML on markets whose evidence is at hand."""

    markets: Sequence[Market]
    views: BatchViews
    settings: Settings

    @classmethod
    def on(cls, markets: Sequence[Bars], changes: Changes) -> "Hybrid":
        """Return it ready to run."""
        strategy = CryptoScalpingConfig.model_validate({"use_ml_ensemble": False, **dict(changes)})
        tables = {bars.symbol: evidence_table(bars, strategy) for bars in markets}
        return cls(
            [Market(bars, strategy.warmup_bars) for bars in markets],
            BatchViews(tables, strategy),
            Settings(strategy=strategy),
        )

    def run(self) -> HybridRun:
        """Return what the strategy did."""
        return run_batch(self.markets, self.views, self.settings)


@dataclass(frozen=True, slots=True)
class Run:
    """A run that was measured.

    Attributes
    ----------
    bars : of all symbols
    trades, rows : trades, and rows of the journal that are none
    seconds : of CPU
    usual : whether it trades as often as usual; others tell apart what a trade and a bar cost
    """

    bars: int
    symbols: int
    trades: int
    rows: int
    seconds: float
    usual: bool

    @property
    def name(self) -> str:
        """How the run is called."""
        plural = "s" if self.symbols > 1 else ""
        return f"{self.bars // self.symbols:,} bars, {self.symbols} symbol{plural}"


def market_runs(markets: Sequence[Bars], lengths: Sequence[int], rounds: int) -> list[Run]:
    """Return runs with orders at the market: each length without trades and with the usual many.

    Those on several symbols are as long as the shortest.
    """
    shapes = [(1, length, spacing) for length in lengths for spacing in (None, OFTEN)]
    shapes += [(1, lengths[len(lengths) // 2], RARELY)]
    shapes += [(count, lengths[0], OFTEN) for count in _counts(markets)]
    made = {
        shape: ([bars[: shape[1]] for bars in markets[: shape[0]]], _trades(*shape[1:]))
        for shape in shapes
    }
    at_market([markets[0][: lengths[0]]], _trades(lengths[0], OFTEN))  # loads compiled code
    seconds = medians({shape: partial(at_market, *made[shape]) for shape in shapes}, rounds)
    return [
        Run(count * length, count, count * made[shape][1], 0, seconds[shape], spacing == OFTEN)
        for shape in shapes
        for count, length, spacing in [shape]
    ]


def _trades(length: int, spacing: int | None) -> int:
    return length // spacing if spacing else 0


def _counts(markets: Sequence[Bars]) -> list[int]:
    """Return how many symbols run together."""
    return sorted({max(len(markets) // 2, 1), len(markets)} - {1})


def hybrid_runs(markets: Sequence[Bars], lengths: Sequence[int], rounds: int) -> list[Run]:
    """Return the same for the hybrid strategy; shorter ones with other numbers of entries too."""
    shapes = [(1, length, USUAL) for length in lengths]
    other = (NO_CANDIDATE, NO_ENTRY, MORE_ENTRIES)
    shapes += [(1, length, changes) for length in lengths[:2] for changes in other]
    shapes += [(count, lengths[0], USUAL) for count in _counts(markets)]
    made = {
        shape: Hybrid.on([bars[: shape[1]] for bars in markets[: shape[0]]], shape[2])
        for shape in shapes
    }
    done = {shape: each.run() for shape, each in made.items()}  # loads compiled code
    seconds = medians({shape: each.run for shape, each in made.items()}, rounds)
    return [
        Run(
            bars=sum(len(market.bars) - market.first for market in made[shape].markets),
            symbols=shape[0],
            trades=len(run.execution.trades),
            rows=len(run.decisions) - len(run.execution.trades),
            seconds=seconds[shape],
            usual=shape[2] == USUAL,
        )
        for shape, run in done.items()
    ]


def model(runs: Sequence[Run]) -> Fit:
    """Return what a run, a bar, a row of the journal and a trade cost in one symbol."""
    alone = [run for run in runs if run.symbols == 1]
    terms: dict[str, list[float]] = {
        "run": [1.0 for _ in alone],
        "bar": [run.bars for run in alone],
        "row": [run.rows for run in alone],
        "trade": [run.trades for run in alone],
    }
    told = {name: each for name, each in terms.items() if any(each)}
    return fitted(told, [run.seconds for run in alone])


def model_table(models: Mapping[str, Fit]) -> str:
    """Return the cost models as a table."""
    shown = table("CPU", "run, ms", "idle bar, µs", "other row, µs", "trade, µs", "residual")
    for name, found in models.items():
        per = found.seconds_per
        row = per.get("row")
        shown.add_row(
            name,
            f"{per['run'] * 1e3:.1f}",
            f"{per['bar'] * 1e6:.3f}",
            formatted(None if row is None else row * 1e6, ".0f"),
            f"{per['trade'] * 1e6:.0f}",
            f"{found.residual:.0%}",
        )
    return rendered(shown)


def run_table(title: str, runs: Sequence[Run], found: Fit) -> str:
    """Return the usual runs; the last column is 1 where a run costs what the linear model says."""
    shown = table(title, "trades", "CPU s", "µs per bar", "to the model")
    for run in (run for run in runs if run.usual):
        counts = {"run": 1, "bar": run.bars, "row": run.rows, "trade": run.trades}
        expected = sum(each * counts[name] for name, each in found.seconds_per.items())
        shown.add_row(
            run.name,
            f"{run.trades:,}",
            f"{run.seconds:.3f}",
            f"{run.seconds / run.bars * 1e6:.2f}",
            f"{run.seconds / expected:.2f}",
        )
    return rendered(shown)


def report(longest: int, symbols: int, rounds: int) -> str:
    """Measure and return the tables.

    Parameters
    ----------
    longest : bars of the longest run; others have a quarter and a sixteenth
    symbols : of the widest run, 1 to 10
    rounds : of which medians are taken
    """
    lengths = [longest // 16, longest // 4, longest]
    markets = [
        _market(coin, lengths[-1] if coin == COINS[0] else lengths[0]) for coin in COINS[:symbols]
    ]
    kinds = {
        "in and out at the market": market_runs(markets, lengths, rounds),
        "hybrid, brackets, ML off": hybrid_runs(markets, lengths, rounds),
    }
    models = {name: model(runs) for name, runs in kinds.items()}
    tables = [run_table(name, runs, models[name]) for name, runs in kinds.items()]
    return "\n".join([model_table(models), *tables])


def _market(coin: str, length: int) -> Bars:
    return market(-(-length // DAY), f"{coin}/USDT")[:length]
