"""Whatever goes wrong, each bar is handed over once, in order, as the exchange says at last."""

from collections.abc import Mapping, Sequence

import pytest

from feeds.live.spec import Confirm
from feeds.standin.faults import Fault, FaultKind
from feeds.standin.stream_faults import StreamFault, StreamFaultKind
from tests.feeds.live.harness import Scene, assert_true, follow

K = StreamFaultKind

CONNECTION: Mapping[str, Sequence[StreamFault]] = {
    **{
        kind.name.lower(): [StreamFault(kind=kind, bar=3)]
        for kind in (K.RESET, K.END, K.HALF_FRAME, K.GOING_AWAY, K.ABNORMAL, K.POLICY)
    },
    "stall": [StreamFault(kind=K.STALL, bar=3)],
    "black hole": [StreamFault(kind=K.BLACK_HOLE, bar=3)],
    "flapping": [StreamFault(kind=K.FLAPPING, bar=3, times=3)],
    "refused": [StreamFault(kind=K.RESET, bar=3), StreamFault(kind=K.REFUSED, bar=3, times=3)],
    "break at the close": [StreamFault(kind=K.RESET, bar=3, part=0.99)],
}
STREAM: Mapping[str, Sequence[StreamFault]] = {
    **{
        kind.name.lower(): [StreamFault(kind=kind, bar=bar) for bar in (2, 5)]
        for kind in (K.MALFORMED, K.DUPLICATE, K.OUT_OF_ORDER, K.LOST_LAST, K.SPIKE)
    },
    **{
        kind.name.lower(): [StreamFault(kind=kind, bar=bar) for bar in (2, 5)]
        for kind in (K.ZERO_VOLUME, K.ZERO_ROW, K.NULLS, K.OFF_GRID)
    },
    "gap": [StreamFault(kind=K.GAP, bar=3, times=3)],
    "stale row after close": [StreamFault(kind=K.STALE_REST, bar=3)],
}
MARKET: Mapping[str, Sequence[StreamFault]] = {
    "maintenance": [StreamFault(kind=K.MAINTENANCE, bar=3, seconds=150.0)],
    "clock ahead": [StreamFault(kind=K.CLOCK, bar=0, part=0.0, seconds=90.0)],
    "clock behind": [StreamFault(kind=K.CLOCK, bar=0, part=0.0, seconds=-90.0)],
    "clock jumps backwards": [StreamFault(kind=K.CLOCK, bar=3, seconds=-90.0)],
}
# A firewall that relents, and a block that does not, have tests of their own.
PASSING = [
    kind for kind in FaultKind if kind not in (FaultKind.FIREWALL, FaultKind.RESTRICTED_PLACE)
]
# What the stream alone cannot know: its last push is lost or late, or shows what never was.
BLIND = ("lost_last", "out_of_order", "spike")
ALL = {**CONNECTION, **STREAM, **MARKET}
OFTEN = ("reset", "black hole", "refused", "malformed", "gap", "stale row after close", "spike")


def run(faults: Sequence[Fault | StreamFault], speed: float, confirm: Confirm = "always") -> None:
    scene = Scene(bars=8, speed=speed, faults=faults, confirm=confirm)
    assert_true(follow(scene), scene.symbols, 8)


@pytest.mark.parametrize("name", [*OFTEN, "maintenance", "clock ahead"])
def test_no_bar_is_lost_wrong_or_twice(name: str) -> None:
    run(ALL[name], speed=400.0)


@pytest.mark.slow
@pytest.mark.parametrize("speed", [120.0, 400.0])
@pytest.mark.parametrize("name", ALL)
def test_no_bar_is_lost_wrong_or_twice_at_any_speed(name: str, speed: float) -> None:
    run(ALL[name], speed=speed)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in {**CONNECTION, **STREAM} if name not in BLIND])
def test_in_doubt_no_bar_is_lost_wrong_or_twice(name: str) -> None:
    run(ALL[name], speed=200.0, confirm="doubt")


@pytest.mark.parametrize("kind", [FaultKind.TOO_MANY_REQUESTS, FaultKind.CUT_JSON, FaultKind.HTML])
def test_rest_may_fail_while_bars_close(kind: FaultKind) -> None:
    run([Fault(kind, times=3, skip=8, seconds=0.2)], speed=400.0)


@pytest.mark.slow
@pytest.mark.parametrize("skip", [0, 8])
@pytest.mark.parametrize("path", ["klines", "time", "exchangeInfo"])
@pytest.mark.parametrize("kind", PASSING)
def test_rest_may_fail_in_any_way_at_any_time(kind: FaultKind, path: str, skip: int) -> None:
    """While the feed opens, or while bars close; at each endpoint."""
    if path == "klines" or skip == 0:
        run([Fault(kind, path=path, times=2, skip=skip, seconds=0.2)], speed=400.0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_everything_may_go_wrong_at_once(seed: int) -> None:
    """A quarter of all answers fails somehow, and the connection breaks every other bar."""
    kinds = (FaultKind.SERVER_ERROR, FaultKind.CUT_JSON, FaultKind.RESET, FaultKind.EMPTY)
    answers = [Fault(kind, probability=0.07, seed=seed + i) for i, kind in enumerate(kinds)]
    breaks = [StreamFault(kind=K.RESET, bar=bar, part=0.1 * seed) for bar in range(1, 8, 2)]
    run([*answers, *breaks], speed=120.0)
