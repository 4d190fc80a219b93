"""Random terms and plans."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from engine.protections import ProtectionsConfig
from engine.rules import SymbolRules
from feeds.bars import Bars
from feeds.costs import Costs
from feeds.timeframe import Timeframe
from tests.engine.clock.actor import KINDS, Act, Plan
from tests.engine.clock.witness import Terms
from tests.engine.markets import random_market
from tests.makers import START

SYMBOLS = ("A/USDT", "BB/USDT", "CCC/USDT")

FRACTION = st.sampled_from([0.0, 0.001, 0.004, 0.01, 0.03])
ACTS = st.builds(
    Act,
    kind=st.sampled_from(sorted(KINDS)),
    on=st.none() | st.sampled_from(SYMBOLS),
    units=st.sampled_from([1.0, 0.3, 3.5, 45.0, 200.0, -0.5, -0.999]),
    side=st.sampled_from([1, 1, -1]),
    away=FRACTION,
    stop=FRACTION,
    target=FRACTION,
    trail=st.sampled_from([0.0, 0.0, 0.005]),
    hold=st.none() | st.integers(1, 12),
    leave=st.none() | FRACTION,
    valid_bars=st.integers(0, 6),
    through=st.booleans(),
)
COSTS = st.builds(
    Costs,
    fee=st.sampled_from([0.0, 0.001]),
    half_spread=st.sampled_from([0.0, 0.0004]),
    slippage=st.sampled_from([0.0, 0.0006]),
    range_slippage=st.sampled_from([0.0, 0.05]),
    maker_fee=st.none() | st.just(0.0005),
)
RULES = st.builds(
    SymbolRules,
    amount_step=st.sampled_from([0.0, 0.5]),
    tick=st.sampled_from([0.0, 0.1]),
    min_notional=st.sampled_from([0.0, 90.0]),
)
PROTECTIONS = st.just(ProtectionsConfig()) | st.builds(
    ProtectionsConfig,
    max_drawdown=st.none() | st.sampled_from([0.001, 0.01]),
    daily_loss_limit=st.none() | st.sampled_from([0.0005, 0.005]),
    max_losses_in_a_row=st.none() | st.integers(1, 3),
    cooldown_bars=st.none() | st.integers(1, 20),
    max_open_positions=st.none() | st.integers(1, 2),
    max_exposure=st.none() | st.sampled_from([0.2, 1.0]),
)


@st.composite
def markets(draw: st.DrawFn) -> list[tuple[Bars, int]]:
    """Draw one to three markets with holes, of different starts, ends and warm-ups."""
    made = []
    hours = draw(st.booleans())
    for symbol in SYMBOLS[: draw(st.integers(1, 3))]:
        bars = random_market(draw(st.integers(0, 2**16)), 90, symbol)
        bars = _in_hours(bars) if hours else bars
        begin, end = draw(st.sampled_from([0, 7, 30])), draw(st.sampled_from([90, 89, 60]))
        made.append((bars[begin:end], draw(st.sampled_from([0, 0, 1, 11]))))
    return made


@st.composite
def terms(draw: st.DrawFn) -> Terms:
    drawn = draw(markets())
    return Terms(
        markets=drawn,
        costs=draw(COSTS),
        rules={bars.symbol: draw(RULES) for bars, _ in drawn},
        protections=draw(PROTECTIONS),
    )


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Draw what is done at some of the bars."""
    places = st.tuples(st.sampled_from(SYMBOLS), st.integers(0, 89))
    drawn: Sequence[tuple[tuple[str, int], Act]] = draw(
        st.lists(st.tuples(places, ACTS), min_size=1, max_size=14)
    )
    plan: dict[tuple[str, int], list[Act]] = {}
    for place, act in drawn:
        plan.setdefault(place, []).append(act)
    return plan


def params_of(plan: Plan) -> Any:
    """Return what an `Actor` is given on every road."""

    def params(_broker: Any, veto: Any) -> Mapping[str, Any]:
        return {"plan": plan, "veto": veto}

    return params


# -------------------------------------------------------------------- by a seed, and busier


