"""The hybrid crypto-scalping strategy: technical evidence, enhanced by an ML ensemble.

`next()` is the only place where a decision is made, in a backtest, a rehearsal and paper alike.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import backtrader as bt

from ml.prediction import Unavailable
from strategies.config import CryptoScalpingConfig, ExitRules
from strategies.evidence import Evidence
from strategies.journal import Outcome, entry_block, journal_row
from strategies.scoring import Decision, decide
from strategies.signals import Signals

__all__ = ["CryptoScalpingConfig", "CryptoScalpingStrategy"]

log = logging.getLogger("tandem.strategy")

UnitsFor = Callable[[Any, float], float]
"""(feed, stop as a fraction of the price) -> units to buy; 0 for none."""


@dataclass(slots=True)
class _Position:
    """The orders around one entry."""

    entry: Any
    stop: Any
    target: Any
    entry_bar: int | None = None


class CryptoScalpingStrategy(bt.Strategy):
    """Scores each candidate bar of each symbol and enters long at `min_entry_score`.

    Parameters
    ----------
    config : CryptoScalpingConfig
    signals : where evidence and opinions come from, `strategies.signals`
    units_for : how many units to buy, `UnitsFor`

    Attributes
    ----------
    journal : one row per candidate bar, with evidence, points, votes and outcome
    ml_asked, ml_unavailable : bars on which the ensemble was asked, and on which it had no answer
    """

    params: Any = (("config", None), ("signals", None), ("units_for", None))

    def __init__(self) -> None:
        self.config: CryptoScalpingConfig = self.p.config or CryptoScalpingConfig()
        self.signals: Signals = self.p.signals
        self.units_for: UnitsFor = self.p.units_for
        self.journal: list[dict[str, Any]] = []
        self.ml_asked = 0
        self.ml_unavailable = 0
        self._positions: dict[Any, _Position] = {}
        self._bars_seen: dict[Any, int] = {}

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
        if position is not None:
            self._mind_time_limit(data, position)
        evidence = self.signals.evidence(data)
        if evidence is not None:
            self._consider(data, evidence)

    def _mind_time_limit(self, data: Any, position: _Position) -> None:
        held = 0 if position.entry_bar is None else data.index - position.entry_bar + 1
        if held >= self.config.exits.max_bars and position.stop.alive():
            self.cancel(position.stop)  # the target goes with it
            self.sell(data, size=position.entry.executed.size, reason="time_limit")

    def _consider(self, data: Any, evidence: Evidence) -> None:
        if data in self._positions:
            self._note(decide(evidence, None, self.config), Outcome.IN_POSITION)
            return
        opinion = self.signals.opinion(data)
        self.ml_asked += opinion is not None
        self.ml_unavailable += isinstance(opinion, Unavailable)
        decision = decide(evidence, opinion, self.config)
        if decision.enter:
            self._enter(data, decision)
        else:
            self._note(decision, Outcome.SCORE_BELOW)

    def _enter(self, data: Any, decision: Decision) -> None:
        below, above, trail = exit_fractions(self.config.exits, decision.evidence)
        units = self.units_for(data, below)
        if units <= 0:
            self._note(decision, Outcome.TOO_SMALL)
            return
        self._note(decision, Outcome.ORDERED)
        log.info("%s", entry_block(decision, self.config))
        price = data.close[0]
        entry = self.buy(data, size=units, transmit=False, reason="entry")
        stop = self.sell(
            data, size=units, exectype=bt.Order.Stop, price=price * (1 - below), parent=entry,
            transmit=False, reason="stop_loss", below_fill=below, trail=trail,
        )  # fmt: skip
        target = self.sell(
            data, size=units, exectype=bt.Order.Limit, price=price * (1 + above), parent=entry,
            transmit=True, reason="take_profit", above_fill=above,
        )  # fmt: skip
        self._positions[data] = _Position(entry, stop, target)

    def notify_order(self, order: Any) -> None:
        position = self._positions.get(order.data)
        if position is None or order.alive():
            return
        if order.ref == position.entry.ref and order.status == order.Completed:
            position.entry_bar = order.data.index
        if not self.getposition(order.data).size and not position.entry.alive():
            del self._positions[order.data]

    def _note(self, decision: Decision, outcome: Outcome) -> None:
        self.journal.append(journal_row(decision, outcome))


def exit_fractions(exits: ExitRules, evidence: Evidence) -> tuple[float, float, float]:
    """Return stop, target and trailing distance as fractions of the entry price (0: no trail)."""
    unit = 0.01 if exits.unit == "percent" else evidence.values["atr_fraction"]
    return exits.stop_loss * unit, exits.take_profit * unit, (exits.trailing_stop or 0.0) * unit
