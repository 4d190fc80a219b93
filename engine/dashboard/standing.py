"""How a session stands right now: its health, and what it waits for in each symbol."""

from collections.abc import Mapping
from time import monotonic
from typing import Any

from engine.dashboard.discreet import discreet
from engine.dashboard.health_view import health_view
from engine.dashboard.ledger import Ledger
from engine.dashboard.trade_view import Json
from engine.paper.health import Health
from engine.paper.reading import StateReader

# It is looked up as often as this, whoever asks.
LOOK_SECONDS = 1.0


class Standing:
    """Looks it up now and then, and remembers since when the session has said the same.

    Parameters
    ----------
    bar_ms : length of a bar
    """

    def __init__(self, reader: StateReader, ledger: Ledger, bar_ms: int) -> None:
        self._reader, self._ledger, self._bar_ms = reader, ledger, bar_ms
        self._said: Mapping[str, Any] | None = None
        self._said_since = monotonic()
        self._seen: tuple[float, Json] = (-LOOK_SECONDS, {})

    def look(self) -> Json:
        """Return `health`, names and values, and `markets`, a row for each symbol."""
        if monotonic() - self._seen[0] >= LOOK_SECONDS:
            self._seen = (monotonic(), self._anew())
        return self._seen[1]

    def _anew(self) -> Json:
        said = self._reader.health()
        if said != self._said:
            self._said, self._said_since = said, monotonic()
        health = None if said is None else Health.from_json(said)
        return {
            "health": health_view(health, monotonic() - self._said_since, self._bar_ms),
            "markets": self._markets({} if health is None else health.watching),
        }

    def _markets(self, watching: Mapping[str, str]) -> list[Json]:
        said = {
            **{symbol: discreet(text) for symbol, text in watching.items()},
            **{order.symbol: "an order waits" for order in self._reader.orders(open_only=True)},
            **{held.position.symbol: "held" for held in self._ledger.held()},
        }
        return [
            {
                "symbol": symbol,
                "price": price_of(self._reader, symbol),
                "text": said.get(symbol, ""),
            }
            for symbol in self._reader.facts().symbols
        ]


def price_of(reader: StateReader, symbol: str) -> float | None:
    """Return a symbol's last close; None before its first bar."""
    bars = reader.bars(symbol, last=1)
    return float(bars.close[-1]) if len(bars) else None