def seeded_case(seed: int) -> tuple[Terms, Plan]:
    """Return what a seed stands for: up to 24 acts on markets of up to 300 bars."""
    rng = np.random.default_rng(seed)
    traded = [
        (random_market(seed, length, symbol)[begin:], first)
        for symbol in SYMBOLS[: rng.integers(1, 4)]
        for length, begin, first in [(_one(rng, 60, 90, 300), _one(rng, 0, 25), _one(rng, 0, 9))]
    ]
    plan: dict[tuple[str, int], list[Act]] = {}
    for _ in range(_one(rng, 3, 12, 24)):
        bars, first = traded[rng.integers(len(traded))]
        place = bars.symbol, int(rng.integers(first, len(bars)))
        plan.setdefault(place, []).append(_seeded_act(rng, [bars.symbol for bars, _ in traded]))
    protected = rng.random() < 0.3
    if protected:
        traded = [(_in_hours(bars), first) for bars, first in traded]
    return Terms(
        markets=traded,
        costs=Costs(fee=0.001, half_spread=0.0004, slippage=0.0006, range_slippage=0.03),
        rules={b.symbol: SymbolRules(tick=_one(rng, 0.0, 0.1)) for b, _ in traded},
        protections=ProtectionsConfig(
            max_drawdown=0.01 if protected else None,
            daily_loss_limit=0.004 if protected else None,
        ),
    ), plan


def crowded_case(seed: int) -> tuple[Terms, Plan]:
    """Return what a seed stands for: orders and positions in three symbols that wait long.

    Sums of floats, and the order in which orders end together, show which of them came first.
    """
    rng = np.random.default_rng(seed)
    traded = [(_unbroken(random_market(seed, 120, symbol)), _one(rng, 0, 4)) for symbol in SYMBOLS]
    plan: dict[tuple[str, int], list[Act]] = {}
    for bar in rng.integers(5, 110, 14):
        act = Act(
            kind=_one(rng, "market", "limit", "limit", "limit_bracket", "bracket", "close"),
            units=_one(rng, 0.3, 1.7, 0.123, 2.9),
            away=_one(rng, 0.001, 0.03, 0.05),
            stop=0.05,
            target=0.05,
            valid_bars=int(rng.integers(0, 30)),
        )
        plan.setdefault((_one(rng, *SYMBOLS), int(bar)), []).append(act)
    return Terms(markets=traded, costs=Costs(fee=0.001), rules={}), plan


def _in_hours(bars: Bars) -> Bars:
    """Return the bars as some of four hours, so that days begin and end among them."""
    slow = Timeframe.parse("4h")
    since = (bars.time - START) // bars.timeframe.delta
    return replace(bars, timeframe=slow, time=START + since * slow.delta)


def _unbroken(bars: Bars) -> Bars:
    """Return the bars as one segment; those that stand in for missing ones are still there."""
    time = START + np.arange(len(bars)) * bars.timeframe.delta
    return replace(bars, time=time, segment=np.zeros(len(bars), np.int64))


def _one(rng: np.random.Generator, *of: Any) -> Any:
    return of[rng.integers(len(of))]


def _seeded_act(rng: np.random.Generator, symbols: Sequence[str]) -> Act:
    hold, leave = rng.integers(1, 40), rng.choice([0.0, 0.002, 0.01])
    return Act(
        kind=_one(rng, *KINDS, "bracket", "limit_bracket", "plain_bracket"),
        on=_one(rng, None, None, None, *symbols),
        units=_one(rng, 1.0, 0.3, 5.0, 5.0, 30.0, 150.0, -0.5, -0.999),
        side=_one(rng, 1, 1, -1),
        away=_one(rng, 0.0, 0.002, 0.005, 0.02),
        stop=_one(rng, 0.003, 0.006, 0.03),
        target=_one(rng, 0.003, 0.006, 0.03),
        trail=_one(rng, 0.0, 0.0, 0.006),
        hold=_one(rng, None, int(hold)),
        leave=_one(rng, None, None, float(leave)),
        valid_bars=int(rng.integers(0, 8)),
        through=bool(rng.integers(2)),
    )
