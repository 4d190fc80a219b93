"""Which entries the ensemble made, prevented or only moved."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd

from engine.records import Trade
from engine.result import RunResult, TradeGroup
from strategies.journal import Outcome

Moment: TypeAlias = tuple[str, np.datetime64]
"""A symbol, and when it was decided on."""

Key: TypeAlias = tuple[Moment, int]
"""A moment, and how many trades of the run were decided there before: plain strategies may make
several."""


def entry_groups(off: RunResult, on: RunResult) -> Mapping[str, TradeGroup]:
    """Return the trades of both runs by what made their entries differ.

    added, removed : the opinion lifted the score to an entry, or took it below
    moved_in, moved_out : only one run entered, because the other was in a position at that bar,
        could not pay or was stopped by a protection; a consequence of earlier entries, not of an
        opinion
    kept : both entered; the trades are those of ML-on
    """
    of_off, of_on = _by_decision(off.trades), _by_decision(on.trades)
    only_on = [key for key in of_on if key not in of_off]
    only_off = [key for key in of_off if key not in of_on]
    off_below, on_below = _below(off, only_on), _below(on, only_off)
    return {
        "added": TradeGroup(on.label, [of_on[key] for key in only_on if key in off_below]),
        "removed": TradeGroup(off.label, [of_off[key] for key in only_off if key in on_below]),
        "moved_in": TradeGroup(on.label, [of_on[key] for key in only_on if key not in off_below]),
        "moved_out": TradeGroup(
            off.label, [of_off[key] for key in only_off if key not in on_below]
        ),
        "kept": TradeGroup(on.label, [place for key, place in of_on.items() if key in of_off]),
    }


def _by_decision(trades: Sequence[Trade]) -> dict[Key, int]:
    """Return the position of each trade by what was decided when, in its order at that moment."""
    before: Counter[Moment] = Counter()
    found: dict[Key, int] = {}
    for place, trade in enumerate(trades):
        moment = trade.symbol, trade.decided_at
        found[moment, before[moment]] = place
        before[moment] += 1
    return found


def _below(run: RunResult, others: Sequence[Key]) -> set[Key]:
    """Return those of the other run's entries that the opinion kept this run from.

    A plain strategy has no scores: it is the opinion where it held nothing and did not enter.
    """
    if run.decisions.empty:
        return {key for key in others if not _held(run.trades, *key[0])}
    below = _scored_below(run.decisions)
    return {key for key in others if key[0] in below}


def _held(trades: Sequence[Trade], symbol: str, moment: np.datetime64) -> bool:
    own = (trade for trade in trades if trade.symbol == symbol)
    return any(trade.decided_at < moment <= trade.closed_at for trade in own)


def _scored_below(decisions: pd.DataFrame) -> set[Moment]:
    """Return the candidate bars at which the score did not suffice."""
    below = decisions[decisions["outcome"] == Outcome.SCORE_BELOW]
    moments = below["decided_at"].to_numpy("datetime64[ms]")
    return set(zip(below["symbol"], moments, strict=True))
