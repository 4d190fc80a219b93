"""Protections: when no position is opened, whatever the score says.

A protection only ever vetoes an entry. It closes nothing, changes no score and leaves the exits of
open positions alone. Each is a function of the entry and of what the account has been through; the
list of those that a configuration turns on is the risk policy of the run.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self, TypeAlias

import numpy as np
from pydantic import Field, model_validator

from engine.account import AccountHistory
from feeds.section import Section

# Of the equity: entries that together are to make up the limit exactly may miss it by rounding.
ROUNDING = 1e-9


class Protection(StrEnum):
    """What can veto an entry, in the order in which they are asked.

    The one that will stand longest comes first, so that the name in the journal is that of what
    waiting would help least.
    """

    MAX_DRAWDOWN = "max_drawdown"
    DAILY_LOSS = "daily_loss"
    LOSING_STREAK = "losing_streak"
    COOLDOWN = "cooldown"
    MAX_OPEN_POSITIONS = "max_open_positions"
    MAX_EXPOSURE = "max_exposure"


class ProtectionsConfig(Section):
    """When no position is opened; what is absent does not protect.

    `losing_streak_pause_bars` belongs to `max_losses_in_a_row`; without it the pause lasts to the
    end of the run.
    """

    max_drawdown: float | None = Field(None, gt=0, lt=1)
    daily_loss_limit: float | None = Field(None, gt=0, lt=1)
    max_losses_in_a_row: int | None = Field(None, ge=1)
    losing_streak_pause_bars: int | None = Field(None, ge=1)
    cooldown_bars: int | None = Field(None, ge=1)
    max_open_positions: int | None = Field(None, ge=1)
    max_exposure: float | None = Field(None, gt=0, le=1)

    @model_validator(mode="after")
    def _pause_has_a_streak(self) -> Self:
        if self.losing_streak_pause_bars is not None and self.max_losses_in_a_row is None:
            raise ValueError(
                "losing_streak_pause_bars says how long max_losses_in_a_row pauses: set that too"
            )
        return self

    @property
    def watches_equity(self) -> bool:
        """Whether the equity at closes matters to any of them."""
        return self.max_drawdown is not None or self.daily_loss_limit is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An entry about to be ordered, and the account at that moment.

    Attributes
    ----------
    symbol : of the entry
    decided_at : the close on which it was decided
    bar_length : of the timeframe
    cost : of the entry at the price that it saw; spread, slippage and fee included
    equity : of the account
    at_work : money by symbol, in positions at the last close and in waiting entries at their cost
    """

    symbol: str
    decided_at: np.datetime64
    bar_length: np.timedelta64
    cost: float
    equity: float
    at_work: Mapping[str, float]

    def bars_since(self, closed_at: np.datetime64) -> int:
        """Return how many bars could have closed after the bar that opened at `closed_at`.

        By time, so that it can be said of records: bars that were missing count too.
        """
        return int((self.decided_at - closed_at) // self.bar_length) - 1


Check: TypeAlias = Callable[[Proposal, AccountHistory], bool]
"""Whether the entry is vetoed."""


def max_drawdown(limit: float) -> Check:
    """Veto for the rest of the run once the equity has fallen by `limit` from its peak."""
    return lambda _entry, history: history.deepest_fall >= limit


def daily_loss(limit: float) -> Check:
    """Veto until the next UTC day once `limit` of the equity at the day's start was lost."""
    return lambda entry, history: history.day_fall(entry.decided_at) >= limit


def losing_streak(losses: int, pause_bars: int | None) -> Check:
    """Veto after each loss that is the last of `losses` or more in a row.

    The pause lasts until `pause_bars` have closed after the bar of that loss; None: for good. A
    profit that an open position makes meanwhile does not shorten it. Waiting does not end the
    streak: the next loss after a pause is another pause.
    """

    def check(entry: Proposal, history: AccountHistory) -> bool:
        reached = [at for length, at in history.streaks.items() if length >= losses]
        return bool(reached) and (pause_bars is None or entry.bars_since(max(reached)) < pause_bars)

    return check


def cooldown(bars: int) -> Check:
    """Veto in a symbol until `bars` have closed after the one in which it lost."""

    def check(entry: Proposal, history: AccountHistory) -> bool:
        lost_at = history.lost_at.get(entry.symbol)
        return lost_at is not None and entry.bars_since(lost_at) < bars

    return check


def max_open_positions(most: int) -> Check:
    """Veto what would be one more symbol than `most` in a position or waiting to enter."""
    return lambda entry, _history: len(entry.at_work.keys() | {entry.symbol}) > most


def max_exposure(limit: float) -> Check:
    """Veto what would put more than `limit` of the equity to work, this entry included."""

    def check(entry: Proposal, _history: AccountHistory) -> bool:
        at_work = sum(entry.at_work.values()) + entry.cost
        return at_work > (limit + ROUNDING) * entry.equity

    return check


def checks_of(config: ProtectionsConfig) -> dict[Protection, Check]:
    """Return the protections that are turned on, in the order of `Protection`."""
    return dict(_turned_on(config))


def _turned_on(config: ProtectionsConfig) -> Iterator[tuple[Protection, Check]]:
    if config.max_drawdown is not None:
        yield Protection.MAX_DRAWDOWN, max_drawdown(config.max_drawdown)
    if config.daily_loss_limit is not None:
        yield Protection.DAILY_LOSS, daily_loss(config.daily_loss_limit)
    if config.max_losses_in_a_row is not None:
        pause = config.losing_streak_pause_bars
        yield Protection.LOSING_STREAK, losing_streak(config.max_losses_in_a_row, pause)
    if config.cooldown_bars is not None:
        yield Protection.COOLDOWN, cooldown(config.cooldown_bars)
    if config.max_open_positions is not None:
        yield Protection.MAX_OPEN_POSITIONS, max_open_positions(config.max_open_positions)
    if config.max_exposure is not None:
        yield Protection.MAX_EXPOSURE, max_exposure(config.max_exposure)


def first_veto(
    entry: Proposal, history: AccountHistory, checks: Mapping[Protection, Check]
) -> Protection | None:
    """Return the first protection that vetoes the entry, or None."""
    return next((name for name, check in checks.items() if check(entry, history)), None)
