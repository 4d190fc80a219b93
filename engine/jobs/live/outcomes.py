"""What became of predictions: the label that the bundle learned, once later bars have settled it.

A trade's profit is no substitute. The label may ask something else, and a trade is made only where
the probability is high.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from engine.jobs.live.drift_watch import Settled
from engine.jobs.settings import Settings
from engine.jobs.training_rows import training_source
from feeds.bars import Bars
from feeds.timeframe import Timeframe

BarsOf: TypeAlias = Callable[[str, int], Bars]
"""(symbol, n) -> its last n bars that are known, fewer if there are not as many."""


@dataclass(frozen=True, slots=True)
class Said:
    """A prediction: of which bar, by symbol and close, and its probability at a prior of 0.5."""

    symbol: str
    decided_at: np.datetime64
    probability: float


class Outcomes:
    """Predictions whose labels are still to come.

    Parameters
    ----------
    settings : as the bundle was trained
    bars_of : the session's bars
    """

    def __init__(self, settings: Settings, timeframe: Timeframe, bars_of: BarsOf) -> None:
        self._settings = settings
        self._bar = timeframe.delta
        self._bars_of = bars_of
        self._waiting: list[Said] = []
        self._patience = _longest_label(settings) * timeframe.delta

    def wait_for(self, said: Said) -> None:
        """Take note of a prediction, in the order in which they are made."""
        self._waiting.append(said)

    def settled(self, now: np.datetime64) -> list[Settled]:
        """Return, once, the outcomes of the predictions that are old enough, oldest first.

        A label is looked for when it must be known, if it ever will be: the quick ones would
        otherwise come first, and they are not like the others.
        """
        if not self._waiting or now < self._waiting[0].decided_at + self._patience:
            return []
        due = [each for each in self._waiting if now >= each.decided_at + self._patience]
        self._waiting = self._waiting[len(due) :]
        labels = {symbol: self._labels(rows, now) for symbol, rows in _by_symbol(due).items()}
        found = (labels[each.symbol].get(each.decided_at) for each in due)
        return [
            Settled(said.probability, *label)
            for said, label in zip(due, found, strict=True)
            if label is not None
        ]

    def _labels(
        self, rows: Sequence[Said], now: np.datetime64
    ) -> dict[np.datetime64, tuple[bool, float]]:
        """Return label and weight of one symbol's rows that have one, by decision."""
        decided = np.array([each.decided_at for each in rows], "datetime64[ms]")
        back = bars_between(decided.min(), now, self._bar) + self._settings.strategy.warmup_bars
        bars = self._bars_of(rows[0].symbol, back + 1)
        source = training_source(bars, self._settings)
        labels, weight = source.labels, source.weight
        known = labels.valid & (labels.known_at <= bars.closed_at + self._patience)
        return {
            bars.closed_at[row]: (
                bool(labels.value[row]),
                1.0 if weight is None else float(weight[row]),
            )
            for row in np.flatnonzero(known & np.isin(bars.closed_at, decided)).tolist()
        }


def bars_between(first: np.datetime64, last: np.datetime64, bar: np.timedelta64) -> int:
    """Return how many bars there are between two closes, at most."""
    return max(int((last - first) // bar), 0)


def _by_symbol(rows: Iterable[Said]) -> dict[str, list[Said]]:
    found: dict[str, list[Said]] = {}
    for each in rows:
        found.setdefault(each.symbol, []).append(each)
    return found


def _longest_label(settings: Settings) -> int:
    """Return after how many bars a label is known, unless its market halts.

    Neither entry nor exit fills on a bar that stands in for a missing one.
    """
    training, strategy = settings.training, settings.strategy
    if training.label == "horizon":
        held = training.lookahead
    else:
        held = strategy.exits.max_bars
        held += strategy.entry.valid_bars if strategy.entry.order == "limit" else 0
    return held + 2 * (settings.data.fill_limit + 1)
