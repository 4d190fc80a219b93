"""Each kind of order and each way out by itself, by every road; and bars are indeed skipped."""

import pytest

from tests.engine.clock.actor import Act, Actor
from tests.engine.clock.cases import params_of
from tests.engine.clock.witness import Seen, Terms, check_roads
from tests.engine.markets import CALM
from tests.makers import Candle, candles

SYMBOL = "BTC/USDT"
HIT_BOTH: Candle = (100.0, 112.0, 88.0, 100.0)
GAP_DOWN: Candle = (80.0, 81.0, 79.0, 80.0)
GAP_UP: Candle = (120.0, 121.0, 119.0, 120.0)
FALL: Candle = (100.0, 100.0, 94.0, 94.5)


def walked(*acts: tuple[int, Act], at_60: Candle = CALM) -> tuple[Seen, int]:
    """Run the acts on 120 calm bars, one of which is given; return what was seen, bars run."""
    bars = candles([CALM] * 60 + [at_60] + [CALM] * 59)
    plan = {(SYMBOL, bar): [act] for bar, act in acts}
    seen, report = check_roads(Terms(markets=[(bars, 0)], rules={}), Actor, params_of(plan))
    assert (report.kind, report.reasons) == ("sparse", ())
    return seen, report.run


@pytest.mark.parametrize(
    ("act", "at_60", "reasons"),
    [
        (Act(kind="bracket", stop=0.1, target=0.1), GAP_DOWN, ["entry", "stop_loss"]),
        (Act(kind="bracket", stop=0.1, target=0.1), GAP_UP, ["entry", "take_profit"]),
        (Act(kind="bracket", stop=0.1, target=0.1), HIT_BOTH, ["entry", "stop_loss"]),
        (Act(kind="bracket", stop=0.1, target=0.1, side=-1), GAP_UP, ["entry", "stop_loss"]),
        (Act(kind="bracket", stop=0.1, target=0.1, side=-1), HIT_BOTH, ["entry", "stop_loss"]),
        (Act(kind="plain_bracket", stop=0.1, target=0.1), GAP_DOWN, ["entry", "stop_loss"]),
        (Act(kind="bracket", stop=0.2, target=0.2, trail=0.05), FALL, ["entry", "trailing_stop"]),
        (Act(kind="bracket", stop=0.2, target=0.2, hold=50), CALM, ["entry", "time_limit"]),
        (Act(kind="bracket", stop=0.2, target=0.2, leave=0.05), FALL, ["entry", "signal"]),
        (Act(kind="limit", away=0.05), FALL, ["signal", "segment_end"]),
        (Act(kind="limit", away=0.05, through=True), GAP_DOWN, ["signal", "segment_end"]),
        (Act(kind="stop", away=0.1), GAP_UP, ["signal", "segment_end"]),
        (Act(kind="stop", away=0.05, side=-1), FALL, ["signal", "segment_end"]),
        (Act(kind="limit_bracket", away=0.05, stop=0.2, target=0.02), FALL,
         ["entry", "take_profit"]),
        (Act(kind="limit_bracket", away=0.001, stop=0.1, target=0.1), GAP_DOWN,
         ["entry", "stop_loss"]),
        (Act(kind="stop_bracket", away=0.1, stop=0.1, target=0.1), GAP_UP,
         ["entry", "stop_loss"]),
        (Act(kind="oco", away=0.1), GAP_DOWN, ["signal", "segment_end"]),
    ],
)  # fmt: skip
def test_what_ends_on_one_bar_is_woken_on_it(act: Act, at_60: Candle, reasons: list[str]) -> None:
    seen, run = walked((10, act), at_60=at_60)
    assert [fill.reason for fill in seen.fills] == reasons
    assert any(59 <= fill.bar <= 62 for fill in seen.fills)
    assert run < 15


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (Act(kind="limit", away=0.1, valid_bars=40), "unfilled"),
        (Act(kind="limit_bracket", away=0.1, valid_bars=40), "unfilled"),
        (Act(kind="limit", away=0.1), "segment_end"),
        (Act(units=200.0), "cash"),
        (Act(kind="close_order"), "order_type"),
    ],
)
def test_what_comes_to_nothing_does_so_on_the_same_bar(act: Act, reason: str) -> None:
    seen, run = walked((10, act))
    assert [rejection.reason for rejection in seen.rejections] == [reason]
    assert run < 15


@pytest.mark.parametrize(("side", "trail", "hit"), [(1, 0.03, 66), (-1, 0.03, 66), (1, 0.05, 70)])
def test_a_stop_that_trails_is_followed_over_skipped_bars(
    side: int, trail: float, hit: int
) -> None:
    # Up (or down) by a half of a percent a bar, then back: the stop is hit on the way back.
    middle = [100.0 * 1.005 ** (side * (60 - abs(60 - bar))) for bar in range(120)]
    bars = candles([(m, m * 1.002, m * 0.998, m) for m in middle], filled=[30, 31, 59])
    act = Act(kind="bracket", side=side, stop=0.2, target=0.6, trail=trail)
    plan = {(SYMBOL, 10): [act]}
    seen, report = check_roads(Terms(markets=[(bars, 0)], rules={}), Actor, params_of(plan))
    assert (seen.fills[1].reason, seen.fills[1].bar) == ("trailing_stop", hit)
    assert report.run < 10


def test_orders_that_wait_stay_in_the_order_in_which_they_came() -> None:
    # The stop wakes on the bar of the fill, the target after it. Then no bar that is run meets
    # them, until one closes the position and cancels both.
    limit = Act(kind="limit_bracket", away=0.001, stop=0.2, target=0.2)
    plan = {(SYMBOL, 10): [limit], (SYMBOL, 20): [Act(kind="close")]}
    market = candles([CALM] * 40, filled=[12, 20])
    seen, _ = check_roads(Terms(markets=[(market, 0)], rules={}), Actor, params_of(plan))
    ended = [row[3] for row in seen.told if row[0] == "order" and row[2] == "Canceled"]
    assert ended == ["Stop", "Limit"]


@pytest.mark.parametrize("kind", ["stop_limit", "trail", "trail_limit", "dated"])
def test_an_order_that_the_clock_does_not_look_ahead_for_is_run_bar_by_bar(kind: str) -> None:
    act = Act(kind=kind, side=-1, away=0.05, stop=0.05, target=-0.01, valid_bars=80)
    seen, run = walked((10, Act()), (12, act), at_60=FALL)
    assert len(seen.fills) == 2
    assert run > 45


def test_nothing_to_do_is_hardly_run() -> None:
    _, run = walked()
    assert run == 2
