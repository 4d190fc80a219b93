"""What can go wrong with a stream and with the market behind it, made to happen on request."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from threading import Lock

from feeds.standin.market import MINUTE, Recording
from feeds.standin.series import Series


class StreamFaultKind(StrEnum):
    """The shapes of trouble, as a client sees them."""

    RESET = "connections reset"
    END = "connections ended without a close frame"
    HALF_FRAME = "connections ended within a frame"
    GOING_AWAY = "connections closed with 1001"
    ABNORMAL = "connections closed with 1006"
    POLICY = "connections closed with 1008"
    STALL = "nothing pushed any more, pings answered"
    BLACK_HOLE = "nothing pushed and nothing answered any more"
    REFUSED = "new connections refused with 503"
    FLAPPING = "connections reset again and again"
    OLD_AGE = "connections closed with 1001 when they have lasted so long"
    MALFORMED = "half of a message, in a whole frame"
    DUPLICATE = "the last push more than once"
    OUT_OF_ORDER = "the last push after the next bar's first, and the bar before once more"
    GAP = "nothing pushed of some bars"
    LOST_LAST = "the last push missing"
    SPIKE = "a wick that only the stream shows"
    ZERO_VOLUME = "after the last push a flat one without volume"
    ZERO_ROW = "after the last push one of zeros"
    NULLS = "after the last push one of nulls"
    OFF_GRID = "after the last push one with a stamp that no bar has"
    REVISION = "a bar that changes after its close"
    STALE_REST = "a bar that REST shows unfinished after its close"
    HALT = "a symbol that is not traded"
    MAINTENANCE = "connections closed with 1001, and everything refused with 503"
    CLOCK = "an exchange that tells another time than it keeps"


_Kind = StreamFaultKind
ON_CONNECTIONS = frozenset(
    {
        *(_Kind.RESET, _Kind.END, _Kind.HALF_FRAME, _Kind.STALL, _Kind.BLACK_HOLE),
        *(_Kind.GOING_AWAY, _Kind.ABNORMAL, _Kind.POLICY, _Kind.FLAPPING, _Kind.MAINTENANCE),
    }
)
_USUAL_SECONDS = {
    _Kind.FLAPPING: 5.0,
    _Kind.OLD_AGE: 86_400.0,
    _Kind.REVISION: 20.0,
    _Kind.STALE_REST: 5.0,
    _Kind.MAINTENANCE: 120.0,
    _Kind.CLOCK: 90.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFault:
    """Something that goes wrong with a stream, or in the market.

    Attributes
    ----------
    kind : what goes wrong
    bar : with which bar of the replay, 0 being the one that forms when the replay begins. Bars are
        counted by time in the shortest timeframe, recorded or not. None is the one that forms when
        the fault is added
    part : of that bar, after which connections break; without a bar they break at once
    symbol : whose bars or connections; None is all of them
    times : how often a push is repeated, how many bars a gap is long, how many connections are
        refused or flap
    seconds : of market time; after the close until a bar is revised, or until REST shows it whole;
        how long connections that flap or grow old, a stall, maintenance or a halt last; how far the
        clock of the exchange is ahead. None is what is usual of the kind: a stall and a halt are
        for good
    factor : a revised close or a spike's high, as a multiple of the true one
    told : whether a revision is pushed, too, or only REST knows
    """

    kind: StreamFaultKind
    bar: int | None = None
    part: float = 0.5
    symbol: str | None = None
    times: int = 1
    seconds: float | None = None
    factor: float = 1.02
    told: bool = True

    def __post_init__(self) -> None:
        sound = {
            "bar": self.bar is None or self.bar >= 0,
            "part": 0 <= self.part < 1,
            "times": self.times >= 1,
            "seconds": self.seconds is None or self.seconds > 0 or self.kind is _Kind.CLOCK,
            "factor": 0 < self.factor < inf,
        }
        for name, good in sound.items():
            if not good:
                raise ValueError(
                    f"{name} of a stream's fault is out of range, found {getattr(self, name)}"
                )

    @property
    def ms(self) -> float:
        """How long it lasts, or how far the clock is ahead; perhaps without end."""
        usual = _USUAL_SECONDS.get(self.kind, inf)
        return (usual if self.seconds is None else self.seconds) * 1000


@dataclass(slots=True)
class Due:
    """A fault with the moments that it means, in ms: its bar's open, and its own."""

    fault: StreamFault
    opened: int
    at: int
    left: int
    happened: bool = False

    @property
    def until(self) -> float:
        return self.at + self.fault.ms


