"""What time it is for an exchange, by one question, and how far our clock is from it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from feeds.clock import SystemClock, TimedClock
from feeds.errors import UnreachableError
from feeds.exchange import BAD_ANSWERS, moment_in, refuse_hopeless, said_of, waiting_client

PATIENCE = 5.0  # seconds
_LAST_TRY = 3  # as `refuse_hopeless` counts: what a firewall says is final


@dataclass(frozen=True, slots=True)
class ToldTime:
    """An exchange that has answered.

    Attributes
    ----------
    took : seconds from the question to the answer
    ahead : seconds of our clock before its own, as if it had looked halfway; None if it does not
        tell the time and was asked for its markets instead
    """

    exchange: str
    took: float
    ahead: float | None


def ask_time(
    name: str,
    *,
    base_url: str | None = None,
    patience: float = PATIENCE,
    clock: TimedClock | None = None,
) -> ToldTime:
    """Ask an exchange once what time it is.

    Parameters
    ----------
    name : as ccxt calls it
    base_url : asked instead of the exchange's own public address
    patience : seconds that it has to answer

    Raises
    ------
    UnknownMarketError
        if ccxt does not know it, or it offers no history
    BlockedError
        if it refuses this place
    UnreachableError
        if it gives no proper answer in time
    """
    ours = clock or SystemClock()
    client = waiting_client(name, base_url, patience)
    try:
        return _asked(client, ours)
    except BAD_ANSWERS as error:
        refuse_hopeless(name, error, _LAST_TRY)
        raise UnreachableError(f"{name} gave no proper answer: {said_of(error)}") from error
    finally:
        client.session.close()


def _asked(client: Any, ours: TimedClock) -> ToldTime:
    before, began = ours.now(), ours.stopwatch()
    theirs = _told(client)
    took = ours.stopwatch() - began
    ahead = None if theirs is None else (before - theirs).total_seconds() + took / 2
    return ToldTime(str(client.id), took, ahead)


def _told(client: Any) -> datetime | None:
    """Ask for the time, or where it is not told for the markets."""
    if client.has.get("fetchTime") is True:
        return datetime.fromtimestamp(moment_in(client.fetch_time()) / 1000, UTC)
    if not client.load_markets(True):  # what ccxt makes of a damaged answer
        raise ValueError("no markets")
    return None
