"""The equity at every close while something is held, and what follows from it.

There are two accounts of the same money. The wallet is the broker's: what entries are sized from
and protections go by. The curve is the metrics', added up from the fills of one symbol after the
other. They differ in the last bits.
"""

from engine.sweep.account import Account, Record
from engine.sweep.arithmetic import summed
from engine.sweep.compiling import part
from engine.sweep.ground import Moments


@part
def equity_now(account: Account, moments: Moments, moment: int) -> float:
    """Return what the wallet is worth at the closes of a moment."""
    held = account.wallet.held
    for i in range(held):
        account.parts[i] = account.held_units[i] * moments.closes[moment, account.held[i]]
    equity: float = account.wallet.cash + summed(account.parts, held)
    return equity


@part
def count_closes(account: Account, moments: Moments, until: int, watches: bool) -> None:
    """Count the closes up to a moment, none of which has a fill that was not there before."""
    wallet = account.wallet
    if wallet.held > 0:
        if watches:
            for moment in range(wallet.marked + 1, until + 1):
                _mark_wallet(wallet, moments.day[moment], equity_now(account, moments, moment))
        _mark_curve(account, moments, wallet.marked + 1, until)
    wallet.marked = max(wallet.marked, until)


@part
def count_close(account: Account, moments: Moments, moment: int, watches: bool) -> None:
    """Count the close of a moment at which something was filled or ended."""
    if watches:
        _mark_wallet(account.wallet, moments.day[moment], equity_now(account, moments, moment))
    _take_fills(account)
    _mark_curve(account, moments, moment, moment)
    account.wallet.marked = moment


@part
def _take_fills(account: Account) -> None:
    """Take what the fills of this bar have changed, symbol by symbol."""
    wallet, curve = account.wallet, account.curve
    curve.money = wallet.began_with
    for place in range(len(account.positions)):
        position = account.positions[place]
        position.earned += position.change
        position.change = 0.0
        curve.money += position.earned


@part
def _mark_curve(account: Account, moments: Moments, first: int, last: int) -> None:
    curve, held = account.curve, account.wallet.held
    money, peak, lowest = curve.money, curve.peak, curve.lowest
    for moment in range(first, last + 1):
        value = 0.0
        for i in range(held):
            value += account.held_units[i] * moments.closes[moment, account.held[i]]
        equity = money + value
        account.day_ends[moments.day[moment]] = equity
        curve.last = equity
        if equity > peak:
            peak = lowest = equity
        elif equity < lowest:
            lowest = equity
            curve.deepest_fall = max(curve.deepest_fall, 1.0 - equity / peak)
    curve.peak, curve.lowest = peak, lowest


@part
def _mark_wallet(wallet: Record, day: int, equity: float) -> None:
    """Take the equity at a close: `engine.account.AccountHistory.mark`."""
    if day != wallet.day:
        wallet.day, wallet.day_began_with, wallet.lowest_of_day = day, wallet.equity, wallet.equity
    wallet.equity = equity
    wallet.lowest_of_day = min(wallet.lowest_of_day, equity)
    wallet.peak = max(wallet.peak, equity)
    wallet.deepest_fall = max(wallet.deepest_fall, 1.0 - equity / wallet.peak)
