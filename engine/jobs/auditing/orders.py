"""The audit of whole runs: what was decided and filled up to a moment must not change after it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import zip_longest
from typing import Any, TypeAlias

import numpy as np

from engine.errors import RunError
from engine.jobs.auditing.alteration import CHANGES
from engine.jobs.auditing.report import Kind, Leak
from engine.jobs.auditing.serving import BATCH_ATOL
from engine.jobs.hybrid_run import HybridRun, run_batch
from engine.jobs.markets import Market
from engine.jobs.settings import Settings
from engine.records import Fill
from feeds.bars import TimeArray
from feeds.progress import progress
from strategies.evidence import evidence_table
from strategies.journal import Outcome
from strategies.views import BatchViews, OpinionSource, ask

Run: TypeAlias = Callable[[Sequence[Market]], HybridRun]
Row: TypeAlias = Mapping[str, Any]

# What a row of the journal owes to the account and not to the market.
_ACCOUNT = ("outcome", "veto", "shortfall", "missing_units")


def hybrid_run_of(settings: Settings, source: OpinionSource) -> Run:
    """Return the run with ML, from bars to fills; one that the clock would be wrong about fails."""

    def run(markets: Sequence[Market]) -> HybridRun:
        strategy = settings.strategy
        tables = {m.bars.symbol: evidence_table(m.bars, strategy) for m in markets}
        views = BatchViews(tables, strategy, ask(tables, strategy, source))
        audited = run_batch(markets, views, settings, clock="audit")
        if audited.execution.clock.kind != "audit":
            raise RunError(f"the clock must be audited, found a {audited.execution.clock.kind} one")
        return audited

    return run


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersAudited:
    """How many moments, decisions and fills were compared, and what was found."""

    moments: int
    decisions: int
    fills: int
    leaks: Sequence[Leak]


def audit_orders(markets: Sequence[Market], run: Run, *, moments: int, seed: int) -> OrdersAudited:
    """Repeat the run with another future after some of the moments at which it traded.

    Where the later bars are altered, decisions and fills up to the moment are compared. Where they
    are cut away, the moment's bar becomes the last of its segment, and of a recording the broker
    knows where one ends: it closes positions at that close. So only fills before that bar are
    compared, and of the decisions at it only what they do not owe to the account.

    Parameters
    ----------
    markets : one wallet's
    moments : how many, at most
    seed : of their choice and of the other bars
    """
    before = run(markets)
    delta = markets[0].bars.timeframe.delta
    chosen = _moments(before, delta, moments, seed)
    leaks: dict[tuple[str, str | None, str], Leak] = {}
    with progress("auditing orders", total=len(chosen), unit="moments") as advance:
        for moment in chosen:
            for kind in CHANGES:
                after = run(_changed(markets, moment, kind, seed))
                for leak in _Until(kind, moment, delta).leaks(before, after):
                    leaks.setdefault((leak.what, leak.symbol, kind), leak)
            advance()
    known = [_Until("altered", moment, delta) for moment in chosen]
    return OrdersAudited(
        moments=len(chosen),
        decisions=sum(len(until.decisions(before)) for until in known),
        fills=sum(len(until.fills(before)) for until in known),
        leaks=list(leaks.values()),
    )


def _moments(run: HybridRun, delta: np.timedelta64, count: int, seed: int) -> TimeArray:
    """Return closes of bars at which entries were decided and of bars that filled orders."""
    traded = [fill.decided_at for fill in run.execution.fills if fill.units > 0]
    traded += [fill.filled_at + delta for fill in run.execution.fills]
    times = np.unique(np.array(traded, "datetime64[ms]"))
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(times, min(count, len(times)), replace=False))


def _changed(
    markets: Sequence[Market], moment: np.datetime64, kind: Kind, seed: int
) -> list[Market]:
    """Return the markets with another future; those that only have a future are left out."""
    begun = [m for m in markets if len(m.bars.known_at(moment)) > m.first]
    return [Market(CHANGES[kind](m.bars, moment, seed), m.first) for m in begun]


@dataclass(frozen=True, slots=True)
class _Until:
    """What can be compared of two runs that part after `moment`."""

    kind: Kind
    moment: np.datetime64
    delta: np.timedelta64

    def decisions(self, run: HybridRun) -> dict[tuple[str, np.datetime64], Row]:
        """Return the rows of the journal up to the moment."""
        rows = run.execution.strategy.journal
        return {
            (row["symbol"], row["decided_at"]): row
            for row in rows
            if row["decided_at"] <= self.moment
        }

    def fills(self, run: HybridRun) -> list[Fill]:
        """Return the fills of bars that had closed by the moment."""
        last = self.moment - self.delta * (2 if self.kind == "cut" else 1)
        return [fill for fill in run.execution.fills if fill.filled_at <= last]

    def leaks(self, before: HybridRun, after: HybridRun) -> Iterator[Leak]:
        """Yield the first decision and the first fill that differ."""
        first, second = self.decisions(before), self.decisions(after)
        for key in sorted(first.keys() | second.keys(), key=lambda key: (key[1], key[0])):
            what = self._other_decision(first.get(key), second.get(key))
            if what is not None:
                yield self._leak("decisions", *key, what)
                break
        for old, new in zip_longest(self.fills(before), self.fills(after)):
            if old != new:
                at = old or new
                yield self._leak("fills", at.symbol, at.filled_at + self.delta, _other(old, new))
                break

    def _other_decision(self, before: Row | None, after: Row | None) -> str | None:
        if before is None or after is None:
            return "made in only one of the runs"
        columns = list(dict.fromkeys([*before, *after]))
        if self.kind == "cut" and before["decided_at"] == self.moment:
            if Outcome.IN_POSITION in (before["outcome"], after["outcome"]):
                return None
            columns = [name for name in columns if name not in _ACCOUNT]
        pairs = ((name, before.get(name), after.get(name)) for name in columns)
        return next((f"{n}: {a} became {b}" for n, a, b in pairs if not _same(n, a, b)), None)

    def _leak(self, what: str, symbol: str, at: np.datetime64, difference: str) -> Leak:
        return Leak(
            where="serving",
            what=what,
            kind=self.kind,
            symbol=symbol,
            first_at=at,
            difference=difference,
        )


def _same(name: str, before: Any, after: Any) -> bool:
    if not (isinstance(before, float) and isinstance(after, float)):
        return bool(before == after)
    opinion = name == "probability" or name.startswith("vote_")
    apart = abs(before - after) <= (BATCH_ATOL if opinion else 0.0)
    return apart or bool(np.isnan(before) and np.isnan(after))


def _other(before: Fill | None, after: Fill | None) -> str:
    if before is None or after is None:
        return "filled in only one of the runs"
    names = (field.name for field in fields(Fill))
    name = next(n for n in names if getattr(before, n) != getattr(after, n))
    return f"{name}: {getattr(before, name)} became {getattr(after, name)}"
