"""The Engine that follows moments, and goes on from an account that it did not begin."""

from collections.abc import Callable
from typing import Any, TypeAlias

import backtrader as bt

from engine.cerebro import Engine
from engine.data import StreamFeed
from engine.paper.broker import PaperBroker
from engine.paper.moments import Moments
from engine.paper.tracking import Account
from feeds.bars import Bars

Lived: TypeAlias = Callable[[bt.Strategy], None]
"""Called with the strategy when a moment has been lived through, decisions included."""

_LINES_KEPT = 100  # bars that backtrader's lines keep; strategies look further back by `window`


class _MomentFeed(StreamFeed):
    """A stream that forgets old bars, so that a session may last.

    Moments never bring a bar ahead of its time, so none has to be put back.
    """

    def _load(self) -> bool | None:
        arrived = super()._load()
        surplus = len(self.datetime.array) - _LINES_KEPT
        if surplus > _LINES_KEPT:
            for line in self.lines.lines:
                del line.array[:surplus]
                line._idx -= surplus
        return arrived


class PaperEngine(Engine):
    """Runs one strategy on moments, for as long as they come.

    Parameters
    ----------
    moments : what it follows
    lived : called when a moment has been lived through, decisions included
    account : what it goes on from; None begins with the cash
    terms : as for `Engine`
    """

    broker: PaperBroker

    def __init__(
        self,
        moments: Moments,
        lived: Lived,
        account: Account | None = None,
        **terms: Any,
    ) -> None:
        self._moments_told = moments
        self._lived_through = lived
        self._account = account
        super().__init__(**terms)

    def _new_broker(self, **terms: Any) -> PaperBroker:
        return PaperBroker(moments=self._moments_told, account=self._account, **terms)

    def add_symbol(self, warmup: Bars, *, keep: int) -> None:
        """Add a symbol whose bars the moments bring; strategies may look `keep` bars back."""
        self.add_stream(_MomentFeed(self._moments_told.of(warmup.symbol), warmup, keep=keep))

    def _next_writers(self, runstrats: list[bt.Strategy]) -> None:
        # backtrader comes here when all decisions of a moment are made.
        self._lived_through(runstrats[0])
        self.broker.forget_done()
        _forget_done(runstrats[0])
        super()._next_writers(runstrats)


def _forget_done(strategy: bt.Strategy) -> None:
    """Drop what backtrader's strategies keep of every order and trade that there ever was."""
    strategy._orders.clear()
    for by_id in strategy._trades.values():
        for trades in by_id.values():
            del trades[:-1]  # the last one may be open
