"""The sparse clock: runs the bars on which something can happen, and passes over the others.

A strategy that has `wakes_at(data) -> int | None` says at which bar of a feed, after the current
one, `next` can next do anything if no order of that feed fills before; None for never. What `next`
does must not depend on how often it is called. The engine looks ahead for the orders itself: a
bracket needs no declaration, a time limit does.

What is passed over is made up for, so that broker and strategy stand where every bar would have
left them; that no trade changes is proved in `tests/engine/clock`.
"""

from collections.abc import Sequence
from typing import Any

import backtrader as bt

from engine.broker import BarBroker
from engine.clock import NEVER, Timeline
from engine.data import BarsFeed
from engine.errors import ClockError
from engine.waiting import Waiting
from feeds.moments import readable

# What a strategy may have that the sparse clock does not call.
_NOT_CALLED = (
    *("nextstart", "notify_cashvalue", "notify_fund"),
    *("_notify", "_oncepost", "clear"),
)


def dense_reasons(cerebro: Any, strategies: Sequence[Any]) -> tuple[str, ...]:
    """Return why every bar must be run; nothing if that is not so."""
    strategy, broker = strategies[0], cerebro.broker
    reasons = {
        "several strategies": len(strategies) > 1,
        "a strategy without wakes_at": not hasattr(strategy, "wakes_at"),
        "a strategy with lines of its own": strategy.lines.size() > 1,
        "analyzers": len(strategy.analyzers) > 0,
        "observers": len(strategy._lineiterators[strategy.ObsType]) > 0,
        "writers": bool(cerebro.runwriters),
        "timers": bool(cerebro._timers or cerebro._timerscheat),
        "cheat-on-open": cerebro.p.cheat_on_open,
        "quick notifications": cerebro.p.quicknotify,
        "feeds other than recorded bars": any(type(d) is not BarsFeed for d in cerebro.datas),
        "filtered feeds": any(d._filters for d in cerebro.datas),
        "a broker other than BarBroker": type(broker) is not BarBroker,
        "a volume filler": broker.p.filler is not None,
    }
    for name in _NOT_CALLED:
        own = getattr(type(strategy), name) is not getattr(bt.Strategy, name)
        reasons[f"a strategy with {name}"] = own
    return tuple(reason for reason, holds in reasons.items() if holds)


