"""What an account has been through, as far as protections ask for it.

A fold over two kinds of records and nothing else, so that it can be had again from them: the
trades in the order in which they ended, and the equity at closes. Which of the two comes first
does not matter.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np

from feeds.moments import iso, parse_utc

_INSTANT = np.timedelta64(1, "ms")
_NO_DAY = np.datetime64("NaT", "D")


class Ended(Protocol):
    """A trade that has ended, `engine.records.Trade` or what stands for one."""

    @property
    def symbol(self) -> str: ...

    @property
    def pnl(self) -> float: ...

    @property
    def closed_at(self) -> np.datetime64: ...


@dataclass(slots=True)
class AccountHistory:
    """Losses and falls so far; a loss is a trade without a net profit, as in the metrics.

    Attributes
    ----------
    equity : at the latest close that was marked; before the first, what the account began with
    losses_in_a_row : trades without a net profit since the last one with
    streaks : when so many losses in a row were last reached, as `Trade.closed_at`
    lost_at : when a symbol last lost, in the same way
    peak, deepest_fall : the highest equity, and the deepest fall from a peak as a fraction of it
    """

    equity: float
    losses_in_a_row: int = 0
    streaks: dict[int, np.datetime64] = field(default_factory=dict)
    lost_at: dict[str, np.datetime64] = field(default_factory=dict)
    peak: float = 0.0
    deepest_fall: float = 0.0
    _day: np.datetime64 = _NO_DAY
    _day_began_with: float = 0.0
    _lowest_of_day: float = 0.0

    def __post_init__(self) -> None:
        self.peak = self.equity

    def to_json(self) -> dict[str, Any]:
        """Return all that it knows in JSON's own types."""
        return {
            "equity": self.equity,
            "losses_in_a_row": self.losses_in_a_row,
            "streaks": {str(length): iso(at) for length, at in self.streaks.items()},
            "lost_at": {symbol: iso(at) for symbol, at in self.lost_at.items()},
            "peak": self.peak,
            "deepest_fall": self.deepest_fall,
            "day": None if np.isnat(self._day) else str(self._day),
            "day_began_with": self._day_began_with,
            "lowest_of_day": self._lowest_of_day,
        }

    @classmethod
    def from_json(cls, known: Mapping[str, Any]) -> Self:
        """Return the history that `to_json` told of."""
        history = cls(known["equity"], known["losses_in_a_row"])
        history.streaks = {int(n): parse_utc(at) for n, at in known["streaks"].items()}
        history.lost_at = {symbol: parse_utc(at) for symbol, at in known["lost_at"].items()}
        history.peak, history.deepest_fall = known["peak"], known["deepest_fall"]
        history._day = _NO_DAY if known["day"] is None else np.datetime64(known["day"], "D")
        history._day_began_with = known["day_began_with"]
        history._lowest_of_day = known["lowest_of_day"]
        return history

    def note_trade(self, trade: Ended) -> None:
        """Take the next trade that has ended."""
        if trade.pnl > 0:
            self.losses_in_a_row = 0
            return
        self.losses_in_a_row += 1
        self.streaks[self.losses_in_a_row] = self.lost_at[trade.symbol] = trade.closed_at

    def mark(self, moment: np.datetime64, equity: float) -> None:
        """Take the equity at a close.

        Every close at which something was held must be marked, oldest first, the one at which it
        was sold included. The others need not be: the equity stands still.
        """
        # What is known at midnight ends the old day, as in the metrics.
        day = (moment - _INSTANT).astype("datetime64[D]")
        if day != self._day:
            self._day, self._day_began_with, self._lowest_of_day = day, self.equity, self.equity
        self.equity = equity
        self._lowest_of_day = min(self._lowest_of_day, equity)
        self.peak = max(self.peak, equity)
        self.deepest_fall = max(self.deepest_fall, 1.0 - equity / self.peak)

    def day_fall(self, moment: np.datetime64) -> float:
        """Return how far the equity was below that at the start of the UTC day, at its lowest.

        Parameters
        ----------
        moment : now; a decision at midnight belongs to the day that begins

        Returns
        -------
        float
            a fraction of the equity at the start of the day; 0 if it never was below
        """
        if moment.astype("datetime64[D]") != self._day:
            return 0.0
        return 1.0 - self._lowest_of_day / self._day_began_with
