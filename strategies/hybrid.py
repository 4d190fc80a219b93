"""Hybrid strategies: rules that add points, enhanced by an ML ensemble.

`next()` is the only place where a decision is made, in a backtest, a rehearsal and paper alike.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import backtrader as bt

from feeds.exits import ExitFractions
from ml.prediction import Unavailable
from strategies.config import EntryRules, ExitRules, HybridConfig, Sizing
from strategies.journal import Outcome, entry_block, journal_row, veto_line
from strategies.journal_rows import Journal
from strategies.rules import Rule, above, below
from strategies.scoring import Decision, decide
from strategies.views import View, Views

__all__ = ["EntryRules", "ExitRules", "HybridStrategy", "Rule", "Sizing", "above", "below"]

log = logging.getLogger("tandem.strategy")


class Size(Protocol):
    """How many units to buy, how many the plan asks for beyond them, and why those are missing."""

    @property
    def units(self) -> float: ...

    @property
    def missing(self) -> float: ...

    @property
    def reason(self) -> str | None: ...


SizeOf = Callable[[Any, float, float | None], Size]
"""(feed, stop as a fraction of the price, limit) -> the size of an entry; 0 units for none.

The limit is None for a market order, here and below.
"""

Veto = Callable[[Any, float, float | None], str | None]
"""(feed, units, limit) -> the protection that vetoes this entry, or None."""


def never_late() -> bool:
    """Decide every bar as it closes, as a backtest does."""
    return False


def unprotected(_feed: Any, _units: float, _limit: float | None) -> None:
    """Veto nothing."""


@dataclass(slots=True)
class _Position:
    """One entry and its stop; the target is cancelled with the stop."""

    entry: Any
    stop: Any
    entry_bar: int | None = None


class HybridStrategy(bt.Strategy):
    """Scores each candidate bar of each symbol and enters long at `min_entry_score`.

    A strategy of one's own is a subclass that says by which rules; `docs/own-strategies.md`.
    What it says are defaults: settings stand above all but the rules themselves.

    Class attributes
    ----------------
    rules : one `Rule` or more, at least one of them mandatory
    min_entry_score : points from which on it enters
    exits, entry, sizing : where a position is left, how it is entered, how large it is

    Parameters
    ----------
    config : HybridConfig
    views : what it is shown of a bar, `strategies.views`
    size_of : how many units to buy, `SizeOf`
    veto : asked when an entry is decided and sized, before it is sent, `Veto`
    late : whether this bar closed so long ago that only what rests at the exchange has acted since;
        an entry is missed then, and a time limit waits for a bar that comes in time

    Attributes
    ----------
    journal : one row per candidate bar, with evidence, points, votes and outcome
    ml_asked, ml_unavailable : bars on which the ensemble was asked, and on which it had no answer
    """

    rules: ClassVar[tuple[Rule, ...]] = ()
    min_entry_score: ClassVar[float] = 6.0
    exits: ClassVar[ExitRules] = ExitRules()
    entry: ClassVar[EntryRules] = EntryRules()
    sizing: ClassVar[Sizing] = Sizing()

    params: Any = (
        ("config", None),
        ("views", None),
        ("size_of", None),
        ("veto", unprotected),
        ("late", never_late),
    )

    def __init__(self) -> None:
        self.config: HybridConfig = self.p.config
        self.views: Views = self.p.views
        self.size_of: SizeOf = self.p.size_of
        self.veto: Veto = self.p.veto
        self.late: Callable[[], bool] = self.p.late
        self.journal = Journal()
        self.ml_asked = 0
        self.ml_unavailable = 0
        self._positions: dict[Any, _Position] = {}
        self._bars_seen: dict[Any, int] = {}

    def wakes_at(self, data: Any) -> int | None:
        """Return at which bar of the feed `next` has to look again; None for never."""
        position = self._positions.get(data)
        candidate = self.views.next_candidate(data)
        if position is None or position.entry_bar is None:
            return candidate
        over = position.entry_bar + self.config.exits.max_bars - 1
        if over <= data.index:
            return candidate
        return over if candidate is None else min(over, candidate)

    def prenext(self) -> None:
        """Trade what has begun: backtrader waits for the first bar of the last symbol."""
        self.next()

    def next(self) -> None:
        for data in self.datas:
            # With several symbols next() also runs when only another one has a new bar.
            if len(data) != self._bars_seen.get(data, 0):
                self._bars_seen[data] = len(data)
                self._on_bar(data)

    def _on_bar(self, data: Any) -> None:
        position = self._positions.get(data)
        if position is not None and not self.late():
            self._mind_time_limit(data, position)
        view = self.views.view(data)
        if view is not None:
            self._consider(data, view)

    def _mind_time_limit(self, data: Any, position: _Position) -> None:
        held = 0 if position.entry_bar is None else data.index - position.entry_bar + 1
        if held >= self.config.exits.max_bars and position.stop.alive():
            self.cancel(position.stop)  # the target goes with it
            self.sell(data, size=position.entry.executed.size, reason="time_limit")

    def _consider(self, data: Any, view: View) -> None:
        if data in self._positions:
            self._note(decide(view.evidence, None, self.config), Outcome.IN_POSITION)
            return
        opinion = view.ask()
        self.ml_asked += opinion is not None
        self.ml_unavailable += isinstance(opinion, Unavailable)
        decision = decide(view.evidence, opinion, self.config)
        if decision.enter:
            self._enter(data, decision)
        else:
            self._note(decision, Outcome.SCORE_BELOW)

    def _enter(self, data: Any, decision: Decision) -> None:
        if self.late():
            self._note(decision, Outcome.MISSED)
            return
        away = self.config.exits.fractions(decision.evidence.values["atr_fraction"])
        limit = self._limit(data)
        size = self.size_of(data, float(away.stop), limit)
        if size.units <= 0:
            self._note(decision, Outcome.TOO_SMALL, **_shortfall(size))
            return
        vetoed_by = self.veto(data, size.units, limit)
        if vetoed_by is not None:
            self._note(decision, Outcome.VETOED, veto=str(vetoed_by))
            log.info("%s", veto_line(decision, vetoed_by))
            return
        self._note(decision, Outcome.ORDERED, **_shortfall(size))
        log.info("%s", entry_block(decision, self.config))
        if limit is not None:
            log.info("  waits at %.8g for %d bars", limit, self.config.entry.valid_bars)
        self._order(data, away, size.units, limit)

    def _limit(self, data: Any) -> float | None:
        """Return at which price a limit order waits; None for a market order."""
        limit = self.config.entry.limit
        if limit is None:
            return None
        return limit.price(data.close[0], self.broker.rules_of(data.symbol).tick)

    def _order(self, data: Any, away: ExitFractions, units: float, limit: float | None) -> None:
        price = data.close[0] if limit is None else limit
        how = {} if limit is None else {
            "exectype": bt.Order.Limit, "price": limit, "through": True,
            "valid_bars": self.config.entry.valid_bars,
        }  # fmt: skip
        entry = self.buy(data, size=units, transmit=False, reason="entry", **how)
        stop = self.sell(
            data, size=units, exectype=bt.Order.Stop, price=price * (1 - away.stop), parent=entry,
            transmit=False, reason="stop_loss", below_fill=away.stop, trail=away.trail,
        )  # fmt: skip
        self.sell(
            data, size=units, exectype=bt.Order.Limit, price=price * (1 + away.target),
            parent=entry, transmit=True, reason="take_profit", above_fill=away.target,
        )  # fmt: skip
        self._positions[data] = _Position(entry, stop)

    def notify_order(self, order: Any) -> None:
        position = self._positions.get(order.data)
        if position is None or order.alive():
            return
        if order.ref == position.entry.ref and order.status == order.Completed:
            position.entry_bar = order.data.index
        if not self.getposition(order.data).size and not position.entry.alive():
            del self._positions[order.data]

    def _note(self, decision: Decision, outcome: Outcome, **in_the_way: Any) -> None:
        self.journal.append({**journal_row(decision, outcome), **in_the_way})


def _shortfall(size: Size) -> dict[str, Any]:
    """Return the columns that say what of the plan is not bought; none if all of it is."""
    return {} if size.reason is None else {"shortfall": size.reason, "missing_units": size.missing}
