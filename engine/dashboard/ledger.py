"""What adds up over a session: trades, positions, equity. Kept up as moments come."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from engine.paper.columns import ms
from engine.paper.positions import Position, trades_and_positions
from engine.paper.reading import StateReader
from engine.paper.records import OrderRecord, PricedFill
from engine.paper.rows import RecordedMoment
from engine.records import DUST, Trade, TradeBook

# A decision is known by its symbol and its moment, and so is all that came of it.
Key = tuple[str, int]


@dataclass(slots=True)
class Levels:
    """Where a position is left: prices of its target and its stop, as they stood last."""

    target: float | None = None
    stop: float | None = None

    def take(self, kind: str, price: float | None) -> None:
        """Remember the price of an exit."""
        if kind == "stop":
            self.stop = price
        elif kind == "limit":
            self.target = price


@dataclass(frozen=True, slots=True)
class Ended:
    """A trade that has ended, with the fills that began and ended it."""

    trade: Trade
    entry: PricedFill
    exit: PricedFill


@dataclass(frozen=True, slots=True)
class Held:
    """An open position, with the fill that began it and the fees so far."""

    position: Position
    entry: PricedFill
    fees: float


@dataclass(slots=True)
class Equity:
    """The account's value at every moment (ms, quote currency), and how deep it fell."""

    time: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    peak: float = 0.0
    deepest: float = 0.0

    def add(self, moment: RecordedMoment) -> None:
        value = moment.cash + moment.position_value
        self.time.append(ms(moment.closed_at))
        self.value.append(value)
        self.peak = max(self.peak, value)
        self.deepest = max(self.deepest, self.drawdown)

    @property
    def drawdown(self) -> float:
        """The fall from the peak, as a fraction of it."""
        return 1.0 - self.value[-1] / self.peak if self.value and self.peak > 0 else 0.0

    def after(self, moment: int) -> tuple[list[int], list[float]]:
        """Return times and values later than a moment."""
        first = bisect_right(self.time, moment)
        return self.time[first:], self.value[first:]

    def thinned(self, most: int) -> tuple[list[int], list[float]]:
        """Return at most so many points, lowest and highest of each stretch among them."""
        if len(self.time) <= most:
            return self.time[:], self.value[:]
        kept = thin(np.array(self.value), most)
        return [self.time[i] for i in kept], [self.value[i] for i in kept]


class Ledger:
    """The sums of a session up to the last moment that was read.

    Attributes
    ----------
    last : that moment, None before the first
    ended : trades, oldest first
    won, pnl : how many of them gained, and what all of them came to
    """

    def __init__(self) -> None:
        self.last: RecordedMoment | None = None
        self.equity = Equity()
        self.ended: list[Ended] = []
        self.won, self.pnl = 0, 0.0
        self._held: dict[str, list[PricedFill]] = defaultdict(list)
        self._levels: dict[Key, Levels] = {}
        self._entries: dict[Key, PricedFill] = {}
        self._book = TradeBook()
        self._latest_orders: set[str] = set()
        self._ml: list[tuple[int, str]] = []

    def follow(self, reader: StateReader) -> None:
        """Take in what was committed since the last call."""
        since = None if self.last is None else self.last.closed_at
        moments = reader.moments(after=since)
        for moment in moments:
            self.equity.add(moment)
            if not self._ml or self._ml[-1][1] != moment.ml:
                self._ml.append((ms(moment.closed_at), moment.ml))
        if moments:
            self.last = moments[-1]
            self._take_fills(reader, reader.fills(after=since))

    def held(self) -> Iterator[Held]:
        """Yield the open positions."""
        for fills in self._held.values():
            if fills:
                _, (position,) = trades_and_positions(each.fill for each in fills)
                yield Held(position, fills[0], sum(each.fill.fee for each in fills))

    def levels(self, fill: PricedFill) -> Levels:
        """Return where the position is left that a fill began."""
        return self._levels.get(_key(fill), Levels())

    def entry(self, symbol: str, decided_at: int) -> PricedFill | None:
        """Return the entry that came of a decision, if one did."""
        return self._entries.get((symbol, decided_at))

    def ml_at(self, moment: int) -> str:
        """Return who was asked then: the digest of a bundle, or in words why nobody."""
        place = bisect_right(self._ml, (moment, chr(0x10FFFF)))
        return self._ml[place - 1][1] if place else ""

    def take_orders(self, orders: Iterable[OrderRecord]) -> None:
        """Remember where exits stand."""
        for order in orders:
            if order.reason != "entry":
                key = (order.symbol, ms(order.decided_at))
                self._levels.setdefault(key, Levels()).take(order.kind, order.price)

    def _take_fills(self, reader: StateReader, fills: Sequence[PricedFill]) -> None:
        # Fills were read after moments: those of a moment committed between come twice.
        fresh = [each for each in fills if each.order not in self._latest_orders]
        self._latest_orders = {each.order for each in fills}
        if fresh:
            self.take_orders(reader.orders())
        for each in fresh:
            self._take(each)

    def _take(self, priced: PricedFill) -> None:
        held = self._held[priced.fill.symbol]
        if not held:
            self._entries[_key(priced)] = priced
        held.append(priced)
        trade = self._book.add(priced.fill)
        if trade is None:
            return
        self.ended.append(Ended(trade, held[0], priced))
        self.won += trade.pnl > 0
        self.pnl += trade.pnl
        over = sum(each.fill.units for each in held)
        turned = abs(over) > DUST * abs(held[0].fill.units)
        self._held[priced.fill.symbol] = (
            [replace(priced, fill=replace(priced.fill, units=over))] if turned else []
        )


def thin(value: np.ndarray, most: int) -> list[int]:
    """Return positions of at most `most` values: the ends, and each stretch's lowest and highest.

    >>> thin(np.array([0.0, 1.0, 5.0, 2.0, 1.0, -3.0, 0.0, 1.0]), 6)
    [0, 2, 4, 5, 7]
    """
    kept = {0, len(value) - 1}
    stretches = min(len(value), max(1, (most - 2) // 2))
    for part in np.array_split(np.arange(len(value)), stretches):
        kept |= {int(part[value[part].argmin()]), int(part[value[part].argmax()])}
    return sorted(kept)


def _key(priced: PricedFill) -> Key:
    return priced.fill.symbol, ms(priced.fill.decided_at)
