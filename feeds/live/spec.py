"""What a live feed is asked for."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from feeds.errors import BadSymbolError, ExchangeError
from feeds.gaps import FILL_LIMIT
from feeds.timeframe import Timeframe

Confirm: TypeAlias = Literal["always", "doubt"]
MOST_SYMBOLS = 100
CONNECTION_S = 23 * 3600.0  # exchanges end a connection after 24 h


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSpec:
    """Whose bars are wanted, and from where.

    Attributes
    ----------
    exchange : as ccxt calls it
    symbols : whose bars make a moment, `MOST_SYMBOLS` at most
    warmup_bars : how many bars of history, where none is known
    base_url : asked instead of the exchange's REST address: a mirror or a stand-in
    stream_url : likewise for its stream; a mirror without one is polled
    name : what the log and the opening call it; None for the exchange's own
    confirm : whether REST is asked about each bar, or only where the stream leaves a doubt
    fill_limit : missing bars in a row that are filled
    connection_s : seconds of the market after which a connection is made anew, before the exchange
        ends it
    without_trades : symbols of which it is known that no trades are told: of a stand-in's, where
        none were recorded
    until : the feed ends after the moment that closes then; None goes on
    """

    exchange: str
    symbols: tuple[str, ...]
    timeframe: Timeframe
    warmup_bars: int
    base_url: str | None = None
    stream_url: str | None = None
    name: str | None = None
    confirm: Confirm = "always"
    fill_limit: int = FILL_LIMIT
    connection_s: float = CONNECTION_S
    without_trades: frozenset[str] = frozenset()
    until: np.datetime64 | None = None

    @property
    def called(self) -> str:
        """What people are told that bars come from."""
        return self.name or self.exchange

    @property
    def may_stream(self) -> bool:
        """Whether there is a stream that tells of the market that REST is asked about."""
        return self.base_url is None or self.stream_url is not None

    def __post_init__(self) -> None:
        if not 1 <= len(self.symbols) <= MOST_SYMBOLS or len(set(self.symbols)) < len(self.symbols):
            raise BadSymbolError(
                f"a live feed takes 1 to {MOST_SYMBOLS} different symbols, "
                f"found {len(self.symbols)}: {', '.join(self.symbols[:5])}"
            )
        if not self.connection_s > 0:
            raise ExchangeError(
                f"a connection must last longer than 0 s, found {self.connection_s:g}: leave it out"
            )
        if self.warmup_bars < 1 or self.fill_limit < 0:
            raise ExchangeError(
                f"a live feed needs 1 bar of warm-up or more and a fill limit of 0 or more, "
                f"found {self.warmup_bars} and {self.fill_limit}"
            )
