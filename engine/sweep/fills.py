"""What fills do to the money: `engine.spot` and `engine.records`, compiled."""

from engine.sweep.account import HELD, IDLE, WAITING, Account, Record
from engine.sweep.arithmetic import summed
from engine.sweep.closes import count_close, count_closes
from engine.sweep.compiling import part
from engine.sweep.ground import Ground
from engine.sweep.leaving import foresee_exit
from engine.sweep.terms import NEVER, Terms
from feeds.bars import IntArray


@part
def settle(ground: Ground, terms: Terms, account: Account, until: int) -> None:
    """Let happen what is due up to a moment, that one included."""
    wallet, watches = account.wallet, terms.limits.watches
    while wallet.soonest <= until:
        now = wallet.soonest
        count_closes(account, ground.moments, now - 1, watches)
        market = _next_at(account.positions, now)
        while market >= 0:
            _happen(ground, terms, account, market)
            market = _next_at(account.positions, now)
        count_close(account, ground.moments, now, watches)
        wallet.soonest = _soonest(account.positions)
    if watches:
        count_closes(account, ground.moments, until, watches)


@part
def send(account: Account, market: int, units: float, cost: float) -> None:
    """Let the entry of a symbol wait for what was foreseen."""
    wallet, position = account.wallet, account.positions[market]
    position.stage, position.units, position.cost = WAITING, units, cost
    account.waiting[wallet.waiting] = market
    wallet.waiting += 1
    wallet.soonest = min(wallet.soonest, position.at)


@part
def free_cash(account: Account) -> float:
    """Return the cash that no waiting entry has spoken for."""
    waiting = account.wallet.waiting
    for i in range(waiting):
        account.parts[i] = account.positions[account.waiting[i]].cost
    free: float = account.wallet.cash - summed(account.parts, waiting)
    return free


@part
def _soonest(positions: Record) -> int:
    soonest = NEVER
    for market in range(len(positions)):
        soonest = min(soonest, positions[market].at)
    return soonest


@part
def _next_at(positions: Record, now: int) -> int:
    """Return the symbol of which something happens next at a moment, or -1."""
    found = -1
    for market in range(len(positions)):
        if positions[market].at != now:
            continue
        if found < 0 or _comes_before(positions[market], positions[found]):
            found = market
    return found


@part
def _comes_before(one: Record, other: Record) -> bool:
    earlier: bool = one.sent < other.sent if one.turn == other.turn else one.turn < other.turn
    return earlier


@part
def _happen(ground: Ground, terms: Terms, account: Account, market: int) -> None:
    position = account.positions[market]
    if position.stage == HELD:
        _sell(ground, terms, account, market)
    elif _buys(account, market):
        tick = ground.exchange.tick[market]
        foresee_exit(ground.prices, terms.charges, terms.leaving, tick, position)
    else:
        position.stage, position.at = IDLE, NEVER


@part
def _buys(account: Account, market: int) -> bool:
    """Let a waiting entry be bought; return False if it is dropped."""
    wallet, position = account.wallet, account.positions[market]
    _drop(account.waiting, wallet.waiting, market)
    wallet.waiting -= 1
    if position.entry_bar < 0:
        return False
    spent = position.units * position.bought
    fee = position.units * position.entry_fee * position.bought
    left = wallet.cash - spent - fee
    if left < 0.0:
        return False
    wallet.cash, position.stage = left, HELD
    position.spent = -position.units * position.bought - fee
    position.change += position.spent
    _hold(account, market, position.units)
    return True


@part
def _sell(ground: Ground, terms: Terms, account: Account, market: int) -> None:
    wallet, position = account.wallet, account.positions[market]
    units, bought, sold = position.units, position.bought, position.sold
    fee = units * position.exit_fee * sold
    wallet.cash = wallet.cash + (units * bought + units * (sold - bought)) - fee
    received = units * sold - fee
    position.change += received
    pnl = position.spent + received
    _note_trade(account, position, pnl)
    closed_at = ground.moments.time[position.at] - ground.bar_ms
    _note_loss(wallet, position, pnl, closed_at, terms.limits.losses)
    position.stage, position.at = IDLE, NEVER
    _let_go(account, market)


@part
def _note_trade(account: Account, position: Record, pnl: float) -> None:
    """Note the trade; its prices are averages over its fills, which here are one each."""
    trade, units = account.trades[account.wallet.trades], position.units
    trade.candidate, trade.reason = position.candidate, position.reason
    trade.entry_bar, trade.exit_bar = position.entry_bar, position.exit_bar
    trade.units, trade.pnl = units, pnl
    trade.entry_price = units * position.bought / units
    trade.exit_price = units * position.sold / units
    trade.returns = pnl / (units * trade.entry_price)
    account.wallet.trades += 1


@part
def _note_loss(wallet: Record, position: Record, pnl: float, closed_at: int, losses: int) -> None:
    """Note what `engine.account.AccountHistory` does of a trade."""
    if pnl > 0.0:
        wallet.losses_in_a_row = 0
        return
    wallet.losses_in_a_row += 1
    position.lost_at = closed_at
    if wallet.losses_in_a_row >= losses:
        wallet.streak_at = closed_at


@part
def _hold(account: Account, market: int, units: float) -> None:
    """Put a symbol among those that are held, in the order of the run."""
    i = account.wallet.held
    while i > 0 and account.held[i - 1] > market:
        account.held[i], account.held_units[i] = account.held[i - 1], account.held_units[i - 1]
        i -= 1
    account.held[i], account.held_units[i] = market, units
    account.wallet.held += 1


@part
def _let_go(account: Account, market: int) -> None:
    """Take a symbol from those that are held."""
    place = _drop(account.held, account.wallet.held, market)
    account.wallet.held -= 1
    for i in range(place, account.wallet.held):
        account.held_units[i] = account.held_units[i + 1]


@part
def _drop(places: IntArray, count: int, market: int) -> int:
    """Take a symbol from a list, and return where it stood."""
    place = 0
    while places[place] != market:
        place += 1
    for i in range(place, count - 1):
        places[i] = places[i + 1]
    return place
