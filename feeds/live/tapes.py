"""The trades inside of bars, of the symbols whose trades are watched."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from math import isclose

import numpy as np

from feeds.live.candles import Trade
from feeds.live.moment import Tape

LATE = 1_000  # ms of market time that a trade may be late
TOLERANCE = 1e-6  # of a bar's volume: sums of floats
MOST = 200_000  # trades of a symbol that wait for their bar


@dataclass(slots=True)
class _Reel:
    """The trades of a symbol whose bars have not closed; from when on none is missing."""

    since: int | None = None
    trades: list[Trade] = field(default_factory=list)
    taken: int = 0


class Tapes:
    """Cuts trades into bars.

    Parameters
    ----------
    late : ms of market time that a trade may be late, the network included
    """

    def __init__(self, late: float = LATE) -> None:
        self._late = late
        self._reels: dict[str, _Reel] = {}

    def want(self, symbols: Collection[str]) -> None:
        """Keep the trades of these from now on, and drop the others'."""
        self._reels = {symbol: self._reels.get(symbol, _Reel()) for symbol in symbols}

    def lose(self, symbol: str) -> None:
        """Say that trades have been missed."""
        if symbol in self._reels:
            self._reels[symbol] = _Reel()

    def add(self, symbol: str, trades: Iterable[Trade], *, whole: bool) -> None:
        """Take trades, oldest first; if not `whole`, some were missed before them."""
        if not whole:
            self.lose(symbol)
        reel = self._reels.get(symbol)
        if reel is None:
            return
        for trade in trades:
            if reel.since is None:
                reel.since = trade.time + 1  # others of the same millisecond may be missing
            if trade.time < reel.taken or len(reel.trades) >= MOST:
                self.lose(symbol)  # its bar has been handed over without it
                return
            reel.trades.append(trade)

    def has_passed(self, moment: int, now: int) -> bool:
        """Return whether no more trades are to come from before the moment."""
        if now >= moment + self._late:
            return True
        watched = [reel for reel in self._reels.values() if reel.since is not None]
        return all(reel.trades and reel.trades[-1].time >= moment for reel in watched)

    def take(self, opened: int, closed: int, volumes: Mapping[str, float]) -> Mapping[str, Tape]:
        """Return the trades of the bars from `opened` to `closed`, and have them gone.

        `volumes` are those of the bars: trades of a whole bar that do not add up to it are not all.
        """
        return {
            symbol: _cut(reel, opened, closed, volumes.get(symbol, 0.0))
            for symbol, reel in self._reels.items()
        }


def _cut(reel: _Reel, opened: int, closed: int, volume: float) -> Tape:
    inside = [trade for trade in reel.trades if opened <= trade.time < closed]
    reel.trades = [trade for trade in reel.trades if trade.time >= closed]
    reel.taken = max(reel.taken, closed)
    since = reel.since if reel.since is not None and reel.since < closed else None
    if since is not None and since <= opened:
        since, units = opened, sum(trade.units for trade in inside)
        if not isclose(units, volume, rel_tol=TOLERANCE):
            reel.since = since = None
    return Tape(
        time=np.array([trade.time for trade in inside], "datetime64[ms]"),
        price=np.array([trade.price for trade in inside], np.float64),
        units=np.array([trade.units for trade in inside], np.float64),
        buyer_is_maker=np.array([trade.buyer_is_maker for trade in inside], np.bool_),
        since=None if since is None else np.datetime64(since, "ms"),
    )
