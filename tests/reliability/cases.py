"""What is made to go wrong, by name: the table of `docs/reliability.md` has one row for each."""

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TypeAlias

from feeds.live.spec import CONNECTION_S
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
    connection_s : seconds of the market after which the feed makes a connection anew
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
    connection_s: float = CONNECTION_S
    shows: str | None = None
    outage: bool = False
    halts: str | None = None
    revisions: int = 0
    reconnects: int = 0
    ml: bool = False
    quick: bool = False


_on_connection = partial(Case, group=Group.CONNECTION, reconnects=1)
_on_rest = partial(Case, group=Group.REST)
_on_stream = partial(Case, group=Group.STREAM)
_on_market = partial(Case, group=Group.MARKET)
_on_time = partial(Case, group=Group.TIME)

LATER = 0.3  # seconds that the exchange asks for; a real one asks for more, and bars are longer

CONNECTION = (
    _on_connection(name="reset", faults=(StreamFault(kind=Stream.RESET),), quick=True),
    _on_connection(
        name="ended without a close frame (FIN)", faults=(StreamFault(kind=Stream.END),)
    ),
    _on_connection(
        name="ended within a frame", faults=(StreamFault(kind=Stream.HALF_FRAME),), quick=True
    ),
    _on_connection(name="closed with 1001", faults=(StreamFault(kind=Stream.GOING_AWAY),)),
    _on_connection(name="closed with 1006", faults=(StreamFault(kind=Stream.ABNORMAL),)),
    _on_connection(name="closed with 1008", faults=(StreamFault(kind=Stream.POLICY),)),
    _on_connection(
        name="stalled, pings answered", faults=(StreamFault(kind=Stream.STALL),), quick=True
    ),
    _on_connection(
        name="black hole: nothing answered",
        faults=(StreamFault(kind=Stream.BLACK_HOLE),),
        quick=True,
    ),
    _on_connection(
        name="reset, then three handshakes refused",
        faults=(StreamFault(kind=Stream.RESET), StreamFault(kind=Stream.REFUSED, times=3)),
    ),
    _on_connection(
        name="flapping: reset again and again",
        faults=(StreamFault(kind=Stream.FLAPPING, times=4, seconds=25.0),),
        reconnects=2,
    ),
    _on_connection(
        name="reset, and REST answers 500 meanwhile",
        faults=(StreamFault(kind=Stream.RESET), Fault(Kind.SERVER_ERROR, times=2)),
    ),
    _on_connection(
        name="reset, with ML", faults=(StreamFault(kind=Stream.RESET),), ml=True, quick=True
    ),
)

REST = (
    _on_rest(
        name="429 with Retry-After",
        faults=(Fault(Kind.TOO_MANY_REQUESTS, times=2, seconds=LATER),),
        shows="REST: HTTP 429",
        quick=True,
    ),
    _on_rest(
        name="418 with Retry-After",
        faults=(Fault(Kind.BANNED, times=2, seconds=LATER),),
        shows="REST: HTTP 418",
    ),
    _on_rest(name="500", faults=(Fault(Kind.SERVER_ERROR, times=2),), shows="REST: HTTP 500"),
    _on_rest(
        name="502 with html", faults=(Fault(Kind.BAD_GATEWAY, times=2),), shows="REST: HTTP 502"
    ),
    _on_rest(
        name="503 with a code", faults=(Fault(Kind.MAINTENANCE, times=2),), shows="REST: HTTP 503"
    ),
    _on_rest(
        name="504 with html", faults=(Fault(Kind.GATEWAY_TIMEOUT, times=2),), shows="REST: HTTP 504"
    ),
    _on_rest(name="200 with html", faults=(Fault(Kind.HTML, times=2),), shows="REST: ", quick=True),
    _on_rest(name="half of the JSON", faults=(Fault(Kind.CUT_JSON, times=2),), shows="REST: "),
    _on_rest(name="half of the body", faults=(Fault(Kind.CUT_BODY, times=2),), shows="REST: "),
    _on_rest(name="reset while it answers", faults=(Fault(Kind.RESET, times=6),), shows="REST: "),
    _on_rest(name="slow", faults=(Fault(Kind.SLOW, times=2, seconds=0.4),)),
    _on_rest(name="an empty list", faults=(Fault(Kind.EMPTY, times=4),), quick=True),
    _on_rest(name="a short page", faults=(Fault(Kind.SHORT_PAGE, times=4, rows=2),)),
    _on_rest(name="an overlapping page", faults=(Fault(Kind.OVERLAPPING_PAGE, times=4, rows=3),)),
    _on_rest(name="rows missing", faults=(Fault(Kind.MISSING_ROWS, times=2, rows=1),)),
    _on_rest(
        name="a row that is stale after the close",
        faults=(StreamFault(kind=Stream.STALE_REST, seconds=10.0),),
        quick=True,
    ),
    _on_rest(
        name="429 while the session opens",
        faults=(Fault(Kind.TOO_MANY_REQUESTS, path=None, times=3, seconds=LATER),),
        at_opening=True,
        shows="REST: HTTP 429",
    ),
    _on_rest(
        name="short pages while the session opens",
        faults=(Fault(Kind.SHORT_PAGE, times=2, rows=150),),
        at_opening=True,
    ),
    _on_rest(
        name="half of the JSON while the session opens",
        faults=(Fault(Kind.CUT_JSON, path=None, times=3),),
        at_opening=True,
        shows="REST: ",
    ),
    _on_rest(
        name="500, with ML",
        faults=(Fault(Kind.SERVER_ERROR, times=2),),
        shows="REST: HTTP 500",
        ml=True,
    ),
)