class StreamPlan:
    """The faults of streams and markets. Any thread may add to it and ask it.

    What it has done to the market stays: a revised bar is revised, a bar that was never traded is
    not there.
    """

    def __init__(self, recording: Recording, faults: Iterable[StreamFault]) -> None:
        self._lock = Lock()
        self._recording = recording
        self._first = list(faults)
        self._due: list[Due] = []
        self._begin: int | None = None

    def begin(self, now: int) -> None:
        """Count bars from the one that forms at `now` (ms)."""
        self._begin = now
        self._due.clear()
        for fault in self._first:
            self._plan(fault, now, now)

    def add(self, fault: StreamFault, now: int) -> None:
        """Plan one more fault."""
        self._recording.series(fault.symbol)  # raises if the symbol is unknown
        if self._begin is None:
            self._first.append(fault)
        else:
            self._plan(fault, self._begin, now)

    def _plan(self, fault: StreamFault, begin: int, now: int) -> None:
        due = self._bound(fault, begin, now)
        for series in self._recording.series(fault.symbol):
            _change_market(self._recording, series, due)
        with self._lock:
            self._due.append(due)

    def _bound(self, fault: StreamFault, begin: int, now: int) -> Due:
        step = min((s.step for s in self._recording.series(fault.symbol)), default=MINUTE.ms)
        if fault.bar is None:
            return Due(fault, now - now % step, now, fault.times)
        opened = begin - begin % step + fault.bar * step
        return Due(fault, opened, opened + round(fault.part * step), fault.times)

    def clear(self) -> None:
        """Let everything go well from now on."""
        self._first.clear()
        with self._lock:
            self._due.clear()

    def _of(self, now: int, *kinds: StreamFaultKind) -> list[Due]:
        """Return the faults of these kinds whose moment has come."""
        with self._lock:
            return [due for due in self._due if due.fault.kind in kinds and due.at <= now]

    def next_break(self) -> list[int]:
        """Return when connections will break, in ms."""
        with self._lock:
            return [due.at for due in self._due if _breaks(due)]

    def breaks(self, now: int) -> list[StreamFault]:
        """Return what happens to connections now; it is not returned again."""
        new = [due for due in self._of(now, *ON_CONNECTIONS) if _breaks(due)]
        for due in new:
            due.happened = True
        return [due.fault for due in new]

    def refusal(self, now: int) -> StreamFaultKind | None:
        """Return why a new connection is refused, if it is."""
        if self.closed(now):
            return _Kind.MAINTENANCE
        refusing = [due for due in self._of(now, _Kind.REFUSED) if due.left]
        for due in refusing[:1]:
            due.left -= 1
        return _Kind.REFUSED if refusing else None

    def lifetime(self, now: int) -> tuple[float, StreamFaultKind] | None:
        """Return how long a new connection lasts (ms), and how it ends; None if it does not end."""
        for due in self._of(now, _Kind.FLAPPING):
            if due.left:
                due.left -= 1
                return due.fault.ms, _Kind.RESET
        for due in self._of(now, _Kind.OLD_AGE):
            return due.fault.ms, _Kind.OLD_AGE
        return None

    def closed(self, now: int) -> bool:
        """Return whether the exchange is under maintenance."""
        return any(now < due.until for due in self._of(now, _Kind.MAINTENANCE))

    def shift(self, now: int) -> int:
        """Return how far the time that the exchange tells is ahead of the one it keeps, ms."""
        return round(sum(due.fault.ms for due in self._of(now, _Kind.CLOCK)))

    def on_pushes(self, symbol: str) -> list[Due]:
        """Return the faults that spoil what is pushed of a symbol's bars."""
        with self._lock:
            return [due for due in self._due if due.fault.symbol in (None, symbol)]


def _breaks(due: Due) -> bool:
    return due.fault.kind in ON_CONNECTIONS and not due.happened


def _change_market(recording: Recording, series: Series, due: Due) -> None:
    """Make true what a fault says of a market."""
    fault = due.fault
    match fault.kind:
        case _Kind.REVISION:
            since = due.opened + series.step + round(fault.ms)
            recording.replace(series.revised(due.opened, since, fault.factor, told=fault.told))
        case _Kind.STALE_REST:
            recording.replace(series.delayed(due.opened, due.opened + series.step + fault.ms))
        case _Kind.HALT:
            recording.halt(series, due.opened, due.opened + fault.ms)
        case _:
            pass  # it spoils what is said of the market
