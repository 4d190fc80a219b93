"""The flattery list: what was assumed in favour of a result, in short sentences.

Each sentence stands only where it applies, and its figures are measured from the run. None of them
says that the result is wrong; each says in which direction it errs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.records import Fill
from engine.rules import SymbolRules
from feeds.bars import Bars
from feeds.costs import Costs
from feeds.moments import readable

# What an account without volume or discount pays on a large exchange for a market order.
USUAL = Costs(fee=0.001, half_spread=0.0001, slippage=0.0001, range_slippage=0.02)

_RULES = {"tick": "tick", "amount_step": "amount step", "min_notional": "least order value"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Circumstances:
    """What a run was made under.

    Attributes
    ----------
    costs : that its fills paid
    rules : what the exchange asks of orders, by symbol; absent for none
    markets : its bars by symbol, warm-up included, as `Fill.bar` counts them
    in_sample : True if the ensemble had seen bars of the run
    limit_entries : True if entries were limit orders
    on_paper : True if bars came one by one and a decision could be late
    live : True if they came as they closed: nobody could have known them
    best_of : sets that were tried on these bars, of which the run's is the best; 0 for no choice
    """

    costs: Costs
    rules: Mapping[str, SymbolRules]
    markets: Mapping[str, Bars]
    in_sample: bool
    limit_entries: bool = False
    on_paper: bool = False
    live: bool = False
    best_of: int = 0


def flattery(fills: Sequence[Fill], under: Circumstances) -> tuple[str, ...]:
    """Return what flatters the run with these fills, the gravest kind first."""
    return (
        *_about_the_bars(under),
        *_low_costs(under.costs),
        *_even_slippage(fills, under),
        *_limits(fills, under),
        *_impact(fills, under.markets),
        *_foreseen_holes(fills, under.markets),
        *_missing_rules(under),
        *_always(fills, under),
    )


def _about_the_bars(under: Circumstances) -> Iterator[str]:
    if under.best_of:
        yield (
            f"chosen: the best of {under.best_of:,} sets that were tried on these same bars; on "
            "any others less is to be expected"
        )
    if under.in_sample:
        yield "in-sample: the ensemble has learned from bars of this run"
    if any(bars.synthetic for bars in under.markets.values()):
        yield "synthetic: the market is simulated, and no real one keeps to its rules"
    elif not under.live:
        yield (
            f"{_listed(under.markets)}: chosen with today's knowledge; coins that were delisted "
            "since are not among them"
        )


def _low_costs(costs: Costs) -> Iterator[str]:
    paid = {
        "fee": (costs.fee, USUAL.fee),
        "maker fee": (costs.limit_fee, min(costs.fee, USUAL.limit_fee)),
        "half spread": (costs.half_spread, USUAL.half_spread),
        "slippage": (costs.slippage, USUAL.slippage),
    }
    for name, (found, usual) in paid.items():
        if found < usual:
            low = f"of {found:.4%}" if found else "of nothing"
            yield f"a {name} {low}; {usual:.2%} is usual for a small account"
    if 0.0 < costs.range_slippage < USUAL.range_slippage:
        yield (
            f"slippage of {costs.range_slippage:.2%} of a bar's range; "
            f"{USUAL.range_slippage:.2%} is usual"
        )


def _even_slippage(fills: Sequence[Fill], under: Circumstances) -> Iterator[str]:
    ranges = [_range(fill, under.markets) for fill in fills if not _by_limit(fill, under)]
    if ranges and not under.costs.range_slippage:
        yield (
            f"slippage is {under.costs.slippage:.3%} in calm and wild bars alike; the bars that "
            f"filled market and stop orders spanned {np.mean(ranges):.2%} of the price on average "
            f"and up to {max(ranges):.2%}"
        )


def _limits(fills: Sequence[Fill], under: Circumstances) -> Iterator[str]:
    """Limit orders fill as if nobody stood before us in the queue, and fill whole."""
    beyond = [_beyond(fill, under.markets) for fill in fills if fill.reason == "take_profit"]
    if beyond:
        barely = sum(each < USUAL.half_spread for each in beyond)
        yield (
            f"targets fill as soon as the price touches them: in {barely:,} of {len(beyond):,} it "
            f"went less than {USUAL.half_spread:.2%} beyond, where a real order may still wait"
        )
    entries = [fill for fill in fills if fill.reason == "entry" and under.limit_entries]
    entered = [_beyond(fill, under.markets) for fill in entries]
    if entered:
        barely = sum(each < USUAL.half_spread for each in entered)
        yield (
            f"limit entries fill whole once the price trades through them: in {barely:,} of "
            f"{len(entered):,} it went less than {USUAL.half_spread:.2%} beyond"
        )


def _impact(fills: Sequence[Fill], markets: Mapping[str, Bars]) -> Iterator[str]:
    if not fills:
        return
    shares = [_share(fill, markets) for fill in fills]
    largest = int(np.argmax(shares))
    fill = fills[largest]
    share = f"{shares[largest]:.2%}" if np.isfinite(shares[largest]) else "more than all"
    yield (
        f"orders do not move the price: the largest was {share} of the volume of its bar "
        f"({fill.symbol}, {readable(fill.filled_at)})"
    )


def _foreseen_holes(fills: Sequence[Fill], markets: Mapping[str, Bars]) -> Iterator[str]:
    closed = [
        fill
        for fill in fills
        if fill.reason == "segment_end" and fill.bar < len(markets[fill.symbol]) - 1
    ]
    if closed:
        positions = "position was" if len(closed) == 1 else "positions were"
        yield (
            f"{len(closed):,} {positions} closed at the last close before a hole in the bars, "
            "which nobody could foresee"
        )


def _missing_rules(under: Circumstances) -> Iterator[str]:
    """Say once which rules are missing where they are missing for the same symbols."""
    missing: dict[tuple[str, ...], list[str]] = {}
    for rule, name in _RULES.items():
        free = tuple(s for s in under.markets if not getattr(under.rules.get(s), rule, 0.0))
        missing.setdefault(free, []).append(name)
    for symbols, names in missing.items():
        if symbols:
            *first, last = names
            rules = f"{', '.join(first)} or {last}" if first else last
            yield f"no {rules} is set for {_listed(symbols)}; an exchange has one"


def _always(fills: Sequence[Fill], under: Circumstances) -> Iterator[str]:
    if fills:
        if under.on_paper:
            yield "no order takes time to get to the exchange, and it refuses none"
        else:
            yield "no order is late, and the exchange is never down and refuses none"
    yield "how many configurations were tried is known for this folder of runs only"


def _by_limit(fill: Fill, under: Circumstances) -> bool:
    """Return whether a limit order was filled."""
    return fill.reason == "take_profit" or (fill.reason == "entry" and under.limit_entries)


def _beyond(fill: Fill, markets: Mapping[str, Bars]) -> float:
    """Return how far the bar went beyond the price of a limit order, as a fraction of it."""
    bars = markets[fill.symbol]
    if fill.units < 0:
        return float(bars.high[fill.bar] / fill.price - 1.0)
    return float(1.0 - bars.low[fill.bar] / fill.price)


def _range(fill: Fill, markets: Mapping[str, Bars]) -> float:
    """Return the range of the bar that filled the order, as a fraction of its open."""
    bars = markets[fill.symbol]
    return float((bars.high[fill.bar] - bars.low[fill.bar]) / bars.open[fill.bar])


def _share(fill: Fill, markets: Mapping[str, Bars]) -> float:
    """Return the units of the fill over the units that its bar traded."""
    traded = float(markets[fill.symbol].volume[fill.bar])
    return abs(fill.units) / traded if traded else np.inf


def _listed(names: Mapping[str, object] | Sequence[str]) -> str:
    return ", ".join(names)
