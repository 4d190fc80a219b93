"""The run of one set, from its first candidate to its last, compiled.

Everything that the loop calls is compiled into it. Numba keeps the result by the file that the loop
stands in and by what it closes over: the digest of all sources, so that a change of any of them is
a loop of its own.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeAlias

from engine import plans, protections, sizing
from engine.sweep.account import IDLE, Account
from engine.sweep.closes import equity_now
from engine.sweep.compiling import loop, part
from engine.sweep.entering import foresee_entry
from engine.sweep.fills import free_cash, send, settle
from engine.sweep.ground import Ground
from engine.sweep.scores import opinion_points, score_rules
from engine.sweep.sizes import Offer, expected, units_to_buy
from engine.sweep.terms import Terms
from engine.sweep.vetoes import vetoed
from feeds import exit_reasons, order_kernels, ticks
from feeds.bars import FloatArray
from feeds.order_kernels import tick_down

Loop: TypeAlias = Callable[[Ground, Terms, FloatArray, Account], None]

# Beside the files of this folder.
_SOURCES = (exit_reasons, order_kernels, ticks, plans, protections, sizing)


@part
def _decide(ground: Ground, terms: Terms, account: Account, k: int) -> None:
    """Enter at a candidate whose score is enough, if size and protections allow."""
    candidates, market = ground.candidates, ground.candidates.market[k]
    bar, moment = candidates.bar[k], candidates.moment[k]
    offer = _offer(ground, terms, market, bar)
    unit = candidates.atr_fraction[k] if terms.leaving.by_atr else 1.0
    below = terms.leaving.stop * unit
    equity = equity_now(account, ground.moments, moment)
    money = (equity, free_cash(account))
    units = units_to_buy(offer, terms.charges, terms.sizing, below, money)
    cost = units * offer.paid
    if units <= 0.0 or vetoed(ground, account, terms.limits, k, (cost, equity)):
        return
    position = account.positions[market]
    position.candidate, position.sent, position.bought = k, moment, offer.price
    position.below, position.above = below, terms.leaving.target * unit
    position.behind = terms.leaving.trail * unit
    foresee_entry(ground, k, terms.entering, terms.charges, position)
    send(account, market, units, cost)


@part
def _offer(ground: Ground, terms: Terms, market: int, bar: int) -> Offer:
    """Return the terms on which a symbol can be bought after a bar."""
    prices, exchange, entering_by = ground.prices, ground.exchange, terms.entering
    price = prices.close[bar]
    if entering_by.by_limit:
        price = tick_down(price * (1.0 - entering_by.offset), exchange.tick[market])
    bar_range = prices.high[bar] - prices.low[bar]
    bought, paid = expected(price, bar_range, entering_by.by_limit, terms.charges)
    step, least = exchange.amount_step[market], exchange.min_notional[market]
    return Offer(price, bar_range, bought, paid, step, least)


@cache
def compiled() -> Loop:
    """Return the loop.

    It is compiled at its first call on a machine, which takes some ten seconds, and kept.
    """
    sources = digest_of_sources()

    def run_set(ground: Ground, terms: Terms, points: FloatArray, account: Account) -> None:
        """Run one set on an account that begins."""
        _ = sources
        candidates, enough = ground.candidates, terms.scoring.enough
        score_rules(ground.spoken, points, account)
        for k in range(len(candidates.bar)):
            score = account.scores[candidates.speaks[k]]
            if not score + opinion_points(candidates, k, terms.scoring) >= enough:
                continue
            if account.wallet.soonest <= candidates.moment[k] or terms.limits.watches:
                settle(ground, terms, account, candidates.moment[k])
            free = account.positions[candidates.market[k]].stage == IDLE
            # An order on the last bar of a segment is refused: nothing follows.
            if free and candidates.segment_end[k] > candidates.bar[k]:
                _decide(ground, terms, account, k)
        settle(ground, terms, account, len(ground.moments.time) - 1)

    return loop(run_set)


def digest_of_sources() -> str:
    """Return the SHA-256 of all that is compiled into the loop."""
    sources = [*Path(__file__).parent.glob("*.py"), *(Path(str(m.__file__)) for m in _SOURCES)]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(sources))).hexdigest()
