"""What a fault has cost: a session that was disturbed, beside the one that was not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from feeds.bars import PRICES, Bars
from feeds.standin.stream_faults import StreamFault, StreamFaultKind
from tests.reliability.cases import Case
from tests.reliability.sessions import Lived

_NUMBERS = (*PRICES, "volume")
Key = tuple[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one try of a case came to.

    Attributes
    ----------
    bars_lost : bars of the exchange that the session has not, or has otherwise
    decisions_changed : decisions that only one of the two sessions made, or that differ in score
        or outcome
    fills_changed : likewise, by time, units, price and reason
    entries_missed : entries that were decided after the next bar had closed
    revisions : that the session reports
    reconnects : connections that were made anew
    spoiled : requests to REST that were not answered as they should have been
    seen : what the session tells its user
    details : what was lost or changed, in words
    """

    bars_lost: int
    decisions_changed: int
    fills_changed: int
    entries_missed: int
    revisions: int
    reconnects: int
    spoiled: int
    seen: tuple[str, ...]
    details: tuple[str, ...]


def cost_of(case: Case, disturbed: Lived, calm: Lived) -> Cost:
    """Compare a session with the undisturbed one of the same recording."""
    lost = _bars_lost(case, disturbed, calm)
    over = _first_late(disturbed) if case.outage else None
    excluded = case.halts
    decisions = _differing(
        _verdicts(disturbed, over, excluded), _verdicts(calm, over, excluded), "decision"
    )
    fills = _differing(_fills(disturbed, over, excluded), _fills(calm, over, excluded), "fill")
    missed = sum(row["outcome"] == "missed" for row in disturbed.decisions)
    return Cost(
        bars_lost=len(lost),
        decisions_changed=len(decisions),
        fills_changed=len(fills),
        entries_missed=missed,
        revisions=len(disturbed.revisions),
        reconnects=disturbed.health.reconnects,
        spoiled=disturbed.spoiled,
        seen=_seen(disturbed, calm),
        details=(*lost, *decisions, *fills),
    )


def _bars_lost(case: Case, disturbed: Lived, calm: Lived) -> list[str]:
    """Return in words each traded bar that is missing, is another one, or was never there."""
    arrived = {each.closed_at: each.arrived_at for each in disturbed.moments}
    lost = []
    for symbol, truth in disturbed.truth.items():
        before, last = _traded(calm.truth[symbol]), _traded(truth)
        got = _traded(disturbed.bars[symbol])
        for at in sorted(last.keys() | got.keys()):
            known = _known(case, at + truth.timeframe.delta, arrived)
            word = last.get(at) if known else before.get(at)
            if got.get(at) != word:
                lost.append(f"bar {symbol} {at}: {got.get(at)}, should be {word}")
    return lost


def _known(case: Case, closed_at: np.datetime64, arrived: Mapping[Any, np.datetime64]) -> bool:
    """Return whether the exchange had said its last word when the bar was handed over."""
    delays = [
        fault.ms
        for fault in case.faults
        if isinstance(fault, StreamFault) and fault.kind is StreamFaultKind.REVISION
    ]
    if not delays or closed_at not in arrived:
        return True
    return bool(arrived[closed_at] >= closed_at + np.timedelta64(round(max(delays)), "ms"))


def _traded(bars: Bars) -> dict[np.datetime64, tuple[float, ...]]:
    """Return the bars that do not merely stand in for missing ones, by their time."""
    values = np.stack([getattr(bars, name) for name in _NUMBERS], axis=1)[~bars.filled]
    return dict(zip(bars.time[~bars.filled], map(tuple, values.tolist()), strict=True))


def _first_late(lived: Lived) -> np.datetime64 | None:
    return next((each.closed_at for each in lived.moments if each.late), None)


def _verdicts(
    lived: Lived, over: np.datetime64 | None, excluded: str | None
) -> dict[Key, tuple[Any, ...]]:
    """Return what was decided; after a late moment positions differ, hence outcomes may."""
    found = {}
    for row in lived.decisions:
        if row["symbol"] != excluded:
            settled = over is None or row["decided_at"] < over
            outcome = row["outcome"] if settled else None
            found[row["symbol"], row["decided_at"]] = (round(row["score"], 9), outcome)
    return found


def _fills(
    lived: Lived, over: np.datetime64 | None, excluded: str | None
) -> dict[Key, tuple[Any, ...]]:
    found: dict[Key, tuple[Any, ...]] = {}
    for each in lived.fills:
        fill = each.fill
        if fill.symbol != excluded and (over is None or fill.filled_at < over):
            key = (f"{fill.symbol} {fill.reason}", fill.filled_at)
            # What the halted symbol would have earned is missing in the account.
            units = fill.units if excluded is None else np.sign(fill.units)
            found[key] = (*found.get(key, ()), units, round(fill.price, 9), fill.decided_at)
    return found


def _differing(
    got: Mapping[Key, tuple[Any, ...]], expected: Mapping[Key, tuple[Any, ...]], what: str
) -> list[str]:
    return [
        f"{what} {key[0]} {key[1]}: {got.get(key, 'none')}, undisturbed {expected.get(key, 'none')}"
        for key in sorted(got.keys() | expected.keys())
        if got.get(key) != expected.get(key)
    ]


def _seen(disturbed: Lived, calm: Lived) -> tuple[str, ...]:
    """Return what the session's status and events tell, without numbers that chance decides."""
    health = disturbed.health
    told = {
        "reconnected": health.reconnects > calm.health.reconnects,
        "bars repaired by REST": health.repaired > calm.health.repaired,
        "bars that differed from the stream": health.differed > 0,
        "bars filled": health.filled > 0,
        "revision reported": health.revised > 0,
        "entries missed": any(row["outcome"] == "missed" for row in disturbed.decisions),
        "clock offset told": abs(health.clock_offset_ms) > 45_000,
        **{f"{symbol} halted": True for symbol in health.halted},
    }
    failures = [f"`{kind}`" for kind in sorted(health.failures.keys() - calm.health.failures)]
    return (*failures, *(text for text, shown in told.items() if shown))
