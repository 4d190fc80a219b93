"""Tells another program of entries, exits and trouble: a JSON object, posted to an address.

    {"id": "…", "event": "entry", "at": "2024-01-01T00:05:00Z", "exchange": "binance", …}

An event is `entry`, `exit`, `error` or `ml_dropped`. An answer of 2xx takes the message; anything
else has it sent again, later each time, and given up in the end. One that arrives twice bears the
same `id`. Trading never waits: what does not fit into the queue is dropped, and counted.
"""

import http.client
import json
import logging
import queue
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit

from engine.errors import ConfigError
from engine.paper.records import Event, PricedFill
from engine.plain import plain
from engine.records import Trade
from feeds.messages import first_line
from feeds.moments import iso

log = logging.getLogger("tandem.webhook")

QUEUE = 200  # messages
TIMEOUT_S = 10.0
# Seconds between attempts; after the last of them a message is given up.
PAUSES_S = (1.0, 5.0, 30.0)
# The first that a receiver may answer are read, so that it sees its answer taken.
_ANSWER_BYTES = 4096
# Events that are worth a message.
TOLD_EVENTS = ("error", "ml_dropped")


@dataclass(frozen=True, slots=True)
class Message:
    """What is posted.

    Attributes
    ----------
    id : the same for the same event, however often it is sent
    body : the rest, in JSON's own types
    """

    id: str
    event: str
    body: Mapping[str, Any]


def entry_message(priced: PricedFill, ml: str) -> Message:
    """Return the message of a fill that began a position.

    Parameters
    ----------
    ml : of the moment, as in `MomentRecord`
    """
    return Message(f"entry:{priced.order}", "entry", {**_fill_body(priced), "ml": ml})


def exit_message(priced: PricedFill, trade: Trade, ml: str) -> Message:
    """Return the message of a fill that ended a position."""
    trade_body = {**asdict(trade), "return_fraction": trade.return_fraction}
    body = {**_fill_body(priced), "trade": plain(trade_body), "ml": ml}
    return Message(f"exit:{priced.order}", "exit", body)


def event_message(event: Event) -> Message | None:
    """Return the message of an event, or None if it is not one to be told."""
    if event.kind not in TOLD_EVENTS:
        return None
    body = {"at": iso(event.at), "text": event.text}
    return Message(f"{event.kind}:{iso(event.at)}", event.kind, body)


class Webhook:
    """Posts messages from a thread of its own; a context manager.

    Parameters
    ----------
    url : https or http, all of it but scheme and host held to be secret
    about : what every message says besides: exchange, name of the session
    pauses_s : between attempts

    Attributes
    ----------
    sent, dropped, failed : messages taken, not queued for want of room, and given up

    Raises
    ------
    ConfigError : the address cannot be posted to
    """

    def __init__(
        self,
        url: str,
        about: Mapping[str, Any],
        *,
        pauses_s: tuple[float, ...] = PAUSES_S,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._address = _address(url)
        self._about = plain(dict(about))
        self._pauses_s, self._timeout_s = pauses_s, timeout_s
        self._waiting: queue.Queue[Message | None] = queue.Queue(QUEUE)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)
        self.sent = self.dropped = self.failed = 0

    @property
    def place(self) -> str:
        """Scheme and host, which may be said; the rest is a secret."""
        return f"{self._address.scheme}://{self._address.netloc}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(self._timeout_s)

    def tell(self, message: Message | None) -> None:
        """Have a message sent soon; this returns at once. None is nothing to tell."""
        if message is None:
            return
        try:
            self._waiting.put_nowait(message)
        except queue.Full:
            self.dropped += 1
            log.warning("webhook %s: no room for %s, dropped", self.place, message.event)

    def close(self, patience_s: float) -> None:
        """Send what waits, each once, for so many seconds at most; then end."""
        self._ending.set()
        deadline = time.monotonic() + patience_s
        try:
            self._waiting.put(None, timeout=patience_s)
        except queue.Full:
            return
        self._thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while (message := self._waiting.get()) is not None:
            if self._delivered(message):
                self.sent += 1
            else:
                self.failed += 1

    def _delivered(self, message: Message) -> bool:
        for pause in (*self._pauses_s, None):
            wrong = self._attempt(message)
            if wrong is None:
                return True
            # At the end of the session there is time for one attempt each.
            last = pause is None or self._ending.is_set()
            then = "given up" if last else f"again in {pause:g} s"
            log.warning("webhook %s: %s not taken (%s), %s", self.place, message.event, wrong, then)
            if last or self._ending.wait(pause):
                break
        return False

    def _attempt(self, message: Message) -> str | None:
        """Post once and return what went wrong, if anything; the address is not in it."""
        body = {"id": message.id, "event": message.event, **self._about, **message.body}
        document = json.dumps(body, allow_nan=False).encode()
        try:
            status = self._posted(document)
        except (OSError, http.client.HTTPException) as error:
            return f"{type(error).__name__}: {first_line(error)}"
        return None if 200 <= status < 300 else f"answered {status}"

    def _posted(self, document: bytes) -> int:
        connection = self._connection()
        try:
            path = self._address.path or "/"
            query = f"?{self._address.query}" if self._address.query else ""
            headers = {"Content-Type": "application/json", "User-Agent": "tandem"}
            connection.request("POST", f"{path}{query}", document, headers)
            answer = connection.getresponse()
            answer.read(_ANSWER_BYTES)
            return answer.status
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._address.hostname or "", self._address.port
        if self._address.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=self._timeout_s)
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=self._timeout_s, context=context)


def _address(url: str) -> SplitResult:
    """Return the parts of the address; what is wrong is said without repeating it."""
    try:
        address = urlsplit(url)
        fits = address.scheme in {"http", "https"} and bool(address.hostname)
        fits = fits and (address.port is None or address.port > 0)
    except ValueError:
        fits, address = False, urlsplit("")
    if not (fits and url.isascii() and url.isprintable() and " " not in url):
        raise ConfigError("a webhook's address must be like https://host/path; check its setting")
    if address.username or address.password:
        raise ConfigError("a webhook's address must not hold a user or password: use its path")
    return address


def _fill_body(priced: PricedFill) -> dict[str, Any]:
    """Return what is told of a fill."""
    fill = priced.fill
    body: dict[str, Any] = plain(
        {
            "at": fill.filled_at,
            "symbol": fill.symbol,
            "units": fill.units,
            "price": fill.price,
            "fee": fill.fee,
            "reason": fill.reason,
            "decided_at": fill.decided_at,
            "priced_by": priced.model,
        }
    )
    return body