STREAM = (
    _on_stream(
        name="malformed frame",
        faults=(StreamFault(kind=Stream.MALFORMED),),
        shows="stream: malformed message",
        reconnects=1,
        quick=True,
    ),
    _on_stream(name="duplicate", faults=(StreamFault(kind=Stream.DUPLICATE, times=3),)),
    _on_stream(name="out of order", faults=(StreamFault(kind=Stream.OUT_OF_ORDER),), quick=True),
    _on_stream(name="gap of one bar", faults=(StreamFault(kind=Stream.GAP),)),
    _on_stream(
        name="gap of three bars", faults=(StreamFault(kind=Stream.GAP, times=3),), quick=True
    ),
    _on_stream(name="last push lost", faults=(StreamFault(kind=Stream.LOST_LAST),), quick=True),
    _on_stream(
        name="revised after the close",
        faults=(StreamFault(kind=Stream.REVISION, symbol=SECOND, seconds=45.0),),
        revisions=1,
    ),
    _on_stream(
        name="revised after the close, told by REST alone",
        faults=(StreamFault(kind=Stream.REVISION, symbol=SECOND, seconds=45.0, told=False),),
        revisions=1,
        quick=True,
    ),
    _on_stream(name="spike that only the stream shows", faults=(StreamFault(kind=Stream.SPIKE),)),
    _on_stream(name="row without volume", faults=(StreamFault(kind=Stream.ZERO_VOLUME),)),
    _on_stream(
        name="row of zeros", faults=(StreamFault(kind=Stream.ZERO_ROW),), shows="stream: no candle"
    ),
    _on_stream(name="null fields", faults=(StreamFault(kind=Stream.NULLS),), quick=True),
    _on_stream(
        name="stamp off the grid",
        faults=(StreamFault(kind=Stream.OFF_GRID),),
        shows="stream: no candle",
    ),
    _on_stream(
        name="last push lost, with ML", faults=(StreamFault(kind=Stream.LOST_LAST),), ml=True
    ),
)

MARKET = (
    _on_market(
        name="delisting of one symbol of two",
        faults=(StreamFault(kind=Stream.HALT, symbol=SECOND, part=0.0),),
        shows="market: halted",
        halts=SECOND,
        quick=True,
    ),
    *(
        _on_market(
            name=f"halt of one symbol of two, for {bars} bars",
            faults=(StreamFault(kind=Stream.HALT, symbol=SECOND, part=0.0, seconds=60.0 * bars),),
            shows="market: halted",
            halts=SECOND,
            quick=bars == 2,
        )
        for bars in (2, 4)
    ),
    _on_market(
        name="maintenance for half a bar",
        faults=(StreamFault(kind=Stream.MAINTENANCE, seconds=30.0, part=0.2),),
        reconnects=1,
    ),
    _on_market(
        name="maintenance for two bars",
        faults=(StreamFault(kind=Stream.MAINTENANCE, seconds=120.0),),
        shows="REST: HTTP 503",
        outage=True,
        reconnects=1,
        quick=True,
    ),
)

TIME = (
    *(
        _on_time(
            name=f"exchange tells {seconds:+g} s",
            faults=(StreamFault(kind=Stream.CLOCK, seconds=seconds),),
            at_opening=True,
            quick=seconds > 0,
        )
        for seconds in (SKEW, -SKEW)
    ),
    *(
        _on_time(name=f"local clock {seconds:+g} s", local_ahead=seconds, quick=seconds < 0)
        for seconds in (SKEW, -SKEW)
    ),
    _on_time(
        name="exchange's told time jumps back 90 s",
        faults=(StreamFault(kind=Stream.CLOCK, seconds=-SKEW),),
    ),
    *(
        _on_time(name=f"local clock jumps {seconds:+g} s", local_jump=seconds, quick=seconds < 0)
        for seconds in (SKEW, -SKEW)
    ),
    *(
        _on_time(
            name=f"local clock jumps {seconds // 3600:+g} h", local_jump=seconds, quick=seconds > 0
        )
        for seconds in (3600.0, -3600.0)
    ),
)

CASES: tuple[Case, ...] = (*CONNECTION, *REST, *STREAM, *MARKET, *TIME)
