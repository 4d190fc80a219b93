"""What is made to go wrong, by name: the table of `docs/reliability.md` has one row for each."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from feeds.standin.faults import Fault, FaultKind
from feeds.standin.stream_faults import StreamFault, StreamFaultKind

AnyFault: TypeAlias = Fault | StreamFault
Kind, Stream = FaultKind, StreamFaultKind

SECOND = "ETH/USDT"  # whose bars are halted or revised where only one symbol's are
SKEW = 90.0


class Group(StrEnum):
    """Where it goes wrong."""

    CONNECTION = "connection"
    REST = "REST"
    STREAM = "stream"
    MARKET = "market"
    TIME = "time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Something that goes wrong in a session, and what is expected of it.

    No case may lose a bar, change a decision or change a fill.

    Attributes
    ----------
    faults : of the stand-in. Those of streams and markets are moved to the bar that is tried; the
        others begin when the bar before it has been decided on
    at_opening : they are there from the start, whichever bar is tried
    local_ahead : seconds that the local clock is wrong, from the start
    local_jump : seconds by which the local clock is set at the bar that is tried
    shows : what the feed must count as failures, or None for anything; it proves that it went wrong
    outage : it lasts longer than a bar: what is decided late then is missed
    halts : a symbol that is not traded any more; its decisions are left out, and so are the sizes
        of fills, for the account is one
    revisions : how many the state must report
    reconnects : how often, at least, the connection must have been made anew
    ml : the ensemble is asked
    quick : one try of it belongs to `make test`
    """

    name: str
    group: Group
    faults: tuple[AnyFault, ...] = ()
    at_opening: bool = False
    local_ahead: float = 0.0
    local_jump: float = 0.0
    shows: str | None = None
    outage: bool = False
    halts: str | None = None
    revisions: int = 0
    reconnects: int = 0
    ml: bool = False
    quick: bool = False


def _stream(kind: StreamFaultKind, **how: object) -> StreamFault:
    return StreamFault(kind=kind, **how)  # type: ignore[arg-type]  # passed on as it comes


def _broken(name: str, *faults: AnyFault, **more: object) -> Case:
    case = {"reconnects": 1} | more
    return Case(name=name, group=Group.CONNECTION, faults=faults, **case)  # type: ignore[arg-type]  # likewise


def _refused(name: str, fault: Fault, **more: object) -> Case:
    return Case(name=name, group=Group.REST, faults=(fault,), **more)  # type: ignore[arg-type]  # likewise


def _told(name: str, *faults: AnyFault, **more: object) -> Case:
    return Case(name=name, group=Group.STREAM, faults=faults, **more)  # type: ignore[arg-type]  # likewise


LATER = 0.3  # seconds that the exchange asks for; a real one asks for more, and bars are longer

CONNECTION = (
    _broken("reset", _stream(Stream.RESET), quick=True),
    _broken("ended without a close frame (FIN)", _stream(Stream.END)),
    _broken("ended within a frame", _stream(Stream.HALF_FRAME), quick=True),
    _broken("closed with 1001", _stream(Stream.GOING_AWAY)),
    _broken("closed with 1006", _stream(Stream.ABNORMAL)),
    _broken("closed with 1008", _stream(Stream.POLICY)),
    _broken("stalled, pings answered", _stream(Stream.STALL), quick=True),
    _broken("black hole: nothing answered", _stream(Stream.BLACK_HOLE), quick=True),
    _broken(
        "reset, then three handshakes refused",
        _stream(Stream.RESET),
        _stream(Stream.REFUSED, times=3),
    ),
    _broken("flapping: reset four times", _stream(Stream.FLAPPING, times=3), reconnects=4),
    _broken(
        "reset, and REST answers 500 meanwhile",
        _stream(Stream.RESET),
        Fault(Kind.SERVER_ERROR, times=2),
    ),
    _broken("reset, with ML", _stream(Stream.RESET), ml=True, quick=True),
)

