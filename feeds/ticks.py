"""Prices on the tick of a symbol, and prices beyond it.

Plain formulas, for numbers and arrays alike: `feeds.order_kernels` compiles the very same ones.
Numba keeps its compiled loops by the file that they stand in: after a change here, delete
`feeds/__pycache__`. The tests compare broker and loops.
"""

from typing import TypeVar

import numpy as np

from feeds.bars import BoolArray, FloatArray

Price = TypeVar("Price", float, FloatArray)

_ROUNDING = 1e-9  # of a tick: a price that is on the tick but for rounding stays where it is


def tick_up(price: Price, tick: float) -> Price:
    """Round prices, above 0, up to the tick, of which they keep at least one; 0 means no tick.

    >>> float(tick_up(10.01, 0.25))
    10.25
    """
    if tick > 0.0:
        rounded: Price = np.maximum(np.ceil(price / tick - _ROUNDING), 1.0) * tick
        return rounded
    return price


def tick_down(price: Price, tick: float) -> Price:
    """Round prices down to the tick; 0 means no tick."""
    return np.floor(price / tick + _ROUNDING) * tick if tick > 0.0 else price


def traded_through(low: Price, limit: Price, tick: float) -> BoolArray | bool:
    """Return whether bars with this low fill a waiting buy: by a tick, without one by a hair."""
    return low <= limit - tick * (1.0 - _ROUNDING) if tick > 0.0 else low < limit
