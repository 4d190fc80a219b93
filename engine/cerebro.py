"""The engine: Cerebro with our feeds and broker, from bars to an `Execution`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import backtrader as bt

from engine.broker import BarBroker
from engine.clock import ClockReport, Pace
from engine.data import BarsFeed, StreamFeed, SymbolFeed
from engine.equity import EquityCurve, equity_curve, merged_times
from engine.errors import RunError
from engine.protections import Proposal, ProtectionsConfig, checks_of, first_veto
from engine.records import Fill, Rejection, Trade
from engine.rules import SymbolRules
from engine.sparse import SparseRun, dense_reasons
from engine.unfolding import UnfoldingFeed, unfolding
from feeds.bars import Bars
from feeds.costs import Costs
from feeds.progress import Advance, progress

# What a run reports that never came to `_runonce`.
_NOT_RUNONCE = ("runonce or preload turned off, or oldsync on",)
_REPORTED = 5000  # moments between reports of progress: a quarter of a second or less


def _unseen(_moments: float = 1, /) -> None:
    """Show nobody how far the run has come."""


@dataclass(frozen=True, slots=True, eq=False)
class Execution:
    """What came of running a strategy.

    Attributes
    ----------
    strategy : the instance that ran
    fills, rejections : in the order in which they happened
    trades : positions from flat to flat, in the order in which they ended
    equity : the account at the close of every bar
    clock : how the bars were passed
    """

    strategy: bt.Strategy
    fills: tuple[Fill, ...]
    rejections: tuple[Rejection, ...]
    trades: tuple[Trade, ...]
    equity: EquityCurve
    clock: ClockReport


class Engine(bt.Cerebro):
    """Runs one strategy on the bars of one or several symbols that share a wallet.

    Parameters
    ----------
    cash : what the account begins with, in quote currency
    costs : fee, spread and slippage
    rules : what the exchange asks of orders, by symbol; a symbol without an entry is free
    protections : what `veto` goes by
    clock : how recorded bars are passed, `engine.clock.Pace`; a strategy that does not say when it
        wants to be woken is run on every bar

    An engine is given bars (`add_bars` or `add_stream`), then a strategy (`execute`).
    """

    params = (("stdstats", False),)

    def __init__(
        self,
        *,
        cash: float,
        costs: Costs,
        rules: Mapping[str, SymbolRules] | None = None,
        protections: ProtectionsConfig | None = None,
        clock: Pace = "sparse",
    ) -> None:
        super().__init__()
        if clock not in get_args(Pace):
            raise RunError(f"clock must be one of {', '.join(get_args(Pace))}, found {clock!r}")
        config = protections or ProtectionsConfig()
        self._checks = checks_of(config)
        terms = {"rules": dict(rules or {}), "watch_equity": config.watches_equity}
        self.setbroker(self._new_broker(cash=cash, costs=costs, **terms))
        self._pace = clock
        self._begin_clock()
        self._advance: Advance = _unseen

    def _new_broker(self, **terms: Any) -> BarBroker:
        return BarBroker(**terms)

    def add_bars(self, bars: Bars, first: int = 0) -> BarsFeed:
        """Add recorded bars; those before `first` are warm-up."""
        feed = BarsFeed(bars, first)
        self._add(feed)
        return feed

    def add_stream(self, feed: StreamFeed) -> StreamFeed:
        """Add bars that arrive one by one."""
        self._add(feed)
        return feed

    def add_unfolding(self, markets: Sequence[tuple[Bars, int]]) -> None:
        """Add recorded bars of all symbols, and the first ones delivered, to come one by one."""
        for feed in unfolding(markets):
            self._add(feed)

    def _add(self, feed: SymbolFeed) -> None:
        if feed.symbol in self.datasbyname:
            raise RunError(f"each symbol must be added once, found {feed.symbol} again")
        for other in self.datas:
            if (type(other), other.bar_length) != (type(feed), feed.bar_length):
                raise RunError(
                    "the bars of a run must all be recorded or all arrive, in one timeframe, found "
                    f"{type(other).__name__} {other.bar_length} and "
                    f"{type(feed).__name__} {feed.bar_length}"
                )
        self.adddata(feed)

    def execute(self, strategy: type[bt.Strategy], **params: Any) -> Execution:
        """Run the strategy from the first bar to the last.

        Raises
        ------
        RunError
            if there are no bars, or a stream ended without one.
        """
        ran = self.pass_bars(strategy, **params)
        fills = tuple(self.broker.fills)
        return Execution(
            strategy=ran,
            fills=fills,
            rejections=tuple(self.broker.rejections),
            trades=tuple(self.broker.book.trades),
            equity=self._equity(fills),
            clock=self._clock_report(),
        )

    def pass_bars(self, strategy: type[bt.Strategy], **params: Any) -> bt.Strategy:
        """Run the strategy from the first bar to the last, and return the instance that ran."""
        if not self.datas:
            raise RunError("a run must have bars, found none; call add_bars or add_stream first")
        self._begin_clock()
        self.strats.clear()
        self.addstrategy(strategy, **params)
        moments = self._moments()
        self._reports_every = 1 if moments is None else _REPORTED
        with progress("running", total=moments, unit="bars") as self._advance:
            (ran,) = self.run()
            self._advance(self._passed - self._reported)
        return ran

    def veto(self, feed: SymbolFeed, units: float, limit: float | None = None) -> str | None:
        """Return the protection that vetoes buying the units, or None.

        They are bought at the next open, or at a limit.

        The engine does not ask by itself: a strategy asks before it sends an entry, and writes
        down the answer.
        """
        if not self._checks:
            return None
        entry = Proposal(
            symbol=feed.symbol,
            decided_at=feed.moment,
            bar_length=feed.bar_length.delta,
            cost=units * self.broker.terms_of(feed, limit, by_limit=limit is not None).paid,
            equity=self.broker.getvalue(),
            at_work=self.broker.at_work(),
        )
        return first_veto(entry, self.broker.history, self._checks)

    def _moments(self) -> int | None:
        """Return at how many moments bars close; None if they are still to arrive."""
        if isinstance(self.datas[0], UnfoldingFeed):
            return self.datas[0].moments
        if any(feed.islive() for feed in self.datas):
            return None
        return len(merged_times([feed.recorded.time[feed.first :] for feed in self.datas]))

    # ---------------------------------------------------------------- bars pass

    def _begin_clock(self) -> None:
        self._dense_reasons: tuple[str, ...] = _NOT_RUNONCE
        self._passed = self._lived = self._reported = 0
        self._reports_every = _REPORTED

    def _runonce(self, strategies: Sequence[Any]) -> None:
        asked_for = self._pace == "dense"
        self._dense_reasons = () if asked_for else dense_reasons(self, strategies)
        if asked_for or self._dense_reasons:
            super()._runonce(strategies)
        else:
            SparseRun(self, strategies[0], audit=self._pace == "audit").run()

    def _brokernotify(self) -> None:
        """Count the moment: backtrader comes here once at each."""
        super()._brokernotify()
        self.count_moments(1, lived=1)

    def count_moments(self, passed: int, *, lived: int) -> None:
        """Count moments that have passed, and those of them that were lived through."""
        self._passed += passed
        self._lived += lived
        unreported = self._passed - self._reported
        if unreported >= self._reports_every:
            self._reported = self._passed
            self._advance(unreported)

    def _clock_report(self) -> ClockReport:
        streamed = any(feed.islive() for feed in self.datas)
        kind = "dense" if self._dense_reasons else self._pace
        return ClockReport(
            kind="stream" if streamed else kind,
            reasons=() if streamed else self._dense_reasons,
            moments=self._passed,
            run=self._lived,
        )

    def _equity(self, fills: tuple[Fill, ...]) -> EquityCurve:
        # A run that was stopped early may not have come to every symbol.
        begun = [feed for feed in self.datas if len(feed)] or self.datas
        delivered = {feed.symbol: feed.delivered() for feed in begun}
        return equity_curve(fills, delivered, dict.fromkeys(delivered, 0), self.broker.startingcash)
