"""What becomes of an entry order: `feeds.entries`, compiled, one order at a time."""

from engine.plans import Turn
from engine.sweep.account import Record
from engine.sweep.charges import bought_at
from engine.sweep.compiling import part
from engine.sweep.ground import Candidates, Ground, Prices
from engine.sweep.terms import Charges, Entering
from feeds.order_kernels import traded_through

_NONE = -1
_MARKET, _LIMIT, _EXPIRY, _SEGMENT_END = Turn.MARKET, Turn.LIMIT, Turn.EXPIRY, Turn.SEGMENT_END


@part
def foresee_entry(
    ground: Ground, k: int, entering: Entering, charges: Charges, position: Record
) -> None:
    """Note when the order of a candidate fills, and at what price; or when it is dropped.

    The limit is the position's `bought` already.
    """
    if entering.by_limit:
        _foresee_limit(ground, k, entering, charges, position)
    else:
        _foresee_market(ground.prices, ground.candidates, k, charges, position)


@part
def _foresee_market(
    prices: Prices, candidates: Candidates, k: int, charges: Charges, position: Record
) -> None:
    fill_bar = candidates.fill_bar[k]
    position.entry_bar = fill_bar
    if fill_bar == _NONE:
        position.at, position.turn = prices.moment[candidates.segment_end[k]], _SEGMENT_END
        return
    bar_range = prices.high[fill_bar] - prices.low[fill_bar]
    position.bought = bought_at(prices.open[fill_bar], bar_range, charges)
    position.entry_fee = charges.fee
    position.at, position.turn = prices.moment[fill_bar], _MARKET


@part
def _foresee_limit(
    ground: Ground, k: int, entering: Entering, charges: Charges, position: Record
) -> None:
    prices, decided = ground.prices, ground.candidates.bar[k]
    limit, tick = position.bought, ground.exchange.tick[ground.candidates.market[k]]
    expires, end = decided + entering.valid_bars, ground.candidates.segment_end[k]
    last = min(expires, end)
    fill_bar, crossed = _limit_fill(prices, (decided, last), limit, tick)
    position.entry_bar = fill_bar
    if fill_bar == _NONE:
        position.at = prices.moment[last]
        position.turn = _EXPIRY if expires <= end else _SEGMENT_END
        return
    position.entry_fee = charges.fee if crossed else charges.limit_fee
    position.at, position.turn = prices.moment[fill_bar], _LIMIT


@part
def _limit_fill(
    prices: Prices, within: tuple[int, int], limit: float, tick: float
) -> tuple[int, bool]:
    """Return the bar that trades through the limit, and whether the first open had reached it."""
    rests = False
    for bar in range(within[0] + 1, within[1] + 1):
        if prices.filled[bar]:
            continue
        if traded_through(prices.low[bar], limit, tick):
            return bar, not rests and prices.open[bar] <= limit
        rests = True
    return _NONE, False
