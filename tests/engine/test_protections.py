"""Each protection at its edges, and the order in which they are asked."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from engine.account import AccountHistory
from engine.errors import ConfigError
from engine.jobs.settings import load_settings
from engine.protections import (
    Proposal,
    Protection,
    ProtectionsConfig,
    checks_of,
    cooldown,
    daily_loss,
    first_veto,
    losing_streak,
    max_drawdown,
    max_exposure,
    max_open_positions,
)
from tests.engine.run_makers import BAR, START, make_trade

ALL = ProtectionsConfig(
    max_drawdown=0.2,
    daily_loss_limit=0.1,
    max_losses_in_a_row=1,
    losing_streak_pause_bars=3,
    cooldown_bars=2,
    max_open_positions=1,
    max_exposure=0.5,
)


def entry(bar: int = 10, *, symbol: str = "BTC/USDT", **changed: Any) -> Proposal:
    """Return an entry of 100 decided at the close of a bar, by an account of 1000."""
    given = {"cost": 100.0, "equity": 1000.0, "at_work": {}, **changed}
    decided_at = START + (bar + 1) * BAR
    return Proposal(symbol=symbol, decided_at=decided_at, bar_length=BAR, **given)


def after(*pnl: float, symbol: str = "BTC/USDT") -> AccountHistory:
    """Return the history after trades that were closed on the bars 0, 1, …"""
    history = AccountHistory(1000.0)
    for bar, each in enumerate(pnl):
        history.note_trade(make_trade(each, bar=bar, held=0, symbol=symbol))
    return history


def fallen(equity: float, bar: int = 10) -> AccountHistory:
    history = AccountHistory(1000.0)
    history.mark(START + (bar + 1) * BAR, equity)
    return history


@pytest.mark.parametrize(("bar", "vetoed"), [(0, True), (1, True), (2, False), (3, False)])
def test_a_cooldown_of_two_bars_ends_two_bars_after_the_bar_of_the_loss(
    bar: int, vetoed: bool
) -> None:
    assert cooldown(2)(entry(bar), after(-1.0)) is vetoed


def test_a_cooldown_is_that_of_the_symbol_that_lost() -> None:
    lost = after(-1.0)
    assert cooldown(5)(entry(1), lost)
    assert not cooldown(5)(entry(1, symbol="ETH/USDT"), lost)
    assert not cooldown(5)(entry(1), after(1.0))


@pytest.mark.parametrize(
    ("pnl", "vetoed"),
    [
        ([-1.0], False),
        ([-1.0, -1.0], True),
        ([-1.0, 0.0], True),
        ([-1.0, 1.0, -1.0], False),
        ([-1.0, -1.0, -1.0], True),
    ],
)
def test_a_losing_streak_is_counted_over_all_symbols(pnl: list[float], vetoed: bool) -> None:
    assert losing_streak(2, None)(entry(10, symbol="ETH/USDT"), after(*pnl)) is vetoed


@pytest.mark.parametrize(("bar", "vetoed"), [(1, True), (3, True), (4, False)])
def test_a_pause_counts_from_the_loss_that_filled_the_streak(bar: int, vetoed: bool) -> None:
    assert losing_streak(2, 3)(entry(bar), after(-1.0, -1.0)) is vetoed


def test_waiting_does_not_end_a_streak_so_one_more_loss_is_another_pause() -> None:
    history = after(-1.0, -1.0)
    assert not losing_streak(2, 3)(entry(9), history)
    history.note_trade(make_trade(-1.0, bar=12, held=0))
    assert losing_streak(2, 3)(entry(14), history)
    assert not losing_streak(2, 3)(entry(15), history)


@pytest.mark.parametrize("pause", [20, None])
def test_a_profit_of_an_open_position_does_not_end_a_pause(pause: int | None) -> None:
    assert losing_streak(2, pause)(entry(10), after(-1.0, -1.0, 1.0))


def test_without_a_length_the_pause_lasts_to_the_end() -> None:
    assert losing_streak(2, None)(entry(1_000_000), after(-1.0, -1.0, 1.0))


@pytest.mark.parametrize(("equity", "vetoed"), [(751.0, False), (750.0, True), (600.0, True)])
def test_a_drawdown_halts_at_its_limit(equity: float, vetoed: bool) -> None:
    assert max_drawdown(0.25)(entry(), fallen(equity)) is vetoed


def test_a_drawdown_halts_for_good_although_the_equity_recovers() -> None:
    history = fallen(700.0)
    history.mark(START + 500 * BAR, 2000.0)
    assert max_drawdown(0.25)(entry(100_000), history)


@pytest.mark.parametrize(("equity", "vetoed"), [(751.0, False), (750.0, True)])
def test_a_daily_loss_is_counted_from_the_start_of_the_day(equity: float, vetoed: bool) -> None:
    assert daily_loss(0.25)(entry(), fallen(equity)) is vetoed


def test_a_daily_loss_ends_with_the_day_and_not_with_a_recovery() -> None:
    history = fallen(700.0, bar=10)
    history.mark(START + 20 * BAR, 1000.0)
    assert daily_loss(0.25)(entry(286), history)  # decided at 23:55
    assert not daily_loss(0.25)(entry(287), history)  # decided at midnight


@pytest.mark.parametrize(
    ("at_work", "vetoed"),
    [
        ({}, False),
        ({"A": 1.0}, False),
        ({"A": 1.0, "B": 1.0}, True),
        ({"A": 1.0, "BTC/USDT": 1.0}, False),
    ],
)
def test_a_symbol_more_than_the_most_is_vetoed(at_work: dict[str, float], vetoed: bool) -> None:
    assert max_open_positions(2)(entry(at_work=at_work), AccountHistory(1.0)) is vetoed


@pytest.mark.parametrize(("held", "vetoed"), [(0.0, False), (400.0, False), (400.1, True)])
def test_exposure_counts_this_entry(held: float, vetoed: bool) -> None:
    assert max_exposure(0.5)(entry(at_work={"A": held}), AccountHistory(1.0)) is vetoed


def test_parts_that_make_up_the_limit_exactly_may_miss_it_by_rounding() -> None:
    tenths = {str(i): 0.1 for i in range(2)}
    assert sum(tenths.values()) + 0.1 > 0.3
    assert not max_exposure(0.3)(entry(cost=0.1, equity=1.0, at_work=tenths), AccountHistory(1.0))


# ------------------------------------------------------------------ composed


def test_without_protections_nothing_is_asked() -> None:
    assert checks_of(ProtectionsConfig()) == {}
    assert first_veto(entry(), after(-1.0), {}) is None


def test_every_protection_can_be_turned_on_and_they_are_asked_in_order() -> None:
    assert list(checks_of(ALL)) == list(Protection)


def test_the_one_that_will_stand_longest_is_named() -> None:
    history = after(-1.0)
    history.mark(START + BAR, 700.0)
    busy = {"A": 900.0}
    left = checks_of(ALL)
    named = []
    while (veto := first_veto(entry(0, at_work=busy), history, left)) is not None:
        named.append(veto)
        del left[veto]
    assert named == list(Protection)


@pytest.mark.parametrize("name", Protection)
def test_each_protection_is_turned_on_by_its_own_setting(name: Protection) -> None:
    setting = {
        Protection.DAILY_LOSS: "daily_loss_limit",
        Protection.LOSING_STREAK: "max_losses_in_a_row",
        Protection.COOLDOWN: "cooldown_bars",
    }.get(name, str(name))
    config = ProtectionsConfig.model_validate({setting: getattr(ALL, setting)})
    assert list(checks_of(config)) == [name]
    assert config.watches_equity is (name in {Protection.MAX_DRAWDOWN, Protection.DAILY_LOSS})


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_drawdown": 0.0},
        {"max_drawdown": 1.0},
        {"daily_loss_limit": -0.1},
        {"daily_loss_limit": 5.0},
        {"max_losses_in_a_row": 0},
        {"cooldown_bars": 0},
        {"cooldown_bars": 1.5},
        {"max_open_positions": 0},
        {"max_exposure": 0.0},
        {"max_exposure": 1.1},
        {"cool_down": 3},
    ],
)
def test_what_would_protect_from_nothing_or_everything_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ProtectionsConfig.model_validate(wrong)


def test_a_pause_without_a_streak_is_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match="max_losses_in_a_row") as refused:
        load_settings(overrides={"protections": {"losing_streak_pause_bars": 3}})
    assert "\n" not in str(refused.value)


def test_bars_are_counted_by_time_so_that_missing_ones_count_too() -> None:
    hour = np.timedelta64(3_600_000, "ms")
    assert entry(49).bars_since(START) == 49
    assert replace(entry(35), bar_length=hour).bars_since(START) == 2