REST = (
    _refused(
        "429 with Retry-After",
        Fault(Kind.TOO_MANY_REQUESTS, times=2, seconds=LATER),
        shows="REST: HTTP 429",
        quick=True,
    ),
    _refused(
        "418 with Retry-After",
        Fault(Kind.BANNED, times=2, seconds=LATER),
        shows="REST: HTTP 418",
    ),
    _refused("500", Fault(Kind.SERVER_ERROR, times=2), shows="REST: HTTP 500"),
    _refused("502 with html", Fault(Kind.BAD_GATEWAY, times=2), shows="REST: HTTP 502"),
    _refused("503 with a code", Fault(Kind.MAINTENANCE, times=2), shows="REST: HTTP 503"),
    _refused("504 with html", Fault(Kind.GATEWAY_TIMEOUT, times=2), shows="REST: HTTP 504"),
    _refused("200 with html", Fault(Kind.HTML, times=2), shows="REST: ", quick=True),
    _refused("half of the JSON", Fault(Kind.CUT_JSON, times=2), shows="REST: "),
    _refused("half of the body", Fault(Kind.CUT_BODY, times=2), shows="REST: "),
    _refused("reset while it answers", Fault(Kind.RESET, times=6), shows="REST: "),
    _refused("slow", Fault(Kind.SLOW, times=2, seconds=0.4)),
    _refused("an empty list", Fault(Kind.EMPTY, times=4), quick=True),
    _refused("a short page", Fault(Kind.SHORT_PAGE, times=4, rows=2)),
    _refused("an overlapping page", Fault(Kind.OVERLAPPING_PAGE, times=4, rows=3)),
    _refused("rows missing", Fault(Kind.MISSING_ROWS, times=2, rows=1)),
    Case(
        name="a row that is stale after the close",
        group=Group.REST,
        faults=(_stream(Stream.STALE_REST, seconds=10.0),),
        quick=True,
    ),
    _refused(
        "429 while the session opens",
        Fault(Kind.TOO_MANY_REQUESTS, path=None, times=3, seconds=LATER),
        at_opening=True,
        shows="REST: HTTP 429",
    ),
    _refused(
        "short pages while the session opens",
        Fault(Kind.SHORT_PAGE, times=2, rows=150),
        at_opening=True,
    ),
    _refused(
        "half of the JSON while the session opens",
        Fault(Kind.CUT_JSON, path=None, times=3),
        at_opening=True,
        shows="REST: ",
    ),
    _refused("500, with ML", Fault(Kind.SERVER_ERROR, times=2), shows="REST: HTTP 500", ml=True),
)

STREAM = (
    _told(
        "malformed frame",
        _stream(Stream.MALFORMED),
        shows="stream: malformed message",
        reconnects=1,
        quick=True,
    ),
    _told("duplicate", _stream(Stream.DUPLICATE, times=3)),
    _told("out of order", _stream(Stream.OUT_OF_ORDER), quick=True),
    _told("gap of one bar", _stream(Stream.GAP)),
    _told("gap of three bars", _stream(Stream.GAP, times=3), quick=True),
    _told("last push lost", _stream(Stream.LOST_LAST), quick=True),
    _told(
        "revised after the close",
        _stream(Stream.REVISION, symbol=SECOND, seconds=45.0),
        revisions=1,
    ),
    _told(
        "revised after the close, told by REST alone",
        _stream(Stream.REVISION, symbol=SECOND, seconds=45.0, told=False),
        revisions=1,
        quick=True,
    ),
    _told("spike that only the stream shows", _stream(Stream.SPIKE)),
    _told("row without volume", _stream(Stream.ZERO_VOLUME)),
    _told("row of zeros", _stream(Stream.ZERO_ROW), shows="stream: no candle"),
    _told("null fields", _stream(Stream.NULLS), quick=True),
    _told("stamp off the grid", _stream(Stream.OFF_GRID), shows="stream: no candle"),
    _told("last push lost, with ML", _stream(Stream.LOST_LAST), ml=True),
)

MARKET = (
    Case(
        name="delisting of one symbol of two",
        group=Group.MARKET,
        faults=(_stream(Stream.HALT, symbol=SECOND, part=0.0),),
        shows="market: halted",
        halts=SECOND,
        quick=True,
    ),
    Case(
        name="maintenance for half a bar",
        group=Group.MARKET,
        faults=(_stream(Stream.MAINTENANCE, seconds=30.0, part=0.2),),
        shows="stream: ",
        reconnects=1,
    ),
    Case(
        name="maintenance for two bars",
        group=Group.MARKET,
        faults=(_stream(Stream.MAINTENANCE, seconds=120.0),),
        shows="REST: HTTP 503",
        outage=True,
        reconnects=1,
        quick=True,
    ),
)

TIME = (
    *(
        Case(
            name=f"exchange tells {seconds:+g} s",
            group=Group.TIME,
            faults=(_stream(Stream.CLOCK, seconds=seconds),),
            at_opening=True,
            quick=seconds > 0,
        )
        for seconds in (SKEW, -SKEW)
    ),
    *(
        Case(
            name=f"local clock {seconds:+g} s",
            group=Group.TIME,
            local_ahead=seconds,
            quick=seconds < 0,
        )
        for seconds in (SKEW, -SKEW)
    ),
    Case(
        name="exchange's told time jumps back 90 s",
        group=Group.TIME,
        faults=(_stream(Stream.CLOCK, seconds=-SKEW),),
    ),
    *(
        Case(
            name=f"local clock jumps {seconds:+g} s",
            group=Group.TIME,
            local_jump=seconds,
            quick=seconds < 0,
        )
        for seconds in (SKEW, -SKEW)
    ),
    *(
        Case(name=f"local clock jumps {seconds // 3600:+g} h", group=Group.TIME, local_jump=seconds)
        for seconds in (3600.0, -3600.0)
    ),
)

CASES: tuple[Case, ...] = (*CONNECTION, *REST, *STREAM, *MARKET, *TIME)
