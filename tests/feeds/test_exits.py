"""How a long position ends, candle by candle, and against a slow restatement."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.bars import Bars
from feeds.exit_reasons import ExitReason
from feeds.exits import Exits, first_exit, next_fill_bar
from feeds.ticks import tick_down, tick_up
from tests.makers import candles, make_bars

NEVER = 10**6

QUIET = (100.0, 101.0, 99.0, 100.0)
UP = (100.0, 106.0, 99.0, 100.0)  # touches a target of 105
DOWN = (100.0, 101.0, 94.0, 100.0)  # touches a stop of 95
BOTH = (100.0, 106.0, 94.0, 100.0)
OPENS_BELOW = (92.0, 93.0, 91.0, 92.0)
OPENS_ABOVE = (108.0, 109.0, 107.0, 108.0)


def exits_of(
    n: int = 1,
    *,
    target: float = 105.0,
    stop: float = 95.0,
    trail: float = 0.0,
    max_bars: int = NEVER,
) -> Exits:
    return Exits(
        np.full(n, target), np.full(n, stop), np.full(n, trail), np.full(n, max_bars, np.int64)
    )


BRACKET = exits_of()


@dataclass(frozen=True)
class Case:
    name: str
    bars: Bars
    ends: tuple[int, float, ExitReason]
    exits: Exits = BRACKET
    entry: int = 0


CASES = [
    Case("target on a later bar", candles([QUIET, UP, QUIET]), (1, 105.0, ExitReason.TAKE_PROFIT)),
    Case("stop on a later bar", candles([QUIET, DOWN, QUIET]), (1, 95.0, ExitReason.STOP_LOSS)),
    Case("target on the entry bar", candles([UP, QUIET]), (0, 105.0, ExitReason.TAKE_PROFIT)),
    Case("stop on the entry bar", candles([DOWN, QUIET]), (0, 95.0, ExitReason.STOP_LOSS)),
    Case(
        "stop first when both are touched", candles([QUIET, BOTH]), (1, 95.0, ExitReason.STOP_LOSS)
    ),
    Case(
        "stop first on the entry bar too", candles([BOTH, QUIET]), (0, 95.0, ExitReason.STOP_LOSS)
    ),
    Case(
        "a stop that the open jumped over fills at the open",
        candles([QUIET, OPENS_BELOW]),
        (1, 92.0, ExitReason.STOP_LOSS),
    ),
    Case(
        "a target that the open jumped over fills no better than its price",
        candles([QUIET, OPENS_ABOVE]),
        (1, 105.0, ExitReason.TAKE_PROFIT),
    ),
    Case(
        "a target that is exactly reached is touched",
        candles([QUIET, (100.0, 105.0, 99.0, 100.0)]),
        (1, 105.0, ExitReason.TAKE_PROFIT),
    ),
    Case(
        "a stop that is exactly reached is touched",
        candles([QUIET, (100.0, 101.0, 95.0, 100.0)]),
        (1, 95.0, ExitReason.STOP_LOSS),
    ),
    Case(
        "what came before the entry does not count",
        candles([BOTH, UP]),
        (1, 105.0, ExitReason.TAKE_PROFIT),
        entry=1,
    ),
    Case(
        "the time limit is a market order at an open",
        candles([QUIET, QUIET, (98.0, 99.0, 97.0, 98.0)]),
        (2, 98.0, ExitReason.TIME_LIMIT),
        exits_of(max_bars=2),
    ),
    Case(
        "the time limit comes before what its bar touches",
        candles([QUIET, QUIET, BOTH]),
        (2, 100.0, ExitReason.TIME_LIMIT),
        exits_of(max_bars=2),
    ),
    Case(
        "a touch before the time limit comes first",
        candles([QUIET, UP, QUIET]),
        (1, 105.0, ExitReason.TAKE_PROFIT),
        exits_of(max_bars=2),
    ),
    Case(
        "the time limit waits over filled bars",
        candles([QUIET, QUIET, QUIET, (98.0, 99.0, 97.0, 98.0)], filled=(1, 2)),
        (3, 98.0, ExitReason.TIME_LIMIT),
        exits_of(max_bars=2),
    ),
    Case(
        "a filled bar fills nothing, whatever its range",
        candles([QUIET, BOTH, QUIET, UP], filled=(1,)),
        (3, 105.0, ExitReason.TAKE_PROFIT),
    ),
    Case(
        "the stop trails the highest high, from the bar after it",
        candles([QUIET, (100.0, 104.0, 98.5, 103.0), (103.0, 104.0, 100.0, 101.0)]),
        (2, 104.0 * 0.97, ExitReason.TRAILING_STOP),
        exits_of(trail=0.03),
    ),
    Case(
        "the entry bar's high trails too",
        candles([(100.0, 104.0, 99.0, 103.0), (103.0, 104.0, 100.0, 101.0)]),
        (1, 104.0 * 0.97, ExitReason.TRAILING_STOP),
        exits_of(trail=0.03),
    ),
    Case(
        "a trailing stop never falls below the first stop",
        candles([QUIET, DOWN]),
        (1, 95.0, ExitReason.STOP_LOSS),
        exits_of(trail=0.5),
    ),
    Case(
        "a trailing stop that the open jumped over fills at the open",
        candles([UP, (99.0, 99.0, 98.0, 98.0)]),
        (1, 99.0, ExitReason.TRAILING_STOP),
        exits_of(trail=0.03, target=110.0),
    ),
    Case(
        "a filled bar does not move a trailing stop",
        candles([QUIET, (100.0, 104.0, 99.0, 100.0), (100.0, 101.0, 99.0, 100.0)], filled=(1,)),
        (2, 100.0, ExitReason.SEGMENT_END),
        exits_of(trail=0.03),
    ),
    Case(
        "the end of the bars ends the position at the last close",
        candles([QUIET, (100.0, 101.0, 99.0, 100.5)]),
        (1, 100.5, ExitReason.SEGMENT_END),
    ),
    Case(
        "a hole ends the position at the last close before it",
        candles([QUIET, (100.0, 101.0, 99.0, 100.5), UP], hole_before=2),
        (1, 100.5, ExitReason.SEGMENT_END),
    ),
    Case(
        "a segment that ends with a filled bar ends there too",
        candles([QUIET, (100.5, 100.5, 100.5, 100.5)], filled=(1,)),
        (1, 100.5, ExitReason.SEGMENT_END),
    ),
    Case(
        "a touch on the last bar comes before its close",
        candles([QUIET, UP]),
        (1, 105.0, ExitReason.TAKE_PROFIT),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_position_ends_where_it_should(case: Case) -> None:
    table = first_exit(case.bars, np.array([case.entry]), case.exits)
    bar, price, reason = case.ends
    assert (int(table.bar[0]), ExitReason(int(table.reason[0]))) == (bar, reason)
    assert table.price[0] == pytest.approx(price, rel=1e-12)


def restated(bars: Bars, entry: int, exits: Exits, k: int) -> tuple[int, float, ExitReason]:
    """Tell slowly and plainly where position `k` ends."""
    segment = [i for i in range(len(bars)) if bars.segment[i] == bars.segment[entry]]
    highs: list[float] = []
    for i in range(entry, segment[-1] + 1):
        if not bars.filled[i]:
            trailed = max(highs, default=0.0) * (1 - exits.trail[k]) if exits.trail[k] else 0.0
            stop = max(exits.stop[k], trailed)
            if i >= entry + exits.max_bars[k]:
                return i, bars.open[i], ExitReason.TIME_LIMIT
            if bars.low[i] <= stop:
                moved = stop > exits.stop[k]
                kind = ExitReason.TRAILING_STOP if moved else ExitReason.STOP_LOSS
                return i, min(bars.open[i], stop), kind
            if bars.high[i] >= exits.target[k]:
                return i, exits.target[k], ExitReason.TAKE_PROFIT
            highs.append(bars.high[i])
    return segment[-1], bars.close[segment[-1]], ExitReason.SEGMENT_END


@st.composite
def markets(draw: st.DrawFn) -> Bars:
    """Random walks with filled bars and a hole."""
    bars = make_bars(draw(st.integers(5, 60)), draw(st.integers(0, 999)), volatility=0.004)
    filled = np.array(draw(st.lists(st.booleans(), min_size=len(bars), max_size=len(bars))))
    at = draw(st.integers(1, len(bars)))
    late = np.arange(len(bars)) >= at
    return replace(
        bars,
        filled=filled & (np.arange(len(bars)) % 3 == 0),
        segment=late.astype(np.int64),
        time=bars.time + late * 12 * bars.timeframe.delta,
    )


@given(
    bars=markets(),
    target=st.floats(0.0005, 0.02),
    stop=st.floats(0.0005, 0.02),
    trail=st.sampled_from([0.0, 0.002, 0.01]),
    max_bars=st.integers(1, 15),
)
@settings(max_examples=150)
def test_the_compiled_rule_is_the_slow_rule(
    bars: Bars, target: float, stop: float, trail: float, max_bars: int
) -> None:
    entries = np.flatnonzero(~bars.filled)
    count = len(entries)
    price = bars.open[entries]
    exits = Exits(
        price * (1 + target),
        price * (1 - stop),
        np.full(count, trail),
        np.full(count, max_bars, np.int64),
    )
    table = first_exit(bars, entries, exits)
    for k, entry in enumerate(entries.tolist()):
        bar, paid, reason = restated(bars, entry, exits, k)
        assert (int(table.bar[k]), int(table.reason[k])) == (bar, reason)
        assert table.price[k] == pytest.approx(paid, rel=1e-12)


@given(bars=markets())
@settings(max_examples=50)
def test_the_next_fill_bar_is_the_first_real_one_after_it_in_the_segment(bars: Bars) -> None:
    for i, found in enumerate(next_fill_bar(bars).tolist()):
        later = [
            j
            for j in range(i + 1, len(bars))
            if not bars.filled[j] and bars.segment[j] == bars.segment[i]
        ]
        assert found == (later[0] if later else -1)


def test_only_a_target_spares_spread_and_slippage() -> None:
    bars = candles([QUIET, BOTH, UP, QUIET])
    table = first_exit(bars, np.array([0, 2, 3]), exits_of(3))
    assert table.by_market.tolist() == [True, False, True]


def test_no_entries_have_no_exits() -> None:
    table = first_exit(candles([QUIET]), np.array([], np.int64), exits_of(0))
    assert len(table.bar) == len(table.price) == len(table.reason) == 0


@pytest.mark.parametrize("entry", [-1, 1, 2])
def test_an_entry_that_is_filled_or_outside_is_refused(entry: int) -> None:
    bars = candles([QUIET, QUIET], filled=(1,))
    with pytest.raises(ValueError, match="must be a bar that can fill an order"):
        first_exit(bars, np.array([entry]), exits_of())


def test_exits_that_are_not_one_row_per_entry_are_refused() -> None:
    with pytest.raises(ValueError, match="must have 2 rows"):
        first_exit(candles([QUIET, QUIET]), np.array([0, 1]), exits_of(1))


@given(price=st.floats(1e-3, 1e5), tick=st.sampled_from([0.0, 0.01, 0.05, 0.1, 0.25, 1.0]))
@settings(max_examples=100)
def test_ticks_surround_the_price(price: float, tick: float) -> None:
    down, up = tick_down(price, tick), tick_up(price, tick)
    near = 1e-8 * max(tick, price)
    assert down - near <= price <= up + near
    assert up - down <= tick + near


@pytest.mark.parametrize(
    ("price", "tick"), [(100.1, 0.1), (0.3, 0.1), (29_999.95, 0.05), (7.0, 1.0)]
)
def test_a_price_on_its_tick_stays(price: float, tick: float) -> None:
    assert tick_down(price, tick) == pytest.approx(price)
    assert tick_up(price, tick) == pytest.approx(price)


def test_a_price_far_below_the_tick_is_rounded_up_to_one() -> None:
    assert float(tick_up(30_000.0, 2.0**63)) == 2.0**63
    assert float(tick_down(30_000.0, 2.0**63)) == 0.0
