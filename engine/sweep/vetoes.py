"""When an entry is vetoed: `engine.protections`, compiled."""

from engine.protections import ROUNDING
from engine.sweep.account import Account
from engine.sweep.arithmetic import summed
from engine.sweep.compiling import part
from engine.sweep.ground import Ground
from engine.sweep.terms import Limits


@part
def vetoed(
    ground: Ground, account: Account, limits: Limits, k: int, entry: tuple[float, float]
) -> bool:
    """Return whether a protection vetoes the entry of a candidate.

    Parameters
    ----------
    entry : its cost, and the equity
    """
    cost, equity = entry
    moment, market = ground.candidates.moment[k], ground.candidates.market[k]
    busy = account.wallet.held + account.wallet.waiting
    return (
        account.wallet.deepest_fall >= limits.max_drawdown
        or _day_fall(account, ground.moments.day_begun[moment]) >= limits.daily_loss
        or _pauses(ground, account, limits, moment)
        or _bars_since(ground, account.positions[market].lost_at, moment) < limits.cooldown
        or busy + 1 > limits.positions
        or _at_work(ground, account, moment) + cost > (limits.exposure + ROUNDING) * equity
    )


@part
def _day_fall(account: Account, day: int) -> float:
    wallet = account.wallet
    return 1.0 - wallet.lowest_of_day / wallet.day_began_with if day == wallet.day else 0.0


@part
def _pauses(ground: Ground, account: Account, limits: Limits, moment: int) -> bool:
    """Return whether the pause after so many losses in a row lasts."""
    if account.wallet.streak_at < 0:
        return False
    return _bars_since(ground, account.wallet.streak_at, moment) < limits.pause


@part
def _bars_since(ground: Ground, closed_at: int, moment: int) -> int:
    bars: int = (ground.moments.time[moment] - closed_at) // ground.bar_ms - 1
    return bars


@part
def _at_work(ground: Ground, account: Account, moment: int) -> float:
    """Return the money in positions and waiting entries."""
    held, waiting = account.wallet.held, account.wallet.waiting
    for i in range(held):
        close = ground.moments.closes[moment, account.held[i]]
        account.parts[i] = account.held_units[i] * close
    for i in range(waiting):
        account.parts[held + i] = account.positions[account.waiting[i]].cost
    return summed(account.parts, held + waiting)
