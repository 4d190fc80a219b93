"""Proof that a session did what the engine does: it decides all again, and prices all again.

1. The bars on record pass through the engine once more, with the fills on record injected: the
   strategy must decide as it did, and send the orders that it sent. Each opinion of the ensemble is
   asked for again if the version of the bundle that gave it is still there, and recalled if not.
2. Each fill is priced again on its own (`engine.paper.repricing`).
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import backtrader as bt

from engine.errors import RunError
from engine.jobs.live.recalled import RecalledEnsemble, opinions_of
from engine.jobs.live.trading import session_engine, session_rules, trade
from engine.jobs.settings import Settings
from engine.paper.moments import Moments
from engine.paper.reading import StateReader
from engine.paper.replay import recorded_moments
from engine.paper.repricing import Repricing, parents_in_bar
from feeds.bars import Bars
from feeds.moments import readable
from strategies.views import NoEnsemble

_SHOWN = 5  # differences that are told one by one
_SCORE = 1e-6  # within which evidence and opinions are the same

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Parity:
    """What came of it.

    Attributes
    ----------
    explained : fills that the bar model does not price as they were, by what explains them
    differences : what nothing explains, in words
    """

    bars: int
    decisions: int
    fills: int
    explained: Mapping[str, int]
    differences: Sequence[str]

    @property
    def passed(self) -> bool:
        """Whether everything is explained."""
        return not self.differences

    def to_json(self) -> dict[str, Any]:
        return {
            "bars": self.bars,
            "decisions": self.decisions,
            "fills": self.fills,
            "explained": dict(self.explained),
            "unexplained": len(self.differences),
            "differences": list(self.differences[:_SHOWN]),
        }

    def text(self) -> str:
        """Return what a person reads."""
        priced = self.fills - sum(self.explained.values())
        causes = "".join(f", {n:,} explained by {cause}" for cause, n in self.explained.items())
        found = len(self.differences)
        verdict = "nothing is unexplained" if self.passed else f"{found:,} UNEXPLAINED:"
        return "\n".join(
            [
                f"{self.bars:,} bars, {self.decisions:,} decisions made again",
                f"{self.fills:,} fills priced again: {priced:,} as the bar model has them{causes}",
                verdict,
                *(f"  {each}" for each in self.differences[:_SHOWN]),
            ]
        )


def parity(path: Path) -> Parity:
    """Return whether a session's record is what the engine makes of its bars.

    Raises
    ------
    StateError : the file is no state that can be read
    """
    with StateReader.open(path) as reader:
        facts = reader.facts()
        chosen = {name: value for name, value in facts.settings.items() if name != "ml"}
        settings = Settings.model_validate(chosen)
        moments = reader.moments()
        bars = {symbol: reader.bars(symbol) for symbol in facts.symbols}
        rows = reader.decisions()
        differences = _decided_again(reader, settings, rows) if moments else []
        causes, unexplained = _priced_again(reader, settings, bars)
        return Parity(
            bars=sum(_traded(reader, symbol) for symbol in facts.symbols),
            decisions=len(rows),
            fills=len(reader.fills()),
            explained=causes,
            differences=[*differences, *unexplained],
        )


def _traded(reader: StateReader, symbol: str) -> int:
    """Return how many bars came while the session ran."""
    return sum(each.origin is not None for each in reader.origins(symbol))


# ---------------------------------------------------------------- decisions


def _decided_again(reader: StateReader, settings: Settings, rows: Sequence[Row]) -> list[str]:
    ensemble = RecalledEnsemble(NoEnsemble("nothing on record"), opinions_of(rows))
    moments = Moments(recorded_moments(reader), lambda: moments.current.arrived_at)
    again: list[Row] = []

    def lived(strategy: bt.Strategy) -> None:
        again.extend(strategy.journal)
        strategy.journal.clear()

    engine = session_engine(reader, settings, moments, lived, None)
    try:
        trade(engine, moments, settings, ensemble)
    except RunError as error:
        return [str(error)]
    fills = [each.fill for each in engine.broker.priced]
    told = [each.fill for each in reader.fills()]
    return [*_differing_rows(rows, again), *_differing_fills(told, fills)]


def _differing_rows(rows: Sequence[Row], again: Sequence[Row]) -> list[str]:
    then = {(row["symbol"], row["decided_at"]): row for row in rows}
    now = {(row["symbol"], row["decided_at"]): row for row in again}
    return [
        f"{symbol} at {readable(at)}: decided {_said(then.get((symbol, at)))}, again "
        f"{_said(now.get((symbol, at)))}"
        for symbol, at in sorted({*then, *now}, key=lambda key: (key[1], key[0]))
        if not _same(then.get((symbol, at)), now.get((symbol, at)))
    ]


def _same(then: Row | None, now: Row | None) -> bool:
    if then is None or now is None or then["outcome"] != now["outcome"]:
        return False
    numbers = [name for name, value in now.items() if isinstance(value, float)]
    return all(_close(then.get(name), now[name]) for name in numbers)


def _close(then: Any, now: float) -> bool:
    if then is None or math.isnan(now):
        return then is None or math.isnan(then)
    return bool(abs(then - now) <= _SCORE * max(1.0, abs(now)))


def _said(row: Row | None) -> str:
    return "nothing" if row is None else f"{row['outcome']} with a score of {row['score']:g}"


def _differing_fills(told: Sequence[Any], again: Sequence[Any]) -> list[str]:
    pairs = zip(told, again, strict=False)
    found = [
        f"{then.symbol} {then.reason} in the bar of {readable(then.filled_at)}: cash changed by "
        f"{then.cash_change:.8g}, again by {now.cash_change:.8g}"
        for then, now in pairs
        if (then.units, then.price, then.fee) != (now.units, now.price, now.fee)
    ]
    missing = abs(len(told) - len(again))
    return [*found, *([f"{missing} fills more or fewer than on record"] if missing else [])]


# ---------------------------------------------------------------- fills


def _priced_again(
    reader: StateReader, settings: Settings, bars: Mapping[str, Bars]
) -> tuple[Mapping[str, int], list[str]]:
    repricing = Repricing(bars, reader.revisions(), settings.costs, session_rules(reader))
    fills = reader.fills()
    parents = parents_in_bar(fills)
    causes: Counter[str] = Counter()
    unexplained = []
    for each in fills:
        priced = repricing.of(each, parents.get(each.order))
        if priced.cause is not None:
            causes[str(priced.cause)] += 1
        if priced.unexplained:
            unexplained.append(
                f"{each.fill.symbol} {each.fill.reason} in the bar of "
                f"{readable(each.fill.filled_at)}: {each.fill.price:.8g}, priced by {each.model}"
            )
    return dict(causes), unexplained
