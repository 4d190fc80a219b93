"""What a live feed hands over: bars that closed at one moment, and what was seen inside them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from feeds.bars import Bars, BoolArray, FloatArray, TimeArray


class Origin(StrEnum):
    """Who says that a bar was so."""

    STREAM = "stream"
    REST = "rest"
    FILLED = "filled"  # nobody traded: it stands in for a missing one


@dataclass(frozen=True, slots=True, eq=False)
class LiveBar:
    """A bar that has closed, as a row of its own; its segment goes on from the history's last."""

    bar: Bars
    origin: Origin


@dataclass(frozen=True, slots=True, eq=False)
class Tape:
    """Trades of one symbol inside a bar, oldest first, as the stream showed them.

    Attributes
    ----------
    time : datetime64[ms], by the exchange's clock
    price : in quote currency
    units : of the base that changed hands
    buyer_is_maker : whether the seller took what a buyer had offered to pay
    since : from when on no trade is missing until the bar's close; None if that is not known
    """

    time: TimeArray
    price: FloatArray
    units: FloatArray
    buyer_is_maker: BoolArray
    since: np.datetime64 | None


@dataclass(frozen=True, slots=True)
class Revision:
    """A bar that the exchange has changed after it was handed over.

    Attributes
    ----------
    time : when it opened
    before, after : open, high, low, close, volume
    seen_at : by the exchange's clock
    """

    symbol: str
    time: np.datetime64
    before: tuple[float, ...]
    after: tuple[float, ...]
    seen_at: np.datetime64


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Moment:
    """What closed at one moment. A symbol that has halted has no bar in it.

    Attributes
    ----------
    closed_at : when the bars closed
    bars : by symbol
    tapes : of the symbols whose trades are watched
    offline : the bars closed while nobody watched, and were fetched at the start
    arrived_at : when they were handed over, by the exchange's clock
    revisions : of earlier bars, seen since the last moment
    """

    closed_at: np.datetime64
    bars: Mapping[str, LiveBar]
    arrived_at: np.datetime64
    tapes: Mapping[str, Tape] = field(default_factory=dict)
    offline: bool = False
    revisions: tuple[Revision, ...] = ()


@dataclass(frozen=True, slots=True)
class MarketTerms:
    """What the exchange asks of orders in a symbol; 0 asks nothing."""

    tick: float = 0.0
    amount_step: float = 0.0
    min_notional: float = 0.0


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Opening:
    """What is known when a feed has opened.

    Attributes
    ----------
    how : in words, where the bars come from and who confirms them
    terms : by symbol
    history : by symbol, warm-up bars; those that were known already, if it goes on after them
    """

    exchange: str
    how: str
    terms: Mapping[str, MarketTerms]
    history: Mapping[str, Bars]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedHealth:
    """How a feed is doing; counts are since its start.

    Attributes
    ----------
    connected : whether the stream has spoken within the time after which it counts as silent
    clock_offset_ms : the exchange's clock less the local one
    reconnects : connections after the first
    repaired : bars that the stream had not, or not whole, and REST had
    filled : bars that stand in for missing ones
    revised : bars that the exchange changed after they were handed over
    differed : bars that REST confirmed with other numbers than the stream's last
    halted : symbols that the exchange does not trade at present
    failures : requests and messages that came to nothing, by kind
    """

    connected: bool
    clock_offset_ms: float
    reconnects: int
    repaired: int
    filled: int
    revised: int
    differed: int
    halted: tuple[str, ...]
    failures: Mapping[str, int]
