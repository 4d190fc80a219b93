"""What becomes of a moment when all decisions are made: it is committed, then told."""

import logging
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

import backtrader as bt
import numpy as np

from engine.errors import RunError
from engine.paper.broker import PaperBroker
from engine.paper.moments import Moments, Phase
from engine.paper.records import MomentRecord, PricedFill
from engine.paper.state import PaperState
from feeds.moments import iso, readable
from strategies.journal import Outcome, opinion_of, opinion_text

log = logging.getLogger("tandem.paper")

# What a decision comes to, apart from how closely its evidence was reckoned.
_VERDICT = ("symbol", "decided_at", "outcome", "score")

_TOLD = (Outcome.ORDERED, Outcome.TOO_SMALL, Outcome.VETOED, Outcome.MISSED)


class Recorder:
    """Commits each moment in one transaction; checks those that are on record.

    Parameters
    ----------
    state : where it is committed
    moments : which one is being lived through
    decided : the rows on record, by moment; what is decided again must be what they say
    """

    def __init__(
        self,
        state: PaperState,
        moments: Moments,
        decided: Mapping[np.datetime64, Sequence[Mapping[str, Any]]],
    ) -> None:
        self._state = state
        self._moments = moments
        self._decided = decided
        self._began = perf_counter()

    def begin(self) -> None:
        """Note that a moment has arrived."""
        self._began = perf_counter()

    def commit(self, strategy: bt.Strategy, broker: PaperBroker, ml: str) -> MomentRecord | None:
        """Take what came of the moment; None if it was on record already.

        Raises
        ------
        RunError
            if a moment on record comes to something else than it did
        """
        moment = self._moments.current
        rows, fills = _drained(strategy.journal), _drained(broker.priced)
        orders, rejections = broker.changed_orders(), _drained(broker.rejections)
        broker.fills.clear()
        if moment.phase is Phase.RECORDED:
            self._compare(moment.closed_at, rows)
            return None
        account = broker.account()
        cash = float(broker.getcash())
        record = MomentRecord(
            closed_at=moment.closed_at,
            offline=moment.phase is Phase.OFFLINE,
            late=moment.late,
            arrived_at=moment.arrived_at,
            latency_ms=(perf_counter() - self._began) * 1000.0,
            bars=moment.bars,
            decisions=rows,
            orders=orders,
            fills=fills,
            rejections=rejections,
            revisions=moment.revisions,
            cash=cash,
            position_value=float(broker.getvalue()) - cash,
            ml=ml,
            account=None if account is None else account.history,
        )
        self._state.commit(record)
        _tell(rows, fills)
        return record

    def _compare(self, closed_at: np.datetime64, rows: Sequence[Mapping[str, Any]]) -> None:
        again = [_verdict(row) for row in rows]
        then = [_verdict(row) for row in self._decided.get(closed_at, ())]
        if again != then:
            raise RunError(
                f"a session that goes on must decide as it did, at {iso(closed_at)} the record "
                f"says {then or 'nothing'} and the program {again or 'nothing'}: settings or "
                "program have changed; begin another --state"
            )


def _drained(grown: list[Any]) -> list[Any]:
    taken = grown[:]
    grown.clear()
    return taken


def _verdict(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(round(row[k], 9) if k == "score" else row[k] for k in _VERDICT)


def _tell(rows: Sequence[Mapping[str, Any]], fills: Sequence[PricedFill]) -> None:
    for each in fills:
        fill = each.fill
        log.info(
            "%s %s %.8g at %.8g (%s, priced by the %s) in the bar of %s",
            "BOUGHT" if fill.units > 0 else "SOLD",
            fill.symbol,
            abs(fill.units),
            fill.price,
            fill.reason,
            each.model,
            readable(fill.filled_at),
        )
    for row in rows:
        if row["outcome"] in _TOLD:
            log.info(
                "%s %s at %s, score %.1f, ML %s",
                row["outcome"].upper(),
                row["symbol"],
                readable(row["decided_at"]),
                row["score"],
                _said_by_ml(row),
            )


def _said_by_ml(row: Mapping[str, Any]) -> str:
    """Return the opinion in few words; why there is none was said when it began."""
    return "unavailable" if row["ml"] == "unavailable" else opinion_text(opinion_of(row))
