"""Another future: the same bars up to a moment, and then others, or none."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from engine.jobs.auditing.report import Kind
from feeds.bars import PRICES, Bars, FloatArray, IntArray

Change: TypeAlias = Callable[[Bars, np.datetime64, int], Bars]
"""(bars, moment, seed) -> bars that are the same up to the moment."""

# The other market leaps where it leaves ours, so that labels that reach across tell, and then
# walks away from it, so that it has falls of its own and with them bars that can be learned from.
_LEAP = 0.05
_STEP = 0.005
_REACH = 0.002
_TURNOVER = 0.5


def altered_after(bars: Bars, moment: np.datetime64, seed: int) -> Bars:
    """Return the bars with other prices and volumes in all that close after `moment`.

    Prices are multiplied by a random walk, highs and lows reach further, volumes are multiplied by
    noise. The times, the holes and which bars are filled stay: no look-ahead needs them to tell.
    """
    known = len(bars.known_at(moment))
    rng = np.random.default_rng([seed, known, *bars.symbol.encode()])
    later = len(bars) - known
    walk = rng.choice([-_LEAP, _LEAP]) + np.cumsum(rng.normal(0.0, _STEP, later))
    reach = np.exp(np.abs(rng.normal(0.0, _REACH, (2, later))))
    factors = {
        "open": np.exp(walk),
        "high": np.exp(walk) * reach[0],
        "low": np.exp(walk) / reach[1],
        "close": np.exp(walk),
        "volume": rng.lognormal(0.0, _TURNOVER, later),
    }
    columns: dict[str, Any] = {
        name: _times(getattr(bars, name), known, by) for name, by in factors.items()
    }
    stood_in_for = _last_real(bars)[known:]
    for name in PRICES:
        flat = columns["close"][stood_in_for]
        columns[name][known:] = np.where(bars.filled[known:], flat, columns[name][known:])
    return replace(bars, **columns)


def cut_after(bars: Bars, moment: np.datetime64, _seed: int) -> Bars:
    """Return the bars that closed by `moment`."""
    return bars.known_at(moment)


CHANGES: Mapping[Kind, Change] = MappingProxyType({"altered": altered_after, "cut": cut_after})


def _times(column: FloatArray, known: int, factor: FloatArray) -> FloatArray:
    changed = column.copy()
    changed[known:] *= factor
    return changed


def _last_real(bars: Bars) -> IntArray:
    """Return for each bar the position of the latest one, itself included, that is not filled."""
    return np.maximum.accumulate(np.where(bars.filled, 0, np.arange(len(bars))))
