"""A connection is made anew before the exchange ends it, which costs nothing."""

from pathlib import Path

from feeds.standin.stream_faults import StreamFault, StreamFaultKind
from tests.reliability.cases import Case, Group
from tests.reliability.sessions import Try
from tests.reliability.table import Bench, Pace
from tests.world import World

# In seconds of the market: what the feed keeps to, and what the exchange does at last.
PLANNED, ENDED = 90.0, 240.0
BARS = 10
LIMITED = Case(
    name="connections that an exchange ends when they are old",
    group=Group.CONNECTION,
    faults=(StreamFault(kind=StreamFaultKind.OLD_AGE, seconds=ENDED),),
    at_opening=True,
    connection_s=PLANNED,
)


def test_a_planned_reconnection_loses_no_bar_and_changes_no_decision(
    world: World, tmp_path: Path
) -> None:
    bench = Bench(Pace(live=BARS, bar_seconds=1.0), world, tmp_path)
    ((cost,),) = (row.costs for row in bench.rows([(LIMITED, [Try(seed=1, bar=4, part=0.5)])]))
    assert cost.reconnects >= BARS * 60 / ENDED, cost  # 6 where each is on time
    assert (cost.bars_lost, cost.decisions_changed, cost.fills_changed) == (0, 0, 0), cost
    assert cost.entries_missed == 0, cost
    assert not any("stream: " in text for text in cost.seen), cost  # the exchange has ended none
    (calm,) = bench.undisturbed()
    assert calm.health.reconnects == 0
    assert len(calm.decisions) >= 8
    assert len(calm.fills) >= 3
