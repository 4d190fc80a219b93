"""The Engine that follows moments, and goes on from an account that it did not begin."""

from collections.abc import Callable
from typing import Any

import backtrader as bt

from engine.cerebro import Engine
from engine.data import StreamFeed
from engine.paper.broker import Account, PaperBroker
from engine.paper.moments import Moments
from feeds.bars import Bars


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
        lived: Callable[[], None],
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
        self.add_stream(StreamFeed(self._moments_told.of(warmup.symbol), warmup, keep=keep))

    def _next_writers(self, runstrats: list[bt.Strategy]) -> None:
        # backtrader comes here when all decisions of a moment are made.
        self._lived_through()
        super()._next_writers(runstrats)
