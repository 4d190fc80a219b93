"""A set and the costs as the loop wants them: numbers alone, nothing absent."""

import math
from typing import NamedTuple

from engine.protections import ProtectionsConfig
from engine.sweep.sets import SweepExits, SweepSet, SweepSizing
from feeds.costs import Costs
from feeds.entries import EntryLimit

NEVER = 2**62  # as a count or a moment: beyond all that there are


class Scoring(NamedTuple):
    """From which score on is entered; the epsilon is taken off every threshold already."""

    enough: float
    floors: tuple[float, float, float, float]
    worths: tuple[float, float, float, float, float]
    epsilon: float


class Charges(NamedTuple):
    """What a fill costs, as `feeds.costs` has it."""

    fee: float
    limit_fee: float
    penalty: float
    range_slippage: float


class Entering(NamedTuple):
    """How an order waits; without `by_limit` it does not."""

    by_limit: bool
    offset: float
    valid_bars: int


class Leaving(NamedTuple):
    """Where a position is left, as `SweepExits` has it."""

    by_atr: bool
    stop: float
    target: float
    trail: float
    max_bars: int


class Sizing(NamedTuple):
    """How much is bought, as `SweepSizing` has it."""

    by_risk: bool
    fraction: float
    risk: float
    reserve_percent: float


class Limits(NamedTuple):
    """What vetoes an entry; a protection that is turned off is never reached.

    `watches` says whether the equity at closes matters to any of them.
    """

    watches: bool
    max_drawdown: float
    daily_loss: float
    losses: int
    pause: int
    cooldown: int
    positions: int
    exposure: float


class Terms(NamedTuple):
    """All that one run is decided by, points of rules aside."""

    scoring: Scoring
    charges: Charges
    entering: Entering
    leaving: Leaving
    sizing: Sizing
    limits: Limits


def terms_of(one: SweepSet, costs: Costs, epsilon: float) -> Terms:
    """Return the set as numbers."""
    return Terms(
        scoring=_scoring(one, epsilon),
        charges=_charges(costs),
        entering=_entering(one.entry),
        leaving=_leaving(one.exits),
        sizing=_sizing(one.sizing),
        limits=_limits(one.protections),
    )


def _scoring(one: SweepSet, epsilon: float) -> Scoring:
    strong, entry, weak, avoid = (float(floor) - epsilon for floor in one.floors)
    points = tuple(float(each) for each in one.opinion_points)
    first, second, third, fourth, none = points
    return Scoring(
        enough=float(one.min_entry_score) - epsilon,
        floors=(strong, entry, weak, avoid),
        worths=(first, second, third, fourth, none),
        epsilon=float(epsilon),
    )


def _charges(costs: Costs) -> Charges:
    return Charges(
        fee=float(costs.fee),
        limit_fee=float(costs.limit_fee),
        penalty=float(costs.market_penalty),
        range_slippage=float(costs.range_slippage),
    )


def _entering(limit: EntryLimit | None) -> Entering:
    if limit is None:
        return Entering(by_limit=False, offset=0.0, valid_bars=0)
    return Entering(by_limit=True, offset=float(limit.offset), valid_bars=int(limit.valid_bars))


def _leaving(exits: SweepExits) -> Leaving:
    return Leaving(
        by_atr=exits.unit == "atr",
        stop=float(exits.stop),
        target=float(exits.target),
        trail=float(exits.trail),
        max_bars=int(exits.max_bars),
    )


def _sizing(sizing: SweepSizing) -> Sizing:
    return Sizing(
        by_risk=sizing.method == "risk",
        fraction=float(sizing.fraction),
        risk=float(sizing.risk),
        reserve_percent=float(sizing.reserve_percent),
    )


def _limits(config: ProtectionsConfig) -> Limits:
    return Limits(
        watches=config.watches_equity,
        max_drawdown=_or(config.max_drawdown, math.inf),
        daily_loss=_or(config.daily_loss_limit, math.inf),
        losses=int(_or(config.max_losses_in_a_row, NEVER)),
        pause=int(_or(config.losing_streak_pause_bars, NEVER)),
        cooldown=int(_or(config.cooldown_bars, 0)),
        positions=int(_or(config.max_open_positions, NEVER)),
        exposure=_or(config.max_exposure, math.inf),
    )


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else float(value)