class SparseRun:
    """One run of a strategy by the sparse clock.

    Parameters
    ----------
    cerebro : with feeds that are preloaded, and `count_moments`
    strategy : that has `wakes_at`
    audit : live through every bar all the same, and raise `ClockError` where one that was to be
        passed over was busy
    """

    def __init__(self, cerebro: Any, strategy: Any, *, audit: bool) -> None:
        self._cerebro, self._strategy, self._audit = cerebro, strategy, audit
        # A strategy that leaves `prenext` alone begins at a bar that nobody names.
        self._waits_to_begin = type(strategy).prenext is bt.Strategy.prenext
        self._warm = False
        self._indicators = strategy._lineiterators[strategy.IndType]
        self._feeds: list[BarsFeed] = cerebro.datas
        self._broker: BarBroker = cerebro.broker
        self._place = {feed: place for place, feed in enumerate(self._feeds)}
        self._waiting = Waiting(self._broker, self._feeds)
        self._timeline = Timeline(self._feeds)

    def run(self) -> None:
        """Run from the first moment to the last."""
        if self._indicators:
            self._strategy._once()
        self._strategy.reset()
        moment = -1
        while moment < self._timeline.last and not self._cerebro._event_stop:
            wake = self._next_wake(moment)
            if self._audit:
                moment = self._watch(moment, wake)
            elif wake > moment + 1:
                self._pass_over(moment, wake)
            if not self._cerebro._event_stop:
                self._live(moment, wake)
            moment = wake

    def _live(self, before: int, moment: int) -> None:
        """Let broker and strategy live through a moment, after those that were passed over."""
        self._timeline.stand_at(moment)
        self._cerebro.count_moments(moment - before, lived=1)
        # As `Cerebro._brokernotify`, for one strategy that is told of orders at its turn.
        self._broker.next()
        while self._broker.notifs:
            self._strategy._addnotification(self._broker.notifs.popleft())
        if self._cerebro._event_stop:
            return
        line, since = self._strategy.lines.datetime, self._timeline.stamps[before + 1 : moment + 1]
        line.array.frombytes(since.tobytes())
        line.advance(len(since))
        self._step()

    def _step(self) -> None:
        """Do what `Strategy._oncepost` does for a strategy that sparse runs are open to."""
        strategy = self._strategy
        for indicator in self._indicators:  # those of feeds come first, then those of indicators
            indicator.advance(len(indicator._clock) - len(indicator))
        for order in strategy._orderspending:
            strategy.notify_order(order)
        for trade in strategy._tradespending:
            strategy.notify_trade(trade)
        self._warm = self._warm or strategy._getminperstatus() <= 0
        if self._warm:
            strategy.next()
        else:
            strategy.prenext()
        # `clear` keeps every copy of every order to the end of the run, for nobody.
        strategy._orderspending, strategy._tradespending = [], []

    # ---------------------------------------------------------------- which moment is next

    def _next_wake(self, moment: int) -> int:
        """Return the next moment at which something can happen; the last one is always run."""
        urgent = self._broker.notifs or self._broker._toactivate
        if moment < 0 or urgent or (self._waits_to_begin and not self._warm):
            return moment + 1
        bars = [self._declared(feed) for feed in self._feeds]
        wakes = [self._timeline.moment_of(place, bar) for place, bar in enumerate(bars)]
        wakes += [self._timeline.moment_of(*each) for each in self._waiting.bars(bars)]
        return min(*wakes, self._timeline.last)

    def _declared(self, feed: BarsFeed) -> int:
        """Return the bar at which the strategy wants to be woken; the first bar always."""
        if not len(feed):
            return feed.first
        bar: int | None = self._strategy.wakes_at(feed)
        if bar is not None and bar <= feed.index:
            raise ClockError(
                f"wakes_at must name a bar after the current one or None, found {bar} of "
                f"{feed.symbol} at {feed.index}"
            )
        return NEVER if bar is None else bar

    # ---------------------------------------------------------------- the moments before it

    def _pass_over(self, after: int, until: int) -> None:
        """Bring the broker to where the moments between would have left it."""
        self._follow(until)
        self._mark_equity(slice(after + 1, until))

    def _follow(self, until: int) -> None:
        """Let the stops that trail follow the bars before a moment."""
        for order in self._broker.pending:
            data, bars = order.data, order.data.recorded
            if not order.info.get("trail") or not order.active():
                continue
            rows = slice(data.index + 1, self._timeline.bars_before(self._place[data], until))
            real = ~bars.filled[rows]
            if real.any():
                self._broker.follow(order, bars.high[rows][real].max(), bars.low[rows][real].min())

    def _mark_equity(self, moments: slice) -> None:
        """Count the equity at these closes, as the broker does while something is held."""
        held = self._broker.held()
        if not held or not self._broker.p.watch_equity:
            return
        worth = sum(p.size * self._timeline.closes(self._place[data], moments) for data, p in held)
        equity = (self._broker.cash + worth).tolist()
        for moment, value in zip(self._timeline.closed_at(moments), equity, strict=True):
            self._broker.history.mark(moment, value)

    def _watch(self, after: int, until: int) -> int:
        """Live through the moments between, and refuse one at which something happened.

        Returns
        -------
        int
            the last that was lived through
        """
        quiet, moment = self._state(), after
        while moment + 1 < until and not self._cerebro._event_stop:
            self._live(moment, moment + 1)
            moment += 1
            if self._state() != quiet:
                asked, busy, wake = self._timeline.closed_at(slice(None))[[after, moment, until]]
                raise ClockError(
                    f"at {readable(asked)} neither wakes_at nor an order named a bar before "
                    f"{readable(wake)}, but something happened at {readable(busy)}: wakes_at must "
                    "name that bar"
                )
        return moment

    def _state(self) -> tuple[Any, ...]:
        """Return what changes when anything happens, as far as it shows."""
        journal = getattr(self._strategy, "journal", ())
        return self._cerebro._event_stop, len(journal), *self._broker.state()
