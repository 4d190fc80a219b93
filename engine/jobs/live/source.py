"""Where the moments of a session come from: its record, what it missed since, what closes now."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from engine.paper.moments import PaperMoment, Phase
from feeds.live.moment import Moment
from feeds.timeframe import Timeframe

if TYPE_CHECKING:
    from feeds.live.feed import LiveFeed  # ccxt takes seconds to load

WAIT_SECONDS = 0.5  # between looks at whether the session is to stop


def session_moments(
    record: Iterable[PaperMoment],
    open_feed: Callable[[], "LiveFeed"],
    timeframe: Timeframe,
    idle: Callable[[], None],
) -> Iterator[PaperMoment]:
    """Yield the moments of a session, oldest first; wait for those that are still to come.

    Parameters
    ----------
    record : what the session has lived through since it could last go on without a record
    open_feed : asked when the record is over, so that no bar waits for it
    idle : called before each wait, which takes `WAIT_SECONDS` at most
    """
    yield from record
    feed = open_feed()
    while not feed.ended:
        idle()
        moment = feed.next_moment(WAIT_SECONDS)
        if moment is not None:
            yield _lived_now(feed, moment, timeframe)


def _lived_now(feed: "LiveFeed", moment: Moment, timeframe: Timeframe) -> PaperMoment:
    # Once the next bar has closed, too, the open at which an order would fill is history.
    late = moment.offline or bool(feed.now() >= moment.closed_at + timeframe.delta)
    return PaperMoment(
        phase=Phase.OFFLINE if moment.offline else Phase.LIVE,
        closed_at=moment.closed_at,
        bars=moment.bars,
        arrived_at=moment.arrived_at,
        late=late,
        tapes=moment.tapes,
        revisions=moment.revisions,
    )
