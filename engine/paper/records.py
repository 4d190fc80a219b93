"""What a paper session writes down of each moment, so that it can go on, and be proved, from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from engine.records import Fill, Rejection
from feeds.live.moment import LiveBar, Revision


class PriceModel(StrEnum):
    """What priced a fill.

    BAR is the backtest's rule on the bar that was handed over; TRADE the first trade that the
    order could have had; OFFLINE the rule of BAR, on a bar that closed while nobody watched.
    """

    BAR = "bar"
    TRADE = "trade"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedFill:
    """A fill, and all that its price came from.

    Attributes
    ----------
    order : id of the order, `OrderRecord.id`
    kind : `market`, `limit` or `stop`
    order_price : at which the order waited when it filled; None for a market order
    quote : price of the trade that filled it; None if the bar did
    quoted_at : of that trade, by the exchange's clock
    bar_range : high less low that its slippage was reckoned with
    """

    fill: Fill
    order: str
    kind: str
    order_price: float | None
    model: PriceModel
    quote: float | None
    quoted_at: np.datetime64 | None
    bar_range: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRecord:
    """An order as it stands.

    Attributes
    ----------
    id : the same for the same order of the same session, however often it is replayed
    units : to buy if above 0, to sell if below
    kind : `market`, `limit` or `stop`
    price : at which it waits now; None for a market order
    reason : as in `Fill`
    decided_at : when the bar closed on which it was decided
    sent_at : by the exchange's clock; trades before it cannot fill the order
    status : `waiting`, `asleep` (a bracket's exit before the entry), `filled`, `cancelled`,
        `refused`
    """

    id: str
    symbol: str
    units: float
    kind: str
    price: float | None
    reason: str
    decided_at: np.datetime64
    sent_at: np.datetime64
    status: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MomentRecord:
    """All that came of one moment: one transaction.

    Attributes
    ----------
    closed_at : when its bars closed
    offline, arrived_at, bars, revisions : as in `feeds.live.moment.Moment`
    late : decided so late that entries are missed rather than made
    latency_ms : from the bars' arrival to the last decision, in real milliseconds
    decisions : the strategy's journal rows, values as it wrote them
    orders : those that were sent or have changed, as they stand
    fills, rejections : in the order in which they happened
    cash, position_value : at the close, in quote currency
    ml : digest of the bundle that was asked, or in words why none was
    account : the account's history if nothing is held and no order waits, else None: a session
        can go on from here without what came before
    """

    closed_at: np.datetime64
    offline: bool
    late: bool
    arrived_at: np.datetime64
    latency_ms: float
    bars: Mapping[str, LiveBar]
    decisions: Sequence[Mapping[str, Any]]
    orders: Sequence[OrderRecord]
    fills: Sequence[PricedFill]
    rejections: Sequence[Rejection]
    revisions: Sequence[Revision]
    cash: float
    position_value: float
    ml: str
    account: Mapping[str, Any] | None


_NAMED = 2  # files of a rehearsal that are told by name


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    """What a session was begun with, and what it must go on with.

    Attributes
    ----------
    timeframe : as text
    settings : all of them, in JSON's own types
    rules : what the exchange asks of orders, by symbol, in JSON's own types
    recording : what a rehearsal replays (names and digests of the files); None for a live session
    """

    exchange: str
    symbols: tuple[str, ...]
    timeframe: str
    cash: float
    settings: Mapping[str, Any]
    rules: Mapping[str, Any]
    recording: Mapping[str, Any] | None
    created_at: np.datetime64
    versions: Mapping[str, str]

    @property
    def files(self) -> tuple[str, ...] | None:
        """Names of the files that a rehearsal replays, as far as known; None for a live session."""
        if self.recording is None:
            return None
        known = self.recording if isinstance(self.recording, dict) else {}
        files = known.get("files")  # states of before, and planted ones, have something else
        return tuple(map(str, files)) if isinstance(files, list) else ()

    @property
    def place(self) -> str:
        """Where it trades, for people: an exchange, or the recording that stands in for one."""
        if self.files is None:
            return self.exchange
        others = f" and {len(self.files) - _NAMED} more" if len(self.files) > _NAMED else ""
        return f"rehearsal of {', '.join(self.files[:_NAMED]) or 'a recording'}{others} (stand-in)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something to know that is no trade: start, stop, reconnection, ML dropped, new bundle.

    Attributes
    ----------
    kind : `started`, `stopped`, `ml_dropped`, `ml_bundle`, `halted`, `resumed`, `error`
    """

    at: np.datetime64
    kind: str
    text: str
